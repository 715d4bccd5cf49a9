//! A system clock that is wrong at the start, or that steps while the host runs. libfaketime plays the clock to the
//! program under test alone; durations stay real, as they do where a real clock is set.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::broker::Broker;
use crate::client::{Mqtt, now, unix_seconds, wait_until};
use crate::heating::{DEPLOYMENT, mosquitto};
use crate::host::{Host, get};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The clock that the host sees.
struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Result<Self> {
        let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
        let mut libraries = folders.iter().map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
        let library = libraries.find(|library| library.exists()).context("libfaketime is missing: install it first")?;
        let clock = Self { file: folder.join("clock"), library };
        clock.set(0)?;
        Ok(clock)
    }

    /// Moves the wall clock to that many seconds from the real one.
    fn set(&self, seconds: i64) -> Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).context("failed to write the clock's file")?;
        std::fs::rename(&new, &self.file).context("failed to set the clock")
    }

    fn give_to(&self, host: &mut Host) {
        host.environment = vec![
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
    }
}

fn doctor(host: &Host) -> Result<serde_json::Value> {
    let output = host.command(&["doctor", "--json"])?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("doctor gives no JSON: {}", String::from_utf8_lossy(&output.stderr)))
}

/// What the doctor says of the clock.
fn clock_check(host: &Host) -> Result<(bool, String)> {
    let report = doctor(host)?;
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    let clock = checks.iter().find(|check| check["name"] == "clock").context("no check of the clock")?;
    Ok((clock["ok"] == true, clock["detail"].as_str().unwrap_or_default().to_owned()))
}

/// Waits until the host has run for `more` seconds from now: time that a hold would have needed.
fn outlast(host: &Host, more: i64) -> Result<()> {
    let uptime = || -> Result<i64> { Ok(doctor(host)?["uptime-seconds"].as_i64().unwrap_or_default()) };
    let end = uptime()? + more;
    wait_until("the host has run for a while", || Ok(uptime()? > end))
}

fn exported(host: &Host) -> Result<Vec<serde_json::Value>> {
    let output = host.command(&["journal", "export"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).context("a line of the export is no JSON")).collect()
}

fn open_window(client: &Mqtt) -> Result<()> {
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.publish("home/window", r#"{"open":true}"#)
}

/// An hour either way while a hold of three seconds runs: it takes three seconds.
fn hold_over_a_step(step: i64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let clock = Clock::new(folder.path())?;
    let mut host = Host::new(folder.path(), &mosquitto(broker.port))?;
    clock.give_to(&mut host);
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    let began = now();
    open_window(&client)?;
    clock.set(step)?;
    let heard = client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    let took = began.elapsed();
    assert_eq!(heard[0].payload, r#"{"setpoint":7}"#);
    assert!(took >= Duration::from_millis(2_900), "the hold was cut short: {took:?}");
    let lines = exported(&host)?;
    let steps: Vec<i64> = lines.iter().filter_map(|line| line["host"]["clock-stepped"]["ahead"].as_i64()).collect();
    assert!(!steps.is_empty(), "no record of the step");
    let nearly = |ahead: &i64| (ahead / 1_000_000 - step).abs() <= 2;
    assert!(steps.iter().all(nearly), "one step, as it was: {steps:?}");
    let received: Vec<&str> = lines.iter().filter_map(|line| line["received"].as_str()).collect();
    assert!(received.is_sorted(), "time went back in the journal");
    let (ok, detail) = clock_check(&host)?;
    assert!(ok, "{detail}");
    host.stop()
}

#[test]
fn a_clock_that_steps_back_an_hour_does_not_freeze_a_hold() -> Result<()> {
    hold_over_a_step(-HOUR)
}

#[test]
fn a_clock_that_steps_forward_an_hour_does_not_fire_a_hold() -> Result<()> {
    hold_over_a_step(HOUR)
}

#[test]
fn a_clock_that_was_never_set_holds_timers_until_it_is_set() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let clock = Clock::new(folder.path())?;
    clock.set(60 - unix_seconds())?;
    let mut host = Host::new(folder.path(), &mosquitto(broker.port))?;
    clock.give_to(&mut host);
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.launch()?;
    host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 503") && answer.contains("1970-01-01T"))?;
    assert!(host.log().contains("before this program was built"), "{}", host.log());
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    open_window(&client)?;
    wait_until(
        "the window's opening is taken",
        || Ok(get(host.api, "/v1/devices/window")?.contains("\"value\":true")),
    )?;
    outlast(&host, 6)?;
    assert!(client.heard().is_empty(), "a clock that is not believed decided a hold");
    let (ok, detail) = clock_check(&host)?;
    assert!(!ok && detail.contains("doctor --accept-clock"), "{detail}");
    clock.set(0)?;
    host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))?;
    let heard = client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    assert_eq!(heard[0].payload, r#"{"setpoint":7}"#);
    let accepted = exported(&host)?.iter().any(|line| line["host"]["clock-accepted"]["operator"] == false);
    assert!(accepted, "no record of the clock that was set");
    host.stop()
}

#[test]
fn a_clock_ten_years_ahead_holds_timers_until_it_is_accepted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let clock = Clock::new(folder.path())?;
    let mut host = Host::new(folder.path(), &mosquitto(broker.port))?;
    clock.give_to(&mut host);
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let refused = host.command(&["doctor", "--accept-clock"])?;
    assert!(!refused.status.success(), "there is nothing to accept");
    host.stop()?;
    clock.set(3_650 * DAY)?;
    host.launch()?;
    host.answers("/readyz", |answer| {
        answer.starts_with("HTTP/1.1 503") && answer.contains("ahead of what the host knows")
    })?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    open_window(&client)?;
    wait_until(
        "the window's opening is taken",
        || Ok(get(host.api, "/v1/devices/window")?.contains("\"value\":true")),
    )?;
    outlast(&host, 6)?;
    assert!(client.heard().is_empty(), "a clock that is not believed decided a hold");
    let accepted = host.command(&["doctor", "--accept-clock"])?;
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stderr));
    host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))?;
    let heard = client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    assert_eq!(heard[0].payload, r#"{"setpoint":7}"#);
    let lines = exported(&host)?;
    let year = |line: &serde_json::Value| line["received"].as_str().map(|at| at[..4].to_owned());
    let place = lines.iter().position(|line| line["host"]["clock-accepted"]["operator"] == true);
    let place = place.context("no record of the acceptance")?;
    assert!(year(&lines[place - 1]) < year(&lines[place]), "time jumps at the record and not before");
    host.stop()
}

const STATION: &str = r#"
[[device]]
id = "station"
kind = "station"
source = { topic = "city/station", readings = { pm25 = { path = "/pm25", unit = "ug/m3" } } }

[[group]]
name = "city-desk"
sinks = ["desk"]

[[sink]]
name = "desk"
mqtt = { topic = "city/desk" }
"#;

const HOURLY: &str = "[roles]\nstation = [\"station\"]\n\n[settings]\nmin-readings = 1\n\n\
    [grants]\npublish = [\"pointsman/air/station\"]\n";

/// Three seconds before the schedule comes in the hour after this one.
fn before_the_schedule() -> i64 {
    let now = unix_seconds();
    now - now.rem_euclid(HOUR) + HOUR + 5 * 60 - 3
}

#[test]
fn a_schedule_follows_a_clock_that_steps_and_comes_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let clock = Clock::new(folder.path())?;
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{STATION}", broker.port);
    let mut host = Host::new(folder.path(), &text)?;
    clock.give_to(&mut host);
    host.deploy("air", "air-quality", HOURLY)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "city", "pointsman/air/station")?;
    let grade = |message: &crate::client::Heard| {
        serde_json::from_str::<serde_json::Value>(&message.payload).map(|json| json["grade"].as_i64().unwrap_or(-1))
    };
    let report = |value: u32| -> Result<()> {
        client.publish("city/station", &format!("{{\"pm25\":{value}}}"))?;
        let shown = format!("\"value\":{value}");
        wait_until("the reading is taken", || Ok(get(host.api, "/v1/devices/station")?.contains(&shown)))
    };
    report(15)?;
    let before = before_the_schedule();
    clock.set(before - unix_seconds())?;
    client.hears("the hour's schedule came", |heard| heard.len() == 1)?;
    // The same hour again, with a mean that would be told: it came already.
    report(60)?;
    clock.set(before - unix_seconds())?;
    outlast(&host, 6)?;
    report(200)?;
    clock.set(before + HOUR - unix_seconds())?;
    let heard = client.hears("the next hour's schedule came", |heard| heard.len() == 2)?;
    let grades = heard.iter().map(grade).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(grades, [1, 5], "once for each hour");
    host.stop()
}
