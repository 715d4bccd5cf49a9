//! Exact replay: the journal of a host that was killed gives the same decisions again, from its store and from a file.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result};

use crate::client::Mqtt;
use crate::heating::{embedded, open_for};
use crate::host::Host;

/// A window in each room, where one reports.
const FLEET: &str = r#"
[[device]]
id = "{n}/window"
site = "{n}"
kind = "contact"
source = { topic = "home/{n}/window", readings = { contact = { path = "/open" } } }
"#;

/// A host that opened and closed its window, was killed, and did so again with this setting.
fn lived(folder: &Path, then: &str) -> Result<Host> {
    let port = crate::broker::free_port()?;
    let mut host = Host::new(folder, &(embedded(port) + FLEET))?;
    host.deploy("heating", "thermostat-window", &open_for("1s"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    // A member of a fleet that nobody had heard of.
    client.publish("home/cellar/window", r#"{"open":true}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    host.kill()?;
    host.deploy("heating", "thermostat-window", &open_for(then))?;
    host.start()?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.hears("the heating is turned up", |heard| heard.len() > 1)?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    client.hears("the heating is turned down again", |heard| heard.len() > 2)?;
    host.stop()?;
    Ok(host)
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn replay(host: &Host, arguments: &[&str]) -> Result<serde_json::Value> {
    let output = host.command(&[&["replay", "--json"], arguments].concat())?;
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).context("replay gives no JSON")
}

#[track_caller]
fn refused(host: &Host, arguments: &[&str], why: &str) -> Result<()> {
    let output = host.command(arguments)?;
    assert!(!output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(why), "{}", text(&output));
    Ok(())
}

#[test]
fn a_journal_gives_the_same_again_from_its_store_and_from_an_export() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = lived(folder.path(), "2s")?;
    let own = replay(&host, &[])?;
    assert_eq!(own["mode"], "exact");
    assert!(own["decisions"].as_u64() >= Some(3), "{own}");

    let exported = host.command(&["journal", "export", "all.jsonl"])?;
    assert!(exported.status.success(), "{}", text(&exported));
    assert_eq!(replay(&host, &["all.jsonl"])?, own);

    Ok(())
}

#[test]
fn other_turn_boundaries_and_partitions_give_the_same_digest_as_live() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = lived(folder.path(), "1s")?;
    let live = replay(&host, &[])?;
    assert!(host.command(&["journal", "export", "all.jsonl"])?.status.success());
    assert!(host.command(&["journal", "export", "observed.jsonl", "--observed"])?.status.success());
    for (file, partitions) in [("all.jsonl", "1"), ("all.jsonl", "7"), ("observed.jsonl", "16")] {
        let simulated = replay(&host, &[file, "--partitions", partitions])?;
        assert_eq!(simulated["mode"], "simulated");
        assert_eq!(simulated["digest"], live["digest"], "{file} with {partitions} partitions");
    }
    Ok(())
}

#[test]
fn what_is_wrong_with_an_export_is_named_with_its_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = lived(folder.path(), "2s")?;
    assert!(host.command(&["journal", "export", "all.jsonl"])?.status.success());
    let whole = std::fs::read_to_string(folder.path().join("all.jsonl"))?;
    let lines: Vec<&str> = whole.lines().collect();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);

    let newer = whole.replacen("\"version\":1", "\"version\":9", 1);
    write("newer.jsonl", &newer)?;
    refused(&host, &["replay", "newer.jsonl"], "the export has version 9")?;

    let at = lines.iter().position(|line| line.contains("\"record\":\"")).context("an observed record")?;
    let place = lines[at].find("\"record\":\"").context("a record")? + 30;
    let mut flipped = lines[at].to_owned();
    let other = if &flipped[place..=place] == "A" { "B" } else { "A" };
    flipped.replace_range(place..=place, other);
    let mut changed = lines.clone();
    changed[at] = &flipped;
    write("flipped.jsonl", &changed.join("\n"))?;
    refused(&host, &["replay", "flipped.jsonl"], &format!("line {}", at + 1))?;

    let half = lines.len() / 2;
    write("cut.jsonl", &format!("{}\n{}", lines[..half].join("\n"), &lines[half][..lines[half].len() / 2]))?;
    refused(&host, &["replay", "cut.jsonl"], &format!("line {}", half + 1))?;

    let at = lines.iter().position(|line| line.contains("\"device\":\"window\"")).context("the window's reading")?;
    let gap: Vec<&str> = lines.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| *line).collect();
    write("gap.jsonl", &gap.join("\n"))?;
    refused(&host, &["replay", "gap.jsonl"], "the journal goes on at")?;

    // A rule that answers otherwise than it did live: the recorded decision is not the one that the replay makes.
    let is_command = |line: &&str| line.contains("\"decision\":") && line.contains("\"action\":\"set\"");
    let at = lines.iter().position(is_command).context("a command's decision")?;
    let otherwise = lines[at].replace("\"action\":\"set\"", "\"action\":\"sit\"");
    changed.copy_from_slice(&lines);
    changed[at] = &otherwise;
    write("otherwise.jsonl", &changed.join("\n"))?;
    refused(&host, &["replay", "otherwise.jsonl"], &format!("line {}", at + 1))?;
    refused(&host, &["replay", "otherwise.jsonl"], "the live run decided")?;

    refused(&host, &["replay", "--from", "2026-05-03T00:00:00Z", "--to", "2026-05-02T00:00:00Z"], "is not before")?;
    std::fs::remove_dir_all(folder.path().join("data/packages"))?;
    std::fs::remove_file(folder.path().join("deployments/heating.toml"))?;
    refused(&host, &["replay"], "thermostat-window@")
}
