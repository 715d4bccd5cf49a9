//! Why: an effect explained from the contact's report to the sink, beside the running host and after it.

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use crate::client::Mqtt;
use crate::heating::{embedded, open_for};
use crate::host::Host;

pub(crate) fn asked(host: &Host, arguments: &[&str]) -> Result<Json> {
    let output = host.command(&[&["why", "--json"], arguments].concat())?;
    anyhow::ensure!(output.status.success(), "why: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("why gives no JSON")
}

fn kinds(report: &Json) -> Vec<&str> {
    report["facts"].as_array().into_iter().flatten().filter_map(|fact| fact["kind"].as_str()).collect()
}

#[test]
fn an_effect_is_explained_from_the_report_to_the_sink() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = crate::broker::free_port()?;
    let mut host = Host::new(folder.path(), &embedded(port))?;
    host.deploy("heating", "thermostat-window", &open_for("1s"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    let heard = client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    let effect = heard[0].effect.clone().context("the effect's id travels with it")?;
    client.publish("home/radiator", r#"{"setpoint":7}"#)?;
    crate::client::wait_until("the end of the command is explained", || {
        let report = asked(&host, &[&effect[..12]])?;
        Ok(report["about"].as_str().is_some_and(|about| about.ends_with("confirmed")))
    })?;
    host.stop()?;
    let report = asked(&host, &[&effect])?;
    assert_eq!(report["notes"], Json::Null, "{report}");
    assert_eq!(kinds(&report), ["input", "trigger", "step", "sent", "ended"], "{report}");
    assert_eq!(report["facts"][0]["device"], "window");
    let step = report["facts"][2]["below"].as_array().context("what the step did")?;
    assert!(step.iter().any(|fact| fact["kind"] == "read"), "{report}");
    assert!(step.iter().any(|fact| fact["verdict"] == "allowed"), "{report}");

    let report = asked(&host, &["--device", "window"])?;
    let told = report.to_string();
    assert!(told.contains("the rule ran for key") && told.contains("other-change"), "{told}");
    let report = asked(&host, &[&effect, "--what-if", "contact = false"])?;
    assert!(kinds(&report).contains(&"removed"), "{report}");
    refused(&host, &["--device", "windaw"], "the nearest is `window`")?;
    refused(&host, &[&effect, "--what-if", "contcat = false"], "the nearest is `contact`")?;
    refused(&host, &["--device", "window", "--what-if", "wind = 3"], "`window` does not report `wind`")?;
    refused(&host, &["xyz"], "expected up to 32 hexadecimal digits")?;
    Ok(())
}

#[track_caller]
fn refused(host: &Host, arguments: &[&str], why: &str) -> Result<()> {
    let output = host.command(&[&["why"], arguments].concat())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(why), "{said}");
    Ok(())
}

/// Three sites, which the number of partitions puts into three of them.
pub(crate) const SITES: &str = r#"
[[device]]
id = "button"
site = "porch"
kind = "contact"
source = { topic = "home/button", readings = { contact = { path = "/on" } } }

[[device]]
id = "desk"
site = "study"
kind = "contact"
source = { topic = "home/desk", readings = { contact = { path = "/on" } } }

[[device]]
id = "lamp"
site = "hall"
kind = "switch"
source = { topic = "home/lamp", readings = { switch = { path = "/on" } } }
commands.on = { capability = "switch", value = true, topic = "home/lamp/set", payload = '{"on":true}' }
confirm = { within = "3s", retries = 1 }
"#;

pub(crate) const RELAY: &str = r#"
[roles]
button = ["button"]
desk = ["desk"]
lamp = ["lamp"]

[grants]
commands = ["lamp:on"]
emit = ["asked", "ended"]
"#;

/// The decisions of a host's own journal, replayed.
pub(crate) fn decisions(host: &Host) -> Result<Vec<Json>> {
    let output = host.command(&["replay", "--decisions", "-"])?;
    anyhow::ensure!(output.status.success(), "replay: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(said.lines().any(|line| line.len() == 64 + "sha256:".len()), "the digest is said: {said}");
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// A host on its own broker at a port, whose button was pressed and whose lamp was told to switch; the command's id.
pub(crate) fn told_to_switch(folder: &std::path::Path, rest: &str) -> Result<(Host, u16, Mqtt, String)> {
    let port = crate::broker::free_port()?;
    let mut host = Host::new(folder, &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{SITES}{rest}"))?;
    host.deploy("relay", "relay", RELAY)?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/lamp/set")?;
    client.publish("home/button", r#"{"on":true}"#)?;
    let heard = client.hears("the lamp is switched", |heard| !heard.is_empty())?;
    let command = heard[0].effect.clone().context("the effect's id travels with it")?;
    Ok((host, port, client, command))
}

/// A button's report that, over a timer, an emission, a command and its completion, ended in one more emission.
fn relayed(folder: &std::path::Path, rest: &str) -> Result<(Host, u16, String)> {
    let (mut host, port, client, command) = told_to_switch(folder, rest)?;
    crate::client::wait_until("the sink's answer is journalled", || {
        Ok(asked(&host, &[&command])?["facts"].to_string().contains("accepted"))
    })?;
    client.publish("home/lamp", r#"{"on":true}"#)?;
    crate::client::wait_until("the command is confirmed", || {
        Ok(asked(&host, &[&command])?["about"].as_str().is_some_and(|about| about.ends_with("confirmed")))
    })?;
    host.stop()?;
    Ok((host, port, command))
}

#[test]
fn a_chain_goes_back_over_completion_command_emission_and_timer_through_three_partitions() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (host, _, command) = relayed(folder.path(), "")?;
    let doctor: Json = serde_json::from_slice(&host.command(&["doctor", "--json"])?.stdout)?;
    let records: Vec<u64> =
        doctor["store"]["partitions"].as_array().into_iter().flatten().filter_map(|one| one["last"].as_u64()).collect();
    let least = records.iter().min().copied().unwrap_or_default();
    assert_eq!(records.iter().filter(|last| **last > least).count(), 3, "a partition for each site: {records:?}");

    let report = asked(&host, &[&command])?;
    assert_eq!(report["notes"], Json::Null, "{report}");
    assert_eq!(kinds(&report), ["input", "step", "timer", "step", "custom", "step", "sent", "ended"], "{report}");
    assert_eq!(report["facts"][0]["device"], "button");

    whatever_follows_is_run_again(&host, &command)?;
    let ended = decisions(&host)?.into_iter().find(|line| line["cause"]["kind"] == "completion");
    let ended = ended.context("the completion led to a decision")?["effect"]["id"].clone();
    let report = asked(&host, &[ended.as_str().context("an id")?])?;
    assert_eq!(
        kinds(&report)[..8],
        ["input", "step", "timer", "step", "custom", "step", "completion", "step"],
        "{report}"
    );
    assert!(report.to_string().contains(&command), "the completion names its command: {report}");
    Ok(())
}

/// The button's partition, the desk's and the lamp's take part, and each tells its part.
fn whatever_follows_is_run_again(host: &Host, command: &str) -> Result<()> {
    for asked_of in [&[command][..], &["--device", "button"]] {
        let same = asked(host, &[asked_of, &["--what-if", "contact = true"]].concat())?;
        let about = same["about"].as_str().unwrap_or_default();
        assert!(about.ends_with("0 decisions would be others"), "the same again is no change: {same}");
        let other = asked(host, &[asked_of, &["--what-if", "contact = false"]].concat())?;
        let facts = other["facts"].as_array().context("what is other")?;
        let removed: Vec<_> = facts.iter().filter(|fact| fact["kind"] == "removed").collect();
        assert!(removed.iter().any(|fact| fact["effect"]["id"] == command), "the lamp's command: {other}");
        assert!(removed.iter().any(|fact| fact["effect"]["name"] == "asked"), "the desk's emission: {other}");
        assert!(!kinds(&other).contains(&"added"), "{other}");
    }
    Ok(())
}

#[test]
fn without_its_package_a_step_is_told_as_far_as_it_is_stored() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (host, _, command) = relayed(folder.path(), "")?;
    std::fs::remove_dir_all(folder.path().join("data/packages"))?;
    host.deploy("relay", "thermostat-window", RELAY)?;
    let report = asked(&host, &[&command])?;
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("relay@1.0.0")), "{report}");
    assert_eq!(kinds(&report)[..6], ["input", "step", "timer", "step", "custom", "step"], "{report}");
    assert!(report.to_string().contains("\"verdict\":\"allowed\""), "{report}");
    Ok(())
}

#[test]
fn where_retention_has_cut_the_journal_what_is_stored_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut host, port, command) = relayed(folder.path(), "\n[retention]\njournal = { age = \"1s\" }\n")?;
    // Another configuration makes a checkpoint, up to which the next start cuts, once time has passed.
    host.deploy("relay", "relay", &RELAY.replace("[grants]", "[settings]\nlives = \"4m\"\n\n[grants]"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/lamp/set")?;
    client.publish("home/button", r#"{"on":true}"#)?;
    client.hears("the lamp is switched again", |heard| !heard.is_empty())?;
    host.stop()?;
    host.start()?;
    crate::client::wait_until("the journal is cut", || {
        Ok(!asked(&host, &[&command])?["facts"].to_string().contains("button reported"))
    })?;
    host.stop()?;
    let report = asked(&host, &[&command])?;
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("the journal begins at record")), "{report}");
    assert!(kinds(&report).contains(&"step"), "{report}");
    assert!(report.to_string().contains("\"verdict\":\"allowed\""), "{report}");
    Ok(())
}
