//! Backtests with the real program: over a recording, over the journal of a host that ran, and what is wrong with either.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result};
use serde_json::{Value as Json, json};

use crate::client::{Mqtt, wait_until};
use crate::heating::{embedded, open_for};
use crate::host::{Host, package_path};

const FRIDGE: &str = r#"
[[device]]
id = "fridge"
kind = "thermometer"
source = { topic = "home/fridge", readings = { temperature = { path = "/temperature", unit = "Cel" } } }

[[device]]
id = "siren"
kind = "switch"
source = { topic = "home/siren", readings = { switch = { path = "/on" } } }
commands.on = { capability = "switch", value = true, topic = "home/siren/set", payload = "ON" }
commands.off = { capability = "switch", value = false, topic = "home/siren/set", payload = "OFF" }
"#;

const GUARD: &str = r#"
[roles]
probe = ["fridge"]
alarm = ["siren"]

[settings]
high = "8 Cel"

[grants]
commands = ["alarm:on", "alarm:off"]
emit = ["excursion"]
"#;

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn backtest(host: &Host, arguments: &[&str]) -> Result<Json> {
    let output = host.command(&[&["backtest", "--json"], arguments].concat())?;
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).context("backtest gives no JSON")
}

/// A folder of deployments beside the host's own.
fn set(host: &Host, folder: &str, name: &str, package: &str, rest: &str) -> Result<()> {
    let deployments = host.folder.join(folder).join("deployments");
    std::fs::create_dir_all(&deployments).context("failed to create a set")?;
    let package = package_path(package)?;
    let text = format!("[deployment]\npackage = \"{}\"\n\n{rest}", package.display());
    std::fs::write(deployments.join(format!("{name}.toml")), text).context("failed to write a deployment")
}

#[track_caller]
fn refused(host: &Host, arguments: &[&str], code: i32, why: &str) -> Result<()> {
    let output = host.command(arguments)?;
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    assert!(text(&output).contains(why), "{}", text(&output));
    Ok(())
}

/// What differs: class, minute of the hour, how many minutes later, and what it does.
fn differences(report: &Json) -> Vec<(String, String, Option<f64>, String)> {
    let word = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let of = |found: &Json| {
        let at = word(&found["at"]);
        let moved = found["moved-seconds"].as_f64().map(|seconds| seconds / 60.0);
        (word(&found["class"]), at[11..16].to_owned(), moved, word(&found["what"]))
    };
    report["differences"].as_array().into_iter().flatten().map(of).collect()
}

/// Two warm spells of a morning, a reading every five minutes: one above 8 °C for an hour, one that passes 8 °C at 08:00
/// and 9 °C at 08:20.
fn recording() -> String {
    let line = |minute: u32| {
        let temperature = match minute {
            360..=420 => 8.5,
            480..=495 => 8.5,
            500..=560 => 9.5,
            _ => 5.0,
        };
        let at = format!("2026-05-02T{:02}:{:02}:00Z", minute / 60, minute % 60);
        json!({"at": at, "device": "fridge", "readings": {"temperature": temperature}}).to_string() + "\n"
    };
    (300..=660).step_by(5).map(line).collect()
}

#[test]
fn a_higher_limit_over_a_recording_removes_and_moves_alarms_and_adds_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), FRIDGE)?;
    host.deploy("cold", "cold-chain-guard", GUARD)?;
    set(&host, "strict", "cold", "cold-chain-guard", GUARD)?;
    set(&host, "mild", "cold", "cold-chain-guard", &GUARD.replace("8 Cel", "9 Cel"))?;
    std::fs::write(folder.path().join("morning.jsonl"), recording())?;

    let report = backtest(&host, &["morning.jsonl", "--old", "strict", "--new", "mild", "--html", "report.html"])?;
    let alarms = |report: &Json| {
        let all = differences(report).into_iter();
        all.filter(|(.., what)| what.contains("siren") || what == "excursion").collect::<Vec<_>>()
    };
    let of = |class: &str, at: &str, moved, what: &str| (class.to_owned(), at.to_owned(), moved, what.to_owned());
    assert_eq!(
        alarms(&report),
        [
            of("removed", "06:30", None, "siren: on"),
            of("removed", "06:30", None, "excursion"),
            of("removed", "07:05", None, "siren: off"),
            of("moved", "08:30", Some(20.0), "siren: on"),
            of("moved", "08:30", Some(20.0), "excursion"),
        ],
        "{report}"
    );
    let same = &report["deployments"][0];
    assert_eq!((&same["name"], &same["added"]), (&json!("cold"), &json!(0)), "{report}");
    let page = std::fs::read_to_string(folder.path().join("report.html"))?;
    assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("http"), "it needs nothing else");

    // Without an old set, a recording has the configuration's own.
    let own = backtest(&host, &["morning.jsonl", "--new", "mild"])?;
    assert_eq!(differences(&own), differences(&report));
    // What came before warms up, what comes after is not looked at.
    let bounds = ["--from", "2026-05-02T06:31:00Z", "--to", "2026-05-02T08:40:00Z"];
    let part = backtest(&host, &[&["morning.jsonl", "--new", "mild"], &bounds[..]].concat())?;
    let expected = [
        of("removed", "07:05", None, "siren: off"),
        of("removed", "08:30", None, "siren: on"),
        of("removed", "08:30", None, "excursion"),
    ];
    assert_eq!(alarms(&part), expected, "{part}");
    let table = host.command(&["backtest", "morning.jsonl", "--new", "mild"])?;
    assert!(table.status.success() && text(&table).contains("What cannot be known"), "{}", text(&table));
    Ok(())
}

#[test]
fn what_is_wrong_with_a_backtest_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), FRIDGE)?;
    host.deploy("cold", "cold-chain-guard", GUARD)?;
    set(&host, "new", "cold", "cold-chain-guard", GUARD)?;
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    write("morning.jsonl", &recording())?;
    let over = |rest: &[&'static str]| [&["backtest", "morning.jsonl"], rest].concat();

    let backwards = ["--new", "new", "--from", "2026-05-03T00:00:00Z", "--to", "2026-05-02T00:00:00Z"];
    refused(&host, &over(&backwards), 2, "--from 2026-05-03T00:00:00Z is not before --to 2026-05-02T00:00:00Z")?;
    refused(&host, &over(&["--new", "none"]), 2, "none is no set of deployments: expected a folder with deployments/")?;
    refused(&host, &["backtest", "none.jsonl", "--new", "new"], 1, "none.jsonl")?;

    let good = recording();
    let mut lines: Vec<&str> = good.lines().collect();
    lines[6] = r#"{"at":"2026-05-02T05:30:00Z","device":"#;
    write("bad.jsonl", &lines.join("\n"))?;
    refused(&host, &["backtest", "bad.jsonl", "--new", "new"], 1, "line 7")?;
    let report = backtest(&host, &["bad.jsonl", "--new", "new", "--skip-bad"])?;
    assert_eq!((&report["skipped"], &report["inputs"]), (&json!(1), &json!(lines.len() - 1)), "{report}");
    lines[6] = r#"{"at":"2026-05-02T04:00:00Z","device":"fridge","readings":{"temperature":5}}"#;
    write("back.jsonl", &lines.join("\n"))?;
    refused(&host, &["backtest", "back.jsonl", "--new", "new"], 1, "line 7: time goes back")?;

    let package = package_path("cold-chain-guard")?;
    let file = folder.path().join("new/deployments/cold.toml");
    let gone = std::fs::read_to_string(&file)?.replace(&package.display().to_string(), "gone.wasm");
    std::fs::write(&file, gone)?;
    refused(&host, &over(&["--new", "new"]), 2, "gone.wasm")
}

/// A host whose window was opened twice and closed once, and that has stopped.
fn lived(folder: &Path) -> Result<Host> {
    let port = crate::broker::free_port()?;
    let mut host = Host::new(folder, &embedded(port))?;
    host.deploy("heating", "thermostat-window", &open_for("1s"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.hears("the heating is turned up", |heard| heard.len() > 1)?;
    host.kill()?;
    host.start()?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    client.hears("the heating is turned down again", |heard| heard.len() > 2)?;
    host.stop()?;
    Ok(host)
}

/// The instants of the commands that a host gave, as its exact replay writes them.
fn commands(host: &Host) -> Result<Vec<String>> {
    let output = host.command(&["replay", "--decisions", "-"])?;
    assert!(output.status.success(), "{}", text(&output));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let decisions = lines.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let commands = decisions.filter(|decision| decision["effect"]["kind"] == "command");
    Ok(commands.map(|decision| decision["at"].as_str().unwrap_or_default().to_owned()).collect())
}

fn later(instant: &str, seconds: u64) -> Result<String> {
    let at: model::Instant = instant.parse().map_err(|_| anyhow::anyhow!("`{instant}` is no instant"))?;
    Ok((at + model::Span::from_secs(seconds)).to_string())
}

#[test]
fn what_ran_is_compared_with_another_setting_over_the_journal_of_a_host() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = lived(folder.path())?;
    let ran = commands(&host)?;
    assert_eq!(ran.len(), 3, "down, up, down: {ran:?}");

    // The same set gives what ran, all of it: results of sinks are waited for, none is made up.
    let same = backtest(&host, &["--new", "."])?;
    assert_eq!(same["differences"], json!([]), "{same}");
    assert_eq!(same["counts"]["same"], same["counts"]["old"], "{same}");
    let device = |report: &Json, what: &str| {
        let mut devices = report["devices"].as_array().into_iter().flatten();
        let radiator = devices.find(|row| row["name"] == "radiator");
        radiator.map_or(0, |row| row[what].as_u64().unwrap_or_default())
    };
    assert_eq!(device(&same, "same"), 3, "{same}");

    set(&host, "slow", "heating", "thermostat-window", &open_for("20m"))?;
    // The window stood open at the end: with the clock run on, the new set turns the heating down much later.
    let until = later(&ran[2], 3_600)?;
    let report = backtest(&host, &["--new", "slow", "--to", &until])?;
    let found: Vec<_> = differences(&report).into_iter().map(|(class, _, moved, _)| (class, moved)).collect();
    let removed = ("removed".to_owned(), None);
    assert_eq!(found[..2], [removed.clone(), removed], "{report}");
    let moved: Vec<_> = found[2..].iter().filter(|(class, _)| class == "moved").collect();
    let minutes = moved.first().and_then(|(_, minutes)| *minutes).context("the last command moved")?;
    assert!((minutes - 19.0 - 59.0 / 60.0).abs() < 0.02, "from 1 s to 20 min: {minutes} of {report}");

    // What came before warms up: only the last command counts.
    let last = backtest(&host, &["--new", "slow", "--from", &later(&ran[1], 0)?, "--to", &ran[2]])?;
    assert_eq!(differences(&last).len(), 1, "{last}");
    Ok(())
}

#[test]
fn what_is_gone_of_a_journal_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = lived(folder.path())?;
    let first = &commands(&host)?[0];
    let old = ["--to", "2020-01-01T00:00:00Z"];
    for command in [&["backtest", "--new", "."][..], &["replay"], &["journal", "export", "old.jsonl"]] {
        refused(&host, &[command, &old].concat(), 1, "--to 2020-01-01T00:00:00Z is older than what is kept")?;
    }
    assert!(!folder.path().join("old.jsonl").exists(), "no file is left where nothing is exported");

    assert!(host.command(&["journal", "export", "all.jsonl"])?.status.success());
    let over_export = backtest(&host, &["all.jsonl", "--new", "."])?;
    assert_eq!(over_export["differences"], json!([]), "{over_export}");
    let whole = std::fs::read_to_string(folder.path().join("all.jsonl"))?;
    std::fs::write(folder.path().join("newer.jsonl"), whole.replacen("\"version\":1", "\"version\":9", 1))?;
    refused(&host, &["backtest", "newer.jsonl", "--new", "."], 1, "the export has version 9")?;

    // Without the package of what ran there is nothing to compare with; the new set has one of its own.
    set(&host, "slow", "heating", "cold-chain-guard", "")?;
    std::fs::remove_file(folder.path().join("slow/deployments/heating.toml"))?;
    std::fs::remove_dir_all(folder.path().join("data/packages"))?;
    std::fs::remove_file(folder.path().join("deployments/heating.toml"))?;
    refused(&host, &["backtest", "--new", "slow", "--from", first], 1, "thermostat-window@")
}

#[test]
fn a_range_older_than_retention_is_refused_by_each_command_that_reads_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = crate::broker::free_port()?;
    let retention = "[retention]\njournal = { age = \"1s\" }\n";
    let mut host = Host::new(folder.path(), &format!("{retention}{}", embedded(port)))?;
    host.deploy("heating", "thermostat-window", &open_for("1s"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    host.stop()?;
    let from = commands(&host)?[0].clone();
    // Another configuration makes a checkpoint, up to which the journal may be cut.
    host.deploy("heating", "thermostat-window", &open_for("2s"))?;
    host.start()?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    host.stop()?;
    // Each start looks once for what is too old.
    let mut exported = None;
    wait_until("the journal is cut", || {
        host.start()?;
        client.publish("home/radiator", r#"{"setpoint":21}"#)?;
        let output = host.command(&["journal", "export", "-", "--from", &from])?;
        host.stop()?;
        let cut = text(&output).contains("is older than what is kept");
        exported = Some(output);
        Ok(cut)
    })?;
    // The host that runs says so, and so does its store.
    assert!(!exported.context("it was asked")?.status.success());
    for command in [&["backtest", "--new", "."][..], &["replay"], &["journal", "export", "-"]] {
        refused(
            &host,
            &[command, &["--from", &from]].concat(),
            1,
            &format!("--from {from} is older than what is kept"),
        )?;
    }
    // What is kept runs.
    assert!(host.command(&["replay"])?.status.success());
    backtest(&host, &["--new", "."]).map(drop)
}
