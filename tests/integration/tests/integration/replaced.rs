//! Devices that are renamed or replaced: a rule goes on with the new one, or somebody hears that it cannot.

use std::path::Path;

use anyhow::Result;

use crate::broker::free_port;
use crate::client::Mqtt;
use crate::heating::{DEPLOYMENT, embedded, open_for};
use crate::host::Host;

/// Writes the host's configuration again with other words in it.
fn rewrite(folder: &Path, from: &str, to: &str) -> Result<()> {
    let file = folder.join("pointsman.toml");
    let text = std::fs::read_to_string(&file)?;
    anyhow::ensure!(text.contains(from), "there is no `{from}` in:\n{text}");
    std::fs::write(&file, text.replace(from, to))?;
    Ok(())
}

fn turns_down(client: &Mqtt, window: &str) -> Result<()> {
    let before = client.heard().len();
    client.publish("home/radiator", r#"{"setpoint":21}"#)?;
    client.publish(window, r#"{"open":false}"#)?;
    client.publish(window, r#"{"open":true}"#)?;
    client.hears("the heating is turned down", |heard| heard.len() > before)?;
    Ok(())
}

#[test]
fn a_device_that_is_renamed_stops_the_deployment_that_names_it_until_that_is_mended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &embedded(port))?;
    host.deploy("heating", "thermostat-window", &open_for("1s"))?;
    host.start()?;
    host.stop()?;
    rewrite(folder.path(), "id = \"window\"", "id = \"windows\"")?;
    for command in ["check", "run"] {
        let output = host.command(&[command])?;
        let said = [&*output.stdout, &*output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        for word in ["deployments/heating.toml", "there is no device `window`", "did you mean \"windows\"?"] {
            assert!(said.contains(word), "{command}: no {word} in {said}");
        }
    }
    host.deploy("heating", "thermostat-window", &open_for("1s").replace("[\"window\"]", "[\"windows\"]"))?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    turns_down(&client, "home/window")?;
    host.stop()
}

#[test]
fn a_device_that_is_replaced_under_its_id_goes_on_where_the_old_one_ended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &embedded(port))?;
    host.deploy("heating", "thermostat-window", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(port, "home", "home/radiator/set")?;
    turns_down(&client, "home/window")?;
    host.stop()?;
    rewrite(folder.path(), "home/window", "home/new-window")?;
    host.start()?;
    let shown = host.command(&["device", "show", "window", "--json"])?;
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout)?;
    assert_eq!(shown["values"]["contact"]["value"], true, "{shown}");
    // What the rule remembers of the old one it uses with the new one.
    client.publish("home/new-window", r#"{"open":false}"#)?;
    let heard = client.hears("the heating is turned up", |heard| heard.len() == 2)?;
    assert_eq!(heard[1].payload, r#"{"setpoint":21}"#);
    host.stop()
}
