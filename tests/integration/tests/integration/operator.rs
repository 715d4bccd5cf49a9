//! The operator's commands: an installation to begin with, devices, backups, the journal, packages, a shell's help.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value as Json, json};

use crate::broker::free_port;
use crate::client::{Mqtt, wait_until};
use crate::heating::{embedded, open_for};
use crate::host::{Host, package_path};
use crate::why::{asked, decisions};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command that succeeds prints.
fn printed(host: &Host, arguments: &[&str]) -> Result<String> {
    let output = host.command(arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", err(&output));
    Ok(out(&output))
}

fn json(host: &Host, arguments: &[&str]) -> Result<Json> {
    let text = printed(host, &[arguments, &["--json"]].concat())?;
    serde_json::from_str(&text).with_context(|| format!("{arguments:?} gives no JSON: {text}"))
}

/// A command that fails, with this exit code and these words.
#[track_caller]
fn refused(host: &Host, arguments: &[&str], code: i32, why: &str) -> Result<()> {
    let output = host.command(arguments)?;
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", out(&output), err(&output));
    let said = out(&output) + &err(&output);
    assert!(said.contains(why), "{arguments:?}: {said}");
    Ok(())
}

/// A running host with the heating's devices on its own broker, and whoever hears the radiator's commands.
fn heated(folder: &Path) -> Result<(Host, Mqtt)> {
    let port = free_port()?;
    let mut host = Host::new(folder, &embedded(port))?;
    host.deploy("heating", "thermostat-window", &open_for("1s"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    Ok((host, client))
}

#[test]
fn every_metric_is_in_the_documentation_and_none_that_is_not_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut host, _client) = heated(folder.path())?;
    // What has no value yet is not shown: one event over HTTP, and what only a rule that observes would bring.
    let body = r#"{"device":"window","readings":{"contact":false}}"#;
    let head = format!("Host: 127.0.0.1:{}\r\nContent-Type: application/json\r\nConnection: close\r\n", host.api);
    let length = body.len();
    let post = format!("POST /v1/events HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}");
    let answer = crate::host::request(host.api, &post)?;
    ensure!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let unseen = ["pointsman_rule_sample".to_owned()];
    let metrics = crate::host::get(host.api, "/metrics")?;
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let shown = types.map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() });
    let shown: BTreeSet<String> = shown.chain(unseen).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/docs/http-api.md");
    let text = std::fs::read_to_string(file).context("failed to read http-api.md")?;
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `pointsman_")?.split_once('`'));
    let written: BTreeSet<String> = rows.map(|(name, _)| format!("pointsman_{name}")).collect();
    assert_eq!(shown, written);
    host.stop()
}

/// A store keeps its partitions, whatever the configuration says later.
#[test]
fn the_doctor_shows_each_limit_in_force_with_its_reason() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut host = Host::new(folder.path(), &embedded(free_port()?))?;
    let file = folder.path().join("pointsman.toml");
    let text = std::fs::read_to_string(&file)?;
    let with = |partitions: u8| text.replace("[host]\n", &format!("[host]\npartitions = {partitions}\n"));
    let wanted = "  partitions 1: Partitions of a new installation; fixed once it exists.";
    let shows = |host: &Host| -> Result<()> {
        let shown = out(&host.command(&["doctor"])?);
        assert!(shown.lines().any(|line| line == wanted), "{shown}");
        assert!(shown.lines().any(|line| line.starts_with("  payload-bytes 262144 bytes: ")), "{shown}");
        Ok(())
    };
    std::fs::write(&file, with(1))?;
    host.start()?;
    shows(&host)?;
    host.stop()?;
    std::fs::write(&file, with(4))?;
    shows(&host)
}

/// The radiator reports, and the heating goes down because the window is open.
fn turned_down(client: &Mqtt) -> Result<()> {
    let before = client.heard().len();
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    client.hears("the heating is turned down", |heard| heard.len() > before)?;
    Ok(())
}

#[test]
fn what_init_writes_passes_its_check_and_a_mistake_does_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), "")?;
    let written = printed(&host, &["init", "hub"])?;
    let files: Vec<&str> = written.lines().collect();
    assert!(files.contains(&"hub/pointsman.toml"), "{written}");
    assert!(files.iter().all(|file| folder.path().join(file).is_file()), "{written}");
    printed(&host, &["check", "-c", "hub/pointsman.toml"])?;
    refused(&host, &["init", "hub"], 2, "hub/pointsman.toml exists already")?;

    let file = folder.path().join("hub/pointsman.toml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replacen("kind =", "knid =", 1))?;
    refused(&host, &["check", "-c", "hub/pointsman.toml"], 2, "did you mean \"kind\"")
}

#[test]
fn devices_are_listed_and_shown_beside_a_running_host_and_after_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut host, client) = heated(folder.path())?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    wait_until("the report is in the twin", || {
        Ok(json(&host, &["device", "show", "radiator"])?["values"]["setpoint"]["value"] == 21.0)
    })?;
    let listed = json(&host, &["device", "list"])?;
    let ids: Vec<_> = listed.as_array().into_iter().flatten().filter_map(|device| device["id"].as_str()).collect();
    assert_eq!(ids, ["radiator", "window"]);
    let (list, show) = (printed(&host, &["device", "list"])?, printed(&host, &["device", "show", "radiator"])?);
    assert!(list.contains("radiator") && list.contains("setpoint 21"), "{list}");
    assert!(show.contains("thermostat") && show.contains("set"), "{show}");
    refused(&host, &["device", "show", "radiatr"], 1, "radiatr")?;
    host.stop()?;
    assert_eq!(json(&host, &["device", "list"])?, listed);
    assert_eq!((printed(&host, &["device", "list"])?, printed(&host, &["device", "show", "radiator"])?), (list, show));
    refused(&host, &["device", "show", "radiatr"], 1, "radiatr")
}

#[test]
fn a_manual_command_leaves_with_its_id_and_is_journalled_and_explained() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut host, client) = heated(folder.path())?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    refused(&host, &["device", "send", "radiator", "heat"], 1, "it has: set")?;
    refused(&host, &["device", "send", "radiatr", "set"], 1, "radiatr")?;
    refused(&host, &["device", "send", "radiator", "set", "19.5"], 2, "expected NAME=VALUE")?;

    let input = printed(&host, &["device", "send", "radiator", "set", "value=19.5"])?;
    let heard = client.hears("the command leaves", |heard| !heard.is_empty())?;
    assert_eq!(heard[0].payload, r#"{"setpoint":19.5}"#);
    let effect = heard[0].effect.clone().context("the effect's id travels with it")?;
    let setpoint = json(&host, &["device", "show", "radiator"])?["values"]["setpoint"].clone();
    assert_eq!(setpoint["desired"], 19.5, "{setpoint}");
    client.publish("home/radiator", r#"{"setpoint":19.5}"#)?;
    wait_until("the command is confirmed", || {
        Ok(asked(&host, &[&effect])?["about"].as_str().is_some_and(|about| about.ends_with("confirmed")))
    })?;
    let report = asked(&host, &[&effect])?;
    assert!(report.to_string().contains("an operator commanded radiator: set"), "{report}");
    host.stop()?;
    assert_eq!(client.heard().len(), 1, "it leaves once");

    let decided = decisions(&host)?;
    let [decision] = &*decided else { anyhow::bail!("one decision, not {decided:?}") };
    assert_eq!(decision["cause"]["kind"], "manual", "{decision}");
    assert_eq!(decision["cause"]["event"], input.trim(), "{decision}");
    assert_eq!((&decision["effect"]["id"], &decision["verdict"]), (&json!(effect), &json!("allowed")), "{decision}");
    refused(&host, &["device", "send", "radiator", "set", "value=19.5"], 2, "no host is running")?;
    refused(&host, &["doctor", "--accept-clock"], 2, "no host is running")
}

#[test]
fn a_backup_of_a_running_host_is_restored_replayed_and_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut host, client) = heated(&folder.path().join("old"))?;
    turned_down(&client)?;
    wait_until("the sink's answer is journalled", || Ok(printed(&host, &["journal", "export"])?.contains("accepted")))?;
    let then = json(&host, &["replay"])?;
    let taken = host.command(&["backup", "../hub.db"])?;
    ensure!(taken.status.success(), "{}", err(&taken));
    assert!(err(&taken).contains("packages"), "it says what is not in it: {}", err(&taken));
    refused(&host, &["backup", "../hub.db"], 2, "exists already")?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.hears("the heating is turned up", |heard| heard.len() > 1)?;
    host.stop()?;
    assert_ne!(json(&host, &["replay"])?["digest"], then["digest"], "the old host went on");

    let port = free_port()?;
    let mut again = Host::new(&folder.path().join("new"), &embedded(port))?;
    again.deploy("heating", "thermostat-window", &open_for("1s"))?;
    refused(&again, &["restore", "../none.db"], 1, "none.db")?;
    printed(&again, &["restore", "../hub.db"])?;
    refused(&again, &["restore", "../hub.db"], 1, "not empty")?;
    let verified = printed(&again, &["journal", "verify"])?;
    assert!(verified.ends_with("0 deleted, 0 damaged\n"), "{verified}");
    let replayed = json(&again, &["replay"])?;
    assert_eq!((&replayed["digest"], &replayed["decisions"]), (&then["digest"], &then["decisions"]));
    assert!(then["decisions"].as_u64() > Some(0), "{then}");

    again.start()?;
    let shown = json(&again, &["device", "show", "window"])?;
    assert_eq!(shown["values"]["contact"]["value"], true, "the window is open as it was: {shown}");
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.hears("the heating is turned up", |heard| heard.iter().any(|one| one.payload == r#"{"setpoint":21}"#))?;
    again.stop()
}

/// The devices' own ids make a record that is found in the file.
#[test]
fn a_journal_is_counted_exported_and_verified_down_to_the_changed_row() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let named = embedded(port).replace("path = \"/open\" } }", "path = \"/open\" } }, id = \"/id\"");
    let mut host = Host::new(folder.path(), &named)?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "nothing")?;
    client.publish("home/window", r#"{"open":true,"id":"the-one-record"}"#)?;
    wait_until("the report is journalled", || {
        Ok(host.accounts()?["accounts"]["journalled"].as_u64().is_some_and(|count| count > 0))
    })?;
    wait_until("it is in an export", || Ok(printed(&host, &["journal", "export"])?.contains("the-one-record")))?;
    let shown = printed(&host, &["journal", "stat"])?;
    assert!(shown.contains("the accounts add up") && shown.contains("nothing was lost"), "{shown}");
    let running = json(&host, &["journal", "verify"])?;
    assert!(running[0]["journal"]["damaged"] == 0, "{running}");
    no_such_partition(&host)?;
    host.stop()?;

    assert_eq!(host.accounts()?["imbalance"], Json::Null);
    let all = printed(&host, &["journal", "export"])?;
    printed(&host, &["journal", "export", "all.jsonl"])?;
    assert_eq!(std::fs::read_to_string(folder.path().join("all.jsonl"))?, all);
    let observed = printed(&host, &["journal", "export", "--observed"])?;
    let lines: Vec<Json> = observed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let reports: Vec<_> = lines.iter().filter(|line| line["id"] == "window:the-one-record").collect();
    assert_eq!(reports.len(), 1, "{observed}");
    assert_eq!((&reports[0]["device"], &reports[0]["readings"]["contact"]), (&json!("window"), &json!(true)));
    no_such_partition(&host)?;
    printed(&host, &["journal", "verify"])?;

    let file = folder.path().join("data/pointsman.db");
    let mut bytes = std::fs::read(&file)?;
    let name = b"the-one-record";
    let places: Vec<usize> = (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    assert!(!places.is_empty(), "the record lies in the file");
    places.into_iter().for_each(|at| bytes[at] = b'T');
    std::fs::write(&file, bytes)?;
    let damaged = host.command(&["journal", "verify"])?;
    assert_eq!(damaged.status.code(), Some(1), "{}", err(&damaged));
    assert!(
        out(&damaged).contains("payload") && err(&damaged).contains("1 rows of the journal or checkpoints"),
        "{}",
        out(&damaged)
    );
    readable_beside_damage(&host, &all)
}

/// Whether the host runs or not, and whatever lies where the export would.
fn no_such_partition(host: &Host) -> Result<()> {
    let file = host.folder.join("kept.jsonl");
    std::fs::write(&file, "nine byte")?;
    for command in [&["export", "kept.jsonl"][..], &["export"], &["verify"]] {
        let arguments = [&["journal"], command, &["--partition", "99"]].concat();
        refused(host, &arguments, 2, "there is no partition 99: the store has 16")?;
    }
    assert_eq!(std::fs::read_to_string(file)?, "nine byte");
    Ok(())
}

/// One record of the journal reads back as another that nobody took: everything else is still there, and whoever reads
/// is told where it was.
fn readable_beside_damage(host: &Host, whole: &str) -> Result<()> {
    let report = whole.lines().find(|line| line.contains("window:the-one-record")).context("the record")?;
    let sequence = serde_json::from_str::<Json>(report)?["seq"].clone();
    let lost = &*format!("of record {sequence} is damaged: its digest differs");
    for range in [&["journal", "export"][..], &["journal", "export", "--observed"]] {
        let exported = host.command(range)?;
        ensure!(exported.status.success() && err(&exported).contains(lost), "{range:?}: {}", err(&exported));
        let lines: Vec<Json> = out(&exported).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let damaged: Vec<_> = lines.iter().filter(|line| line["journal"]["lost"] == "damaged").collect();
        assert_eq!(damaged.len(), 1, "{range:?}");
        assert_eq!((&damaged[0]["seq"], &damaged[0]["id"]), (&sequence, &Json::Null), "{range:?}");
    }
    let exported = host.command(&["journal", "export", "damaged.jsonl"])?;
    assert_eq!(std::fs::read_to_string(host.folder.join("damaged.jsonl"))?.lines().count(), whole.lines().count());
    ensure!(exported.status.success(), "{}", err(&exported));
    for arguments in [&["replay"][..], &["replay", "damaged.jsonl"]] {
        refused(host, arguments, 1, lost)?;
    }
    let simulated = json(host, &["replay", "damaged.jsonl", "--simulated"])?;
    assert_eq!((&simulated["lost"], &simulated["skipped"]), (&json!(1), &json!(0)), "{simulated}");
    for arguments in [&["backtest", "--new", "."][..], &["backtest", "damaged.jsonl", "--new", "."]] {
        let report = json(host, arguments)?;
        assert!(report["unknown"].to_string().contains(lost), "{arguments:?}: {report}");
    }
    Ok(())
}

#[test]
fn every_key_that_a_script_reads_is_in_kebab_case() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut host, client) = heated(folder.path())?;
    turned_down(&client)?;
    let questions = [
        &["doctor"][..],
        &["device", "list"],
        &["device", "show", "radiator"],
        &["journal", "stat"],
        &["journal", "verify"],
        &["journal", "dead-letters"],
        &["sink", "list"],
        &["why", "--device", "window"],
        &["why", "--device", "window", "--what-if", "contact = false"],
        &["replay"],
        &["replay", "observed.jsonl"],
        &["backtest", "--new", "."],
    ];
    printed(&host, &["journal", "export", "observed.jsonl", "--observed"])?;
    for question in &questions {
        check_keys(question, &json(&host, question).or_else(|_| doctored(&host, question))?);
    }
    host.stop()?;
    for question in &questions {
        check_keys(question, &json(&host, question).or_else(|_| doctored(&host, question))?);
    }
    let exported = printed(&host, &["journal", "export"])?;
    let configuration = exported.lines().find(|line| line.contains("\"deployment\":{")).context("a configuration")?;
    let configuration: Json = serde_json::from_str(configuration)?;
    assert_eq!(configuration["deployment"]["default-sink"], "mqtt:broker", "{configuration}");
    Ok(())
}

/// `doctor` fails while something is wrong, as a host that does not run, and shows its facts all the same.
fn doctored(host: &Host, question: &[&str]) -> Result<Json> {
    let output = host.command(&[question, &["--json"]].concat())?;
    ensure!(question == ["doctor"], "{question:?}: {}", err(&output));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn check_keys(question: &[&str], json: &Json) {
    match json {
        Json::Object(fields) => fields.iter().for_each(|(name, value)| {
            let kebab = !name.contains('_') && !name.contains(char::is_uppercase);
            assert!(kebab, "{question:?} has a key `{name}`");
            check_keys(question, value);
        }),
        Json::Array(values) => values.iter().for_each(|value| check_keys(question, value)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

#[test]
fn sinks_are_listed_with_where_they_lead() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("secret"), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")?;
    let port = free_port()?;
    let sinks = "[[sink]]\nname = \"hook\"\nwebhook = { url = \"https://ops.example/hook\", secret-file = \"secret\" }\n\n\
                 [[sink]]\nname = \"wall\"\nmqtt = { topic = \"home/wall\" }\n";
    let host = Host::new(folder.path(), &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n\n{sinks}"))?;
    let shown = printed(&host, &["sink", "list"])?;
    assert_eq!(shown, "hook webhook https://ops.example/hook\nwall topic home/wall of broker\n");
    let listed = json(&host, &["sink", "list"])?;
    let expected = json!([
        {"name": "hook", "kind": "webhook", "gone": false},
        {"name": "wall", "kind": "mqtt", "gone": false},
    ]);
    assert_eq!(listed, expected);
    Ok(())
}

#[test]
fn a_package_tells_what_it_is_and_what_it_asks() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), "")?;
    let package = package_path("thermostat-window")?.display().to_string();
    let report = json(&host, &["rule", "inspect", &package])?;
    assert_eq!((&report["world"], &report["wasi"]), (&json!("rule"), &json!(false)), "{report}");
    assert_eq!(report["manifest"]["id"], "thermostat-window");
    assert!(report["manifest"]["requests"]["commands"].to_string().contains("thermostat:set"), "{report}");
    let shown = printed(&host, &["rule", "inspect", &package])?;
    let digest = report["digest"].as_str().context("a digest")?;
    assert!(shown.contains(digest) && shown.contains("command thermostat:set"), "{shown}");
    refused(&host, &["rule", "inspect", "pointsman.toml"], 1, "pointsman.toml is no package")
}

#[test]
fn each_shell_gets_a_script_that_knows_the_commands() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), "")?;
    let shells = [("bash", "complete -F _pointsman"), ("zsh", "#compdef pointsman"), ("fish", "complete -c pointsman")];
    for (shell, mark) in shells {
        let script = printed(&host, &["completions", shell])?;
        for word in [mark, "backtest", "dead-letters", "completions"] {
            assert!(script.contains(word), "{shell} has no `{word}`");
        }
        if shell == "bash" {
            let file = folder.path().join("completions");
            std::fs::write(&file, script)?;
            let read = Command::new("bash").arg("-n").arg(&file).output().context("failed to run bash")?;
            assert!(read.status.success(), "{}", err(&read));
        }
    }
    refused(&host, &["completions", "cmd"], 2, "cmd")
}
