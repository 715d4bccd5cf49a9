//! A broker that is not there, goes away, or lets nobody in.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::broker::{Broker, free_port};
use crate::client::Mqtt;
use crate::heating::{DEPLOYMENT, mosquitto};
use crate::host::{Host, get, request};

const READY: &str = "HTTP/1.1 200";

/// Opens and closes the window and hears the heating go down and up.
fn works(client: &Mqtt) -> Result<()> {
    let before = client.heard().len();
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    client.hears("the heating is turned down", |heard| heard.len() == before + 1)?;
    client.publish("home/window", r#"{"open":false}"#)?;
    let heard = client.hears("the heating is turned up", |heard| heard.len() == before + 2)?;
    assert_eq!(heard[before].payload, r#"{"setpoint":7}"#);
    assert_eq!(heard[before + 1].payload, r#"{"setpoint":21}"#);
    Ok(())
}

#[test]
fn a_broker_that_is_absent_at_the_start_is_used_once_it_is_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &mosquitto(port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start_alone()?;
    host.answers("/readyz", |answer| answer.starts_with(READY) && answer.contains("refused"))?;
    let _broker = Broker::on(folder.path(), port, "allow_anonymous true")?;
    host.answers("/readyz", |answer| answer.starts_with(READY) && !answer.contains("\"ok\":false"))?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    works(&client)?;
    host.stop()
}

#[test]
fn a_command_waits_for_a_broker_that_has_gone_and_leaves_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(folder.path())?;
    let port = broker.port;
    let mut host = Host::new(folder.path(), &mosquitto(port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    works(&client)?;
    broker.stop()?;
    host.answers("/readyz", |answer| answer.contains("\"ok\":false"))?;
    let event = |body: &str| {
        let length = body.len();
        let head = format!("Host: 127.0.0.1:{}\r\nContent-Type: application/json\r\nConnection: close\r\n", host.api);
        request(host.api, &format!("POST /v1/events HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n{body}"))
    };
    let opened =
        r#"[{"device":"window","readings":{"contact":false}},{"device":"window","readings":{"contact":true}}]"#;
    let answer = event(opened)?;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    crate::client::wait_until("the command waits", || Ok(host.accounts()?["accounts"]["waiting"] == 1))?;
    broker.resume()?;
    let heard = client.hears("the heating is turned down", |heard| heard.len() == 3)?;
    assert_eq!(heard[2].payload, r#"{"setpoint":7}"#);
    client.publish("home/window", r#"{"open":false}"#)?;
    let heard = client.hears("the heating is turned up", |heard| heard.len() == 4)?;
    assert_eq!(heard[3].payload, r#"{"setpoint":21}"#);
    host.stop()
}

#[test]
fn a_broker_that_refuses_the_credentials_is_named_and_tried_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let passwords = folder.path().join("passwords");
    let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["hub", "right"]).status();
    assert!(made.context("failed to run mosquitto_passwd")?.success());
    let access = format!("allow_anonymous false\npassword_file {}", passwords.display());
    let mut broker = Broker::on(folder.path(), free_port()?, &access)?;
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "wrong")?;
    let credentials = "credentials = { user = \"hub\", password-file = \"secret\" }\n\n[[device]]";
    let text = mosquitto(broker.port).replacen("[[device]]", credentials, 1);
    let mut host = Host::new(folder.path(), &text)?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start_alone()?;
    let refused = |answer: &str| answer.contains("\"ok\":false") && answer.to_lowercase().contains("authorized");
    host.answers("/readyz", refused)?;
    let doctor = host.command(&["doctor"])?;
    assert_eq!(doctor.status.code(), Some(1), "the doctor sees it too");
    // The broker's side is mended: the same host gets in by itself.
    let made = Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args(["hub", "wrong"]).status();
    assert!(made.context("failed to run mosquitto_passwd")?.success());
    broker.restart(std::time::Duration::ZERO)?;
    host.answers("/readyz", |answer| !answer.contains("\"ok\":false"))?;
    assert!(get(host.api, "/metrics")?.contains("pointsman_mqtt_received"));
    host.stop()
}

#[test]
fn a_stop_with_the_embedded_broker_is_no_news() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut host = Host::new(folder.path(), &crate::heating::embedded(free_port()?))?;
    host.start()?;
    host.answers("/readyz", |answer| answer.contains("\"name\":\"sink mqtt:broker\",\"ok\":true"))?;
    host.stop()?;
    assert!(!host.log().contains("WARN") && !host.log().contains("ERROR"), "{}", host.log());
    Ok(())
}

/// The connection that hears and the one that publishes are two clients: a broker may let in one of them.
#[test]
fn a_broker_that_lets_in_only_the_client_that_hears_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let access = "allow_anonymous true\nclientid_prefixes pointsman-test-local-in";
    let broker = Broker::on(folder.path(), free_port()?, access)?;
    let mut host = Host::new(folder.path(), &mosquitto(broker.port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start_alone()?;
    let check = |answer: &str, name: &str, ok: bool| answer.contains(&format!("\"name\":\"{name}\",\"ok\":{ok}"));
    host.answers("/readyz", |answer| {
        check(answer, "source local", true)
            && check(answer, "sink mqtt:local", false)
            && answer.to_lowercase().contains("refuse")
    })?;
    let doctor = host.command(&["doctor"])?;
    let shown = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("  FAIL sink mqtt:local ")), "{shown}");
    host.stop()
}

#[test]
fn of_two_brokers_the_one_that_is_away_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (away, broker) = (free_port()?, Broker::start(folder.path())?);
    let second = format!("\n[[mqtt]]\nname = \"yard\"\nurl = \"mqtt://127.0.0.1:{away}\"\n\n[[device]]");
    let text = mosquitto(broker.port).replacen("\n[[device]]", &second, 1);
    let text = text.replace("source = { topic", "source = { connection = \"local\", topic");
    let mut host = Host::new(folder.path(), &text)?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start_alone()?;
    let check =
        |answer: &str, name: &str, ok: bool| answer.contains(&format!("\"name\":\"source {name}\",\"ok\":{ok}"));
    host.answers("/readyz", |answer| {
        answer.starts_with(READY) && check(answer, "local", true) && check(answer, "yard", false)
    })?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    works(&client)?;
    let output = host.command(&["doctor"])?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start));
    assert!(line("  FAIL source yard ").is_some_and(|line| line.contains("refused")), "{shown}");
    assert!(line("  ok   source local").is_some(), "{shown}");
    assert!(line("source local: ").is_some_and(|line| line.contains(" received, ")), "{shown}");
    assert_eq!(line("source yard: "), Some("source yard: nothing came yet"), "{shown}");
    host.stop()
}
