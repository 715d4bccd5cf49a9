//! Rehearsals: what is run in virtual time or run again decides as live, and no device or person hears of it.

use anyhow::Result;
use serde_json::Value as Json;

use crate::broker::Broker;
use crate::client::Mqtt;
use crate::heating::{DEPLOYMENT, mosquitto};
use crate::host::Host;

const RECORDING: &str = r#"{"at":"2026-01-12T08:00:00Z","device":"radiator","readings":{"setpoint":21}}
{"at":"2026-01-12T08:00:01Z","device":"window","readings":{"contact":true}}
{"at":"2026-01-12T08:00:09Z","device":"window","readings":{"contact":false}}
{"at":"2026-01-12T08:00:10Z","advance":true}
"#;

/// How many decisions a rehearsal made.
fn rehearse(host: &Host, arguments: &[&str]) -> Result<u64> {
    let output = host.command(arguments)?;
    anyhow::ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let found: Json = serde_json::from_slice(&output.stdout)?;
    Ok(found["decisions"].as_u64().unwrap_or_default())
}

#[test]
fn a_rehearsal_sends_nothing_to_a_broker_that_is_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let mut host = Host::new(folder.path(), &mosquitto(broker.port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    std::fs::write(folder.path().join("recording.jsonl"), RECORDING)?;
    let client = Mqtt::connect(broker.port, "home", "#")?;

    let decisions = rehearse(&host, &["replay", "recording.jsonl", "--json"])?;
    assert_eq!(decisions, 4, "down with a timer, and up again without it");
    let backtest = host.command(&["backtest", "recording.jsonl", "--old", ".", "--new", ".", "--json"])?;
    assert!(backtest.status.success(), "{}", String::from_utf8_lossy(&backtest.stderr));
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules-examples/thermostat-window");
    let package = crate::host::package_path("thermostat-window")?.display().to_string();
    let scenarios = host.command(&["rule", "test", &example.display().to_string(), "--package", &package])?;
    assert!(scenarios.status.success(), "{}", String::from_utf8_lossy(&scenarios.stdout));
    client.publish("end", "of the rehearsals")?;
    let heard = client.hears("what this test says itself", |heard| !heard.is_empty())?;
    assert!(heard.len() == 1 && heard[0].topic == "end", "{heard:?}");

    // The same installation, live: now it is heard. Run again beside the running host, it is not.
    host.start()?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    let commands = |heard: &[crate::client::Heard]| heard.iter().filter(|one| one.topic == "home/radiator/set").count();
    client.hears("the heating is turned down", |heard| commands(heard) == 1)?;
    assert!(rehearse(&host, &["replay", "--json"])? > 0);
    client.publish("end", "of the second rehearsal")?;
    let heard = client.hears("the end", |heard| heard.iter().filter(|one| one.topic == "end").count() == 2)?;
    assert_eq!(commands(&heard), 1, "{heard:?}");
    host.stop()
}

#[test]
fn what_belongs_to_virtual_time_is_refused_where_a_journal_is_replayed_exactly() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = crate::broker::free_port()?;
    let mut host = Host::new(folder.path(), &crate::heating::embedded(port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    host.stop()?;
    assert!(host.command(&["journal", "export", "all.jsonl"])?.status.success());
    std::fs::write(folder.path().join("recording.jsonl"), RECORDING)?;
    let said = |arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let output = host.command(&[&["replay"], arguments].concat())?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let options: [&[&str]; 3] = [&["--until", "2030-01-01T00:00:00Z"], &["--skip-bad"], &["--sampler", "1"]];
    for option in options {
        for (recording, why) in [(None, "without a recording"), (Some("all.jsonl"), "unless --simulated")] {
            let arguments: Vec<&str> = recording.into_iter().chain(option.iter().copied()).collect();
            let (code, said) = said(&arguments)?;
            assert!(code == Some(2) && said.contains(option[0]) && said.contains(why), "{arguments:?}: {said}");
        }
        let arguments = [&["recording.jsonl"], option].concat();
        assert_eq!(said(&arguments)?.0, Some(0), "{arguments:?}");
        let arguments = [&["all.jsonl", "--simulated"], option].concat();
        assert_eq!(said(&arguments)?.0, Some(0), "{arguments:?}");
    }
    let bad = format!("{RECORDING}{{\"at\":\"2030-01-01T00:00:00Z\",\"redings\":{{}}}}\n");
    std::fs::write(folder.path().join("bad.jsonl"), &bad)?;
    let told = format!("line {} is left out: unknown field `redings`", bad.lines().count());
    let (code, heard) = said(&["bad.jsonl", "--skip-bad"])?;
    assert!(code == Some(0) && heard.contains(&told) && heard.contains("1 skipped"), "{heard}");
    for option in [&["--simulated"][..], &["--partitions", "3"]] {
        let (code, said) = said(option)?;
        assert!(code == Some(2) && said.contains(option[0]), "{option:?}: {said}");
    }
    assert_eq!(said(&[])?.0, Some(0));
    assert_eq!(said(&["all.jsonl"])?.0, Some(0));
    Ok(())
}
