//! Commands to their ends: sent again and failed, superseded, confirmed, expired, each told to the rule and in the twin.

use anyhow::{Context as _, Result};
use serde_json::{Value as Json, json};

use crate::broker::{Broker, free_port};
use crate::client::{Mqtt, wait_until};
use crate::host::{Host, request};
use crate::why::{RELAY, SITES, asked, decisions, told_to_switch};

/// Presses the button for the `n`th time, over HTTP: the broker may be away.
fn press(host: &Host, n: u8) -> Result<()> {
    let port = host.api;
    let at = format!("2022-05-02T05:14:{n:02}Z");
    let body = json!({"at": at, "device": "button", "readings": {"contact": true}}).to_string();
    let head = format!("Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nConnection: close\r\n");
    let length = body.len();
    let answer = request(port, &format!("POST /v1/events HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}"))?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    Ok(())
}

/// What the rule was told of the ends of its commands, in order.
fn told(host: &Host) -> Result<Vec<String>> {
    let completions = decisions(host)?.into_iter().filter(|line| line["cause"]["kind"] == "completion");
    Ok(completions.filter_map(|line| line["cause"]["name"].as_str().map(str::to_owned)).collect())
}

fn ends(host: &Host, effect: &str, how: &str) -> Result<Json> {
    wait_until(&format!("the command is {how}"), || {
        Ok(asked(host, &[effect])?["about"].as_str().is_some_and(|about| about.ends_with(how)))
    })?;
    asked(host, &[effect])
}

fn lamp(host: &Host) -> Result<Json> {
    let output = host.command(&["device", "show", "lamp", "--json"])?;
    let shown: Json = serde_json::from_slice(&output.stdout).context("device show gives no JSON")?;
    Ok(shown["values"]["switch"].clone())
}

/// Commands of one host to a lamp on the broker at this port, to every end but expiry. Stops the host.
fn ends_over(host: &mut Host, port: u16) -> Result<()> {
    host.deploy("relay", "relay", RELAY)?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/lamp/set")?;
    let effect = |heard: &crate::client::Heard| heard.effect.clone().context("the effect's id travels with it");

    client.publish("home/lamp", r#"{"on":false}"#)?;
    press(host, 1)?;
    let heard = client.hears("the command is sent once more", |heard| heard.len() >= 2)?;
    let first = effect(&heard[0])?;
    assert_eq!(first, effect(&heard[1])?, "one id over all attempts");
    let shown = lamp(host)?;
    assert_eq!((&shown["value"], &shown["desired"]), (&json!(false), &json!(true)), "{shown}");
    wait_until("the rule is told that it failed", || Ok(told(host)? == ["failed"]))?;

    press(host, 2)?;
    let heard = client.hears("the next command", |heard| heard.len() >= 3)?;
    press(host, 3)?;
    let second = effect(&heard[2])?;
    ends(host, &second, "superseded")?;
    let report = ends(host, &first, "failed")?;
    assert!(report.to_string().contains("failed, unconfirmed after 2 times"), "{report}");
    let old = [Some(first.clone()), Some(second.clone())];
    let heard =
        client.hears("the newer command", |heard| heard.last().is_some_and(|one| !old.contains(&one.effect)))?;
    let third = effect(heard.last().context("a command")?)?;
    wait_until("the broker has taken it", || Ok(asked(host, &[&third])?.to_string().contains("accepted")))?;
    client.publish("home/lamp", r#"{"on":true}"#)?;
    let report = ends(host, &third, "confirmed")?;
    assert!(
        report["facts"].as_array().is_some_and(|facts| facts.iter().any(|fact| fact["kind"] == "sent")),
        "{report}"
    );
    assert_eq!(lamp(host)?["value"], true);
    host.stop()?;
    assert_eq!(told(host)?, ["failed", "superseded", "confirmed"]);
    Ok(())
}

#[test]
fn each_end_of_a_command_is_reached_over_the_embedded_broker_and_told_to_its_rule() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{SITES}"))?;
    ends_over(&mut host, port)
}

#[test]
fn what_was_asked_of_a_device_that_never_reported_it_is_shown_without_a_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (mut host, ..) = told_to_switch(folder.path(), "")?;
    let shown = lamp(&host)?;
    assert_eq!((&shown["since"], &shown["reported"], &shown["desired"]), (&Json::Null, &Json::Null, &json!(true)));
    host.stop()
}

#[test]
fn each_end_of_a_command_is_reached_over_mosquitto_and_told_to_its_rule() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(folder.path())?;
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{SITES}", broker.port);
    let mut host = Host::new(folder.path(), &text)?;
    ends_over(&mut host, broker.port)?;

    host.deploy("relay", "relay", &RELAY.replace("[grants]", "[settings]\nlives = \"1s\"\n\n[grants]"))?;
    host.start()?;
    broker.stop()?;
    press(&host, 4)?;
    wait_until("the rule is told that it expired", || Ok(told(&host)?.len() == 4))?;
    broker.resume()?;
    assert_eq!(told(&host)?[3], "expired");
    host.stop()
}
