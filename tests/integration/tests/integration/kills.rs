//! Under load and killed at any instant: every acknowledged event is answered, and none under two ids.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::broker::Broker;
use crate::client::{Heard, Mqtt, wait_until};
use crate::host::Host;

const KILLS: u64 = 5;
const BURST: usize = 200;

const DEVICES: &str = r#"
[[device]]
id = "marker"
kind = "marker"
source = { topic = "load/marker", readings = { marker = { path = "/n" } } }

[[device]]
id = "probe"
kind = "thermometer"
source = { topic = "load/probe", readings = { temperature = { path = "/t", unit = "Cel" } } }
"#;

const DEPLOYMENT: &str = r#"
[roles]
probe = ["probe"]
marker = ["marker"]

[grants]
publish = ["acceptance/fired"]
"#;

/// The markers that were answered, with the ids under which they were.
fn answered(heard: &[Heard]) -> BTreeMap<u64, BTreeSet<String>> {
    let mut answered: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for message in heard {
        let Ok(json) = serde_json::from_str::<serde_json::Value>(&message.payload) else { continue };
        let Some(marker) = json.get("marker").and_then(serde_json::Value::as_f64) else { continue };
        answered.entry(marker as u64).or_default().extend(message.effect.clone());
    }
    answered
}

#[test]
fn kill_9_under_load_loses_nothing_and_doubles_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{DEVICES}", broker.port);
    let mut host = Host::new(folder.path(), &text)?;
    host.deploy("echo", "acceptance-fridge", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    let mut sent = 0;
    for kill in 0..KILLS {
        for _ in 0..BURST {
            sent += 1;
            client.publish("load/marker", &format!("{{\"n\":{sent}}}"))?;
        }
        // At another point of the burst each time.
        std::thread::sleep(Duration::from_millis(7 * kill + 3));
        host.kill()?;
        client.acknowledged(sent)?;
        host.start()?;
    }
    client.hears("every marker is answered", |heard| answered(heard).len() == sent)?;
    // Whatever is still on its way would be a second answer.
    wait_until("nothing waits for its sink", || Ok(host.accounts()?["accounts"]["waiting"] == serde_json::json!(0)))?;
    let doubled: Vec<_> = answered(&client.heard()).into_iter().filter(|(_, ids)| ids.len() != 1).collect();
    assert!(doubled.is_empty(), "answered under several ids: {doubled:?}");
    assert_eq!(host.accounts()?["imbalance"], serde_json::Value::Null);
    host.stop()
}

#[test]
fn a_broker_that_restarts_costs_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(folder.path())?;
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{DEVICES}", broker.port);
    let mut host = Host::new(folder.path(), &text)?;
    host.deploy("echo", "acceptance-fridge", DEPLOYMENT)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    let mut sent = 0;
    for _ in 0..2 {
        for _ in 0..BURST {
            sent += 1;
            client.publish("load/marker", &format!("{{\"n\":{sent}}}"))?;
        }
        client.acknowledged(sent)?;
        broker.restart(Duration::from_millis(500))?;
    }
    let heard = client.hears("every marker is answered", |heard| answered(heard).len() == sent).with_context(|| {
        format!("{} of {sent} answered; {:?}\n{}", answered(&client.heard()).len(), host.accounts(), host.log())
    })?;
    assert!(answered(&heard).values().all(|ids| ids.len() == 1));
    host.stop()
}
