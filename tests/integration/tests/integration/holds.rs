//! The main path, and time that survives: a window left open turns the heating down.

use anyhow::Result;

use crate::broker::Broker;
use crate::client::Mqtt;
use crate::heating::{DEPLOYMENT, embedded, mosquitto, open_for};
use crate::host::Host;

/// Opens the window and sees the heating turned down, and closes it and sees it turned up again.
fn open_and_close(client: &Mqtt) -> Result<()> {
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    let heard = client.hears("the heating is turned down", |heard| !heard.is_empty())?;
    assert_eq!(heard[0].topic, "home/radiator/set");
    assert_eq!(heard[0].payload, r#"{"setpoint":7}"#);
    assert!(heard[0].effect.is_some(), "the effect's id travels with it");
    client.publish("home/window", r#"{"open":false}"#)?;
    let heard = client.hears("the heating is turned up", |heard| heard.len() > 1)?;
    assert_eq!(heard[1].payload, r#"{"setpoint":21}"#);
    Ok(())
}

#[test]
fn a_window_left_open_turns_the_heating_down_over_mosquitto() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let mut host = Host::new(folder.path(), &mosquitto(broker.port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    open_and_close(&client)?;
    host.stop()
}

#[test]
fn a_window_left_open_turns_the_heating_down_over_the_embedded_broker() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = crate::broker::free_port()?;
    let mut host = Host::new(folder.path(), &embedded(port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    open_and_close(&client)?;
    host.stop()
}

#[test]
fn a_hold_survives_kill_9_in_its_middle() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let mut host = Host::new(folder.path(), &mosquitto(broker.port))?;
    host.deploy("heating", "thermostat-window", &open_for("8s"))?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "home", "home/radiator/set")?;
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish("home/window", r#"{"open":false}"#)?;
    client.publish("home/window", r#"{"open":true}"#)?;
    crate::client::wait_until("the window's opening is on disk", || {
        let device = host.command(&["device", "show", "window", "--json"])?;
        Ok(String::from_utf8_lossy(&device.stdout).contains("\"value\":true"))
    })?;
    host.kill()?;
    assert!(client.heard().is_empty(), "the hold is not over yet");
    host.start()?;
    let heard = client.hears("the hold fires after the restart", |heard| !heard.is_empty())?;
    assert_eq!(heard[0].payload, r#"{"setpoint":7}"#);
    host.stop()
}
