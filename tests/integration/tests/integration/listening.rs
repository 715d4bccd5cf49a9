//! A rule that hears what another rule publishes: the same whichever broker stands between them.

use anyhow::Result;

use crate::broker::{Broker, free_port};
use crate::client::Mqtt;
use crate::host::Host;
use crate::kills::{DEPLOYMENT, DEVICES};

fn passes_on(host: &mut Host, port: u16) -> Result<()> {
    host.deploy("speaker", "acceptance-fridge", DEPLOYMENT)?;
    host.deploy("listener", "listener", "[grants]\npublish = [\"acceptance/heard\"]\n")?;
    host.start()?;
    let client = Mqtt::connect(port, "load", "acceptance/heard")?;
    for n in 1..=3 {
        client.publish("load/marker", &format!("{{\"n\":{n}}}"))?;
        let heard = client.hears("what one rule publishes wakes the other", |heard| heard.len() == n)?;
        assert!(heard[n - 1].payload.contains(&format!("\"marker\":{n}")), "{heard:?}");
    }
    let accounts = host.accounts()?;
    // Three markers and what was published after each: heard once, not once more by way of the host's own connection.
    assert_eq!((&accounts["accounts"]["done"], &accounts["imbalance"]), (&6.into(), &serde_json::Value::Null));
    host.stop()
}

#[test]
fn over_the_embedded_broker() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut host = Host::new(folder.path(), &format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{DEVICES}"))?;
    passes_on(&mut host, port)
}

#[test]
fn over_mosquitto() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{DEVICES}", broker.port);
    let mut host = Host::new(folder.path(), &text)?;
    passes_on(&mut host, broker.port)
}
