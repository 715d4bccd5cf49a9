//! A device whose payload its map does not read: nothing fails, so it has to be said.

use anyhow::Result;
use serde_json::json;

use crate::broker::free_port;
use crate::client::{Mqtt, wait_until};
use crate::host::{Host, get};

const DEVICES: &str = r#"
[[device]]
id = "fridge"
kind = "thermometer"
source = { topic = "home/fridge", readings = { temperature = { path = "/temprature", unit = "Cel" } } }

[[device]]
id = "oven"
kind = "thermometer"
source = { topic = "home/oven", readings = { temperature = { path = "/temperature", unit = "Cel" }, door = { path = "/dor" } } }
"#;

fn shown(host: &Host, arguments: &[&str]) -> Result<String> {
    let output = host.command(arguments)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_misspelt_path_is_counted_and_its_device_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{DEVICES}"))?;
    host.start()?;
    assert!(host.command(&["doctor"])?.status.success(), "nothing was said yet");
    let client = Mqtt::connect(port, "home", "nothing")?;
    for _ in 0..3 {
        client.publish("home/fridge", r#"{"temperature":5}"#)?;
    }
    client.publish("home/oven", r#"{"temperature":200}"#)?;
    wait_until("all is journalled", || Ok(host.accounts()?["accounts"]["journalled"].as_u64() >= Some(5)))?;
    assert_eq!(host.log().matches("none of the device's paths is in its message").count(), 2, "{}", host.log());
    let losses = host.accounts()?["losses"].clone();
    assert_eq!(losses, json!([{"cause": "nothing-found", "count": 3}]));
    assert!(get(host.api, "/metrics")?.contains("pointsman_losses_total{cause=\"nothing-found\"} 3"));

    for state in ["running", "stopped"] {
        if state == "stopped" {
            host.stop()?;
        }
        let doctor = host.command(&["doctor"])?;
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert_eq!(doctor.status.code(), Some(1), "{state}: {said}");
        let line = said.lines().find(|line| line.starts_with("  FAIL devices ")).unwrap_or_default();
        assert!(line.contains("fridge: spoke") && !line.contains("oven"), "{state}: {said}");
        let fridge = shown(&host, &["device", "show", "fridge"])?;
        assert!(fridge.contains("never reported, though the device spoke: temperature"), "{state}: {fridge}");
        let oven = shown(&host, &["device", "show", "oven"])?;
        assert!(oven.contains("never reported, though the device spoke: door"), "{state}: {oven}");
    }
    let why = shown(&host, &["why", "--device", "fridge"])?;
    assert!(why.contains("fridge reported nothing that is known"), "{why}");
    Ok(())
}
