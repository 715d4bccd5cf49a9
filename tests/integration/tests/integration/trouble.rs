//! A rule that fails and hides state: its key is held, its dead letters run again, and it is found.

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use crate::broker::Broker;
use crate::client::{Mqtt, wait_until};
use crate::host::{Host, get};

const DEVICES: &str = r#"
[[device]]
id = "oven"
kind = "thermometer"
source = { topic = "home/oven", readings = { temperature = { path = "/temperature", unit = "Cel" } } }

[[device]]
id = "fridge"
kind = "thermometer"
source = { topic = "home/fridge", readings = { temperature = { path = "/temperature", unit = "Cel" } } }
"#;

const DEPLOYMENT: &str = "[roles]\nprobe = [\"oven\", \"fridge\"]\n\n[grants]\nemit = [\"counted\"]\n";

fn json(host: &Host, arguments: &[&str]) -> Result<Json> {
    let output = host.command(arguments)?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn start(folder: &std::path::Path, rest: &str) -> Result<(Broker, Host, Mqtt)> {
    let broker = Broker::start(folder)?;
    let mqtt = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{DEVICES}", broker.port);
    let mut host = Host::new(folder, &mqtt)?;
    let file = folder.join("pointsman.toml");
    let text = std::fs::read_to_string(&file)?.replace("[host]\n", &format!("[host]\n{rest}"));
    std::fs::write(&file, text)?;
    host.deploy("counting", "faulty", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "nothing")?;
    Ok((broker, host, client))
}

#[test]
fn a_rule_that_traps_is_held_by_key_and_its_dead_letters_run_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_broker, mut host, client) = start(folder.path(), "")?;
    for _ in 0..3 {
        client.publish("home/oven", r#"{"temperature":250}"#)?;
    }
    client.publish("home/fridge", r#"{"temperature":4}"#)?;
    wait_until("the oven is held", || {
        let held = json(&host, &["doctor", "--json"])?["held"].clone();
        Ok(held[0]["key"] == "oven" && held[0]["reason"] == "traps")
    })?;
    let letters = json(&host, &["journal", "dead-letters", "--json"])?;
    assert_eq!(letters.as_array().map(Vec::len), Some(3), "{letters}");
    assert_eq!((&letters[0]["reason"], &letters[0]["key"]), (&"trap".into(), &"oven".into()));
    let device = json(&host, &["device", "show", "oven", "--json"])?;
    assert_eq!(device["held"][0]["deployment"], "counting");
    assert!(get(host.api, "/v1/deployments")?.contains("\"reason\":\"traps\""));
    assert!(get(host.api, "/metrics")?.contains("pointsman_held{deployment=\"counting\",what=\"key\"} 1"));

    // The case is written by the running host and, the same, from the store that it leaves behind.
    let number = letters[0]["number"].to_string();
    let exported = host.command(&["journal", "dead-letters", "export", &number, "case.json"])?;
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    host.stop()?;
    let again = host.command(&["journal", "dead-letters", "export", &number, "-"])?;
    let (running, stopped): (Json, Json) = (
        serde_json::from_slice(&std::fs::read(folder.path().join("case.json"))?)?,
        serde_json::from_slice(&again.stdout)?,
    );
    assert_eq!(running, stopped);
    assert!(json(&host, &["doctor", "--json"])?["held"][0]["key"] == "oven", "it survives the stop");

    let same = |repro: &Json| (repro["verdict"] == "same") && repro["same-package"] == true;
    let repro = json(&host, &["rule", "repro", "case.json", "--json"])?;
    assert!(same(&repro), "the host has kept the package: {repro}");
    std::fs::remove_dir_all(folder.path().join("data/packages"))?;
    let missing = host.command(&["rule", "repro", "case.json"])?;
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && said.contains("faulty@1.0.0"), "{said}");
    let packages = folder.path().join("packages");
    std::fs::create_dir_all(&packages)?;
    std::fs::copy(crate::host::package_path("faulty")?, packages.join("any-name.wasm"))?;
    let repro = json(&host, &["rule", "repro", "case.json", "--json"])?;
    assert!(same(&repro), "{repro}");
    Ok(())
}

/// Fuel, not time, is what a share is measured in: a slow machine changes nothing.
#[test]
fn a_rule_that_uses_more_than_its_share_waits_behind_the_others_and_loses_nothing() -> Result<()> {
    const COLD: u64 = 900;
    const MILD: u64 = 30;
    let folder = tempfile::tempdir()?;
    let (_broker, mut host, client) = start(folder.path(), "")?;
    host.stop()?;
    for (name, probe) in [("greedy", "oven"), ("modest", "fridge")] {
        host.deploy(name, "faulty", &DEPLOYMENT.replace("\"oven\", \"fridge\"", &format!("\"{probe}\"")))?;
    }
    std::fs::remove_file(folder.path().join("deployments/counting.toml"))?;
    // The broker keeps them for our session, and brings them all at once.
    for n in 0..COLD {
        client.publish("home/oven", r#"{"temperature":-200}"#)?;
        if n % (COLD / MILD) == 0 {
            client.publish("home/fridge", r#"{"temperature":4}"#)?;
        }
    }
    client.acknowledged(usize::try_from(COLD + MILD)?)?;
    host.start()?;
    let settled = |accounts: &Json| accounts["accounts"]["wanted"] == accounts["accounts"]["done"];
    wait_until("every event had its turn", || {
        let accounts = host.accounts()?;
        Ok(settled(&accounts) && accounts["accounts"]["done"].as_u64() >= Some(COLD + MILD))
    })?;
    host.stop()?;
    let exported = host.command(&["journal", "export"])?;
    let exported = String::from_utf8_lossy(&exported.stdout).into_owned();
    let judged: Vec<Json> = exported
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok())
        .map(|line| line["host"]["budget"].clone())
        .filter(|budget| !budget.is_null())
        .collect();
    assert!(judged.iter().any(|budget| budget["over"] == true), "{judged:?}");
    assert!(judged.iter().all(|budget| budget["deployment"] == "greedy"), "{judged:?}");
    assert!(judged.last().is_some_and(|budget| budget["over"] == false), "it had its turn again: {judged:?}");
    let accounts = host.accounts()?;
    assert_eq!(accounts["accounts"]["dead-lettered"], 0, "{accounts}");
    Ok(())
}

#[test]
fn a_rule_that_counts_in_its_memory_is_found_by_the_sampler() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_broker, mut host, client) = start(folder.path(), "sampler = 1.0\n")?;
    wait_until("a turn of several events is found", || {
        for _ in 0..50 {
            client.publish("home/fridge", r#"{"temperature":4}"#)?;
        }
        let doctor = json(&host, &["doctor", "--json"])?;
        let found = &doctor["hidden-state"][0];
        Ok(found["deployment"] == "counting" && found["evidence"][0]["shared"] != found["evidence"][0]["fresh"])
    })?;
    assert!(get(host.api, "/metrics")?.contains("pointsman_hidden_state_total{deployment=\"counting\"}"));
    host.stop()
}

#[test]
fn a_rule_that_counts_in_its_memory_is_found_in_a_replay() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), DEVICES)?;
    host.deploy("counting", "faulty", DEPLOYMENT)?;
    let line = |second: u32| {
        format!(
            "{{\"at\":\"2026-05-02T08:00:{second:02}Z\",\"device\":\"fridge\",\"readings\":{{\"temperature\":4}}}}\n"
        )
    };
    std::fs::write(folder.path().join("recording.jsonl"), (0..5).map(line).collect::<String>())?;
    let found = json(&host, &["replay", "recording.jsonl", "--sampler", "1", "--json"])?["hidden-state"].clone();
    // The first of five is alone with a fresh instance in any case.
    assert_eq!(found.as_array().map(Vec::len), Some(4), "{found}");
    assert!(found[0]["deployment"] == "counting" && found[0]["key"] == "fridge", "{found}");
    let output = host.command(&["replay", "recording.jsonl", "--sampler", "1"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("hidden state: counting, key fridge, answered event"), "{said}");
    let unasked = json(&host, &["replay", "recording.jsonl", "--json"])?;
    assert_eq!(unasked["hidden-state"], Json::Array(Vec::new()), "{unasked}");
    Ok(())
}

#[test]
fn a_rule_that_counts_in_its_memory_fails_its_own_scenarios() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), "")?;
    let rule = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/acceptance-probe/faulty");
    let (rule, package) = (rule.display().to_string(), crate::host::package_path("faulty")?.display().to_string());
    let output = host.command(&["rule", "test", &rule, "--package", &package])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("keeps something in its memory"), "{said}");
    Ok(())
}
