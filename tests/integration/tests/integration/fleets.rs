//! Fleets: a member that only a pattern declares joins as it is first heard, whichever way that is.

use anyhow::{Context as _, Result};
use serde_json::{Value as Json, json};

use crate::broker::free_port;
use crate::client::Mqtt;
use crate::host::{Host, get, package_path, request};

/// A window and a radiator in each room.
const ROOMS: &str = r#"
[[device]]
id = "{n}/window"
site = "{n}"
kind = "contact"
source = { topic = "home/{n}/window", readings = { contact = { path = "/open" } } }

[[device]]
id = "{n}/radiator"
site = "{n}"
kind = "thermostat"
source = { topic = "home/{n}/radiator", readings = { setpoint = { path = "/setpoint" } } }
commands.set = { capability = "setpoint", topic = "home/{n}/radiator/set", payload = '{"setpoint":{{ value }}}' }
"#;

fn heating(open_for: &str) -> String {
    format!(
        "[roles]\nwindow = \"kind = 'contact'\"\nthermostat = \"kind = 'thermostat'\"\n\n[settings]\nopen-for = \"{open_for}\"\n\n\
         [grants]\ncommands = [\"thermostat:set\"]\n"
    )
}

fn post(host: &Host, body: &Json) -> Result<(u16, Json)> {
    let (port, body) = (host.api, body.to_string());
    let head = format!("Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nConnection: close\r\n");
    let length = body.len();
    let answer = request(port, &format!("POST /v1/events HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}"))?;
    let status = answer.get(9..12).context("an answer has a status")?.parse()?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a body")?;
    Ok((status, serde_json::from_str(body).context("the answer is JSON")?))
}

fn json(host: &Host, arguments: &[&str]) -> Result<Json> {
    let output = host.command(arguments)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("it gives no JSON")
}

#[test]
fn events_over_http_discover_members_and_repeats_are_duplicates() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{ROOMS}"))?;
    host.deploy("heating", "thermostat-window", &heating("0s"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/attic/radiator/set")?;

    let radiator = json!({"device": "attic/radiator", "readings": {"setpoint": 21}, "id": "r-1"});
    assert_eq!(post(&host, &radiator)?, (202, json!({"status": "accepted", "id": "r-1"})));
    assert_eq!(post(&host, &radiator)?, (202, json!({"status": "duplicate", "id": "r-1"})));
    let window = json!({"topic": "home/attic/window", "payload": {"open": true}, "id": "w-1"});
    let unread = json!({"topic": "home/cellar/window", "payload": {"open": null}});
    let unknown = json!({"device": "attic/door", "readings": {"contact": true}});
    let (status, body) = post(&host, &json!([window, radiator, window, unread, unknown]))?;
    assert_eq!(status, 207);
    let results = body["results"].as_array().context("a batch has results")?;
    let words: Vec<_> = results.iter().map(|item| item["status"].as_str().unwrap_or_default()).collect();
    assert_eq!(words, ["accepted", "duplicate", "duplicate", "accepted", "rejected"]);
    client.hears("the heating of the attic is turned down", |heard| !heard.is_empty())?;

    let answer = get(host.api, "/v1/devices/cellar/window")?;
    assert!(answer.contains(r#""quality":"bad""#) && answer.contains(r#""value":null"#), "{answer}");
    let accounts = &host.accounts()?["accounts"];
    assert_eq!(accounts["duplicate"], 3, "{accounts}");
    host.stop()
}

#[test]
fn recordings_discover_members_and_count_topics_that_nobody_hears() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::new(folder.path(), ROOMS)?;
    host.deploy("heating", "thermostat-window", &heating("5s"))?;
    let at = |second: u32, mut what: Json| {
        what["at"] = json!(format!("2026-05-02T05:00:{second:02}Z"));
        what.to_string()
    };
    let lines = [
        at(0, json!({"topic": "home/attic/radiator", "payload": {"setpoint": 21}})),
        at(1, json!({"topic": "home/attic/lamp", "payload": "ON"})),
        at(2, json!({"device": "attic/window", "readings": {"contact": true}})),
        at(3, json!({"topic": "home/attic/lamp", "payload": "OFF"})),
        at(9, json!({"advance": true})),
    ];
    std::fs::write(folder.path().join("home.jsonl"), lines.join("\n"))?;
    let digests = ["1", "16"].map(|partitions| -> Result<Json> {
        let summary = json(&host, &["replay", "--json", "home.jsonl", "--partitions", partitions])?;
        // The command, and the timer of the reminder.
        assert_eq!((&summary["decisions"], &summary["unclaimed"]), (&json!(2), &json!(2)), "{summary}");
        assert_eq!(summary["accounts"]["waiting"], 1, "{summary}");
        Ok(summary["digest"].clone())
    });
    let [one, many] = digests;
    assert_eq!(one?, many?);
    let told = host.command(&["replay", "home.jsonl"])?;
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("2 lines of topics") && told.contains("line 2, on home/attic/lamp"), "{told}");

    let patient = host.folder.join("patient/deployments");
    std::fs::create_dir_all(&patient)?;
    let package = package_path("thermostat-window")?;
    let text = format!("[deployment]\npackage = \"{}\"\n\n{}", package.display(), heating("1h"));
    std::fs::write(patient.join("heating.toml"), text)?;
    let report = json(&host, &["backtest", "--json", "home.jsonl", "--new", "patient"])?;
    let classes: Vec<_> =
        report["differences"].as_array().into_iter().flatten().filter_map(|d| d["class"].as_str()).collect();
    assert_eq!((classes, &report["unclaimed"]), (vec!["removed"], &json!(2)), "{report}");
    Ok(())
}
