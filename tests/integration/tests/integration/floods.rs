//! Much of the same, twice the same, and an hour at once.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::broker::Broker;
use crate::client::{Heard, Mqtt, unix_seconds, wait_until};
use crate::host::{Host, get};
use crate::proxy::Proxy;

const DEVICES: &str = r#"
[[device]]
id = "marker"
kind = "marker"
source = { topic = "load/marker", readings = { marker = { path = "/n" } } }

[[device]]
id = "probe"
kind = "thermometer"
source = { topic = "load/probe", readings = { temperature = { path = "/t", unit = "Cel" } }, time = "/at" }
"#;

const DEPLOYMENT: &str =
    "[roles]\nprobe = [\"probe\"]\nmarker = [\"marker\"]\n\n[grants]\npublish = [\"acceptance/fired\"]\n";

fn host(folder: &std::path::Path, port: u16) -> Result<Host> {
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{port}\"\n{DEVICES}");
    let host = Host::new(folder, &text)?;
    host.deploy("echo", "acceptance-fridge", DEPLOYMENT)?;
    Ok(host)
}

fn effects(heard: &[Heard]) -> BTreeSet<String> {
    heard.iter().filter_map(|message| message.effect.clone()).collect()
}

/// Nothing waits, every sum holds, and as many duplicates were dropped as expected.
fn settled(host: &Host, duplicates: u64) -> Result<()> {
    wait_until("nothing waits for its sink", || Ok(host.accounts()?["accounts"]["waiting"] == serde_json::json!(0)))?;
    let accounts = host.accounts()?;
    assert_eq!(accounts["imbalance"], serde_json::Value::Null);
    assert_eq!(accounts["accounts"]["duplicate"], duplicates, "{accounts}");
    Ok(())
}

#[test]
fn the_same_payload_a_thousand_times_is_a_thousand_events() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let mut host = host(folder.path(), broker.port)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    for _ in 0..1_000 {
        client.publish("load/marker", r#"{"n":7}"#)?;
    }
    let heard = client.hears("each of them is answered", |heard| heard.len() >= 1_000)?;
    settled(&host, 0)?;
    assert_eq!(effects(&heard).len(), 1_000, "an effect of its own for each");
    assert_eq!(client.heard().len(), 1_000);
    host.stop()
}

#[test]
fn messages_that_can_never_be_events_are_counted_by_cause_also_after_kill_9() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let mut host = host(folder.path(), broker.port)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    for payload in [r#"{"n":"#, r#"{"n"}"#, &"[".repeat(1_000)] {
        client.publish("load/marker", payload)?;
    }
    client.publish("load/marker", r#"{"n":7}"#)?;
    client.hears("the good one is answered", |heard| !heard.is_empty())?;
    let is_counted = |host: &Host| -> Result<()> {
        let stat = host.accounts()?;
        assert_eq!(
            (&stat["accounts"]["rejected"], &stat["imbalance"]),
            (&3.into(), &serde_json::Value::Null),
            "{stat}"
        );
        let losses = stat["losses"].as_array().map(Vec::as_slice).unwrap_or_default();
        let count = |cause: &str| losses.iter().find(|loss| loss["cause"] == cause).map(|loss| loss["count"].as_u64());
        assert_eq!(count("message-rejected:malformed-json"), Some(Some(2)), "{stat}");
        assert_eq!(count("message-rejected:too-deep"), Some(Some(1)), "{stat}");
        Ok(())
    };
    is_counted(&host)?;
    host.kill()?;
    is_counted(&host)?;
    host.start()?;
    is_counted(&host)?;
    host.stop()
}

/// Publishes once, loses the acknowledgement, lets `fault` happen, and publishes another: the broker has then delivered
/// the first one twice.
fn once_over(fault: impl FnOnce(&Proxy, &mut Host) -> Result<()>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let proxy = Proxy::start(broker.port)?;
    let mut host = host(folder.path(), proxy.port)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    wait_until("the host is subscribed", || {
        client.publish("load/marker", r#"{"n":1}"#)?;
        Ok(get(host.api, "/v1/devices/marker")?.contains("\"value\":1"))
    })?;
    wait_until("all of these are answered and acknowledged", || {
        let received = host.metric("pointsman_mqtt_received_total")?;
        let waiting = host.accounts()?["accounts"]["waiting"] == serde_json::json!(0);
        Ok(waiting
            && received == host.metric("pointsman_mqtt_acknowledged_total")?
            && received == client.heard().len() as u64)
    })?;
    let before = client.heard().len();
    proxy.mute();
    client.publish("load/marker", r#"{"n":2}"#)?;
    client.hears("it is answered, so it is committed", |heard| heard.len() > before)?;
    fault(&proxy, &mut host)?;
    wait_until("the broker has delivered it again", || Ok(host.metric("pointsman_mqtt_redelivered_total")? > 0))?;
    client.publish("load/marker", r#"{"n":3}"#)?;
    let heard = client.hears("the next one is answered", |heard| heard.iter().any(|m| m.payload.contains("3.0")))?;
    settled(&host, 1)?;
    let twos = heard.iter().filter(|message| message.payload.contains("\"marker\":2")).count();
    assert_eq!(twos, 1, "the same message counts once");
    host.stop()
}

#[test]
fn the_same_message_after_a_cut_before_its_acknowledgement_is_one_event() -> Result<()> {
    once_over(|proxy, _| {
        proxy.cut();
        Ok(())
    })
}

#[test]
fn the_same_message_after_kill_9_before_its_acknowledgement_is_one_event() -> Result<()> {
    once_over(|proxy, host| {
        host.kill()?;
        proxy.cut();
        host.start()
    })
}

#[test]
fn an_hour_of_buffered_readings_in_one_second_is_judged_by_its_own_stamps() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let mut host = host(folder.path(), broker.port)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    let start = unix_seconds() - 3_600;
    // Warm from minute 5 to 20, which is not long enough, and from 25 on, which is.
    for second in 0..3_600 {
        let warm = (300..1_200).contains(&second) || second >= 1_500;
        let temperature = if warm { 9.5 } else { 4.0 };
        client.publish("load/probe", &format!("{{\"t\":{temperature},\"at\":{}}}", start + second))?;
    }
    client.publish("load/marker", r#"{"n":1}"#)?;
    let heard = client.hears("the end is answered", |heard| heard.iter().any(|m| m.payload.contains("marker\":1")))?;
    let fired: Vec<serde_json::Value> =
        heard.iter().map(|message| serde_json::from_str(&message.payload)).collect::<Result<_, _>>()?;
    let of = |trigger: &str| -> Vec<(String, i64)> {
        let of = fired.iter().filter(|fired| fired["trigger"] == trigger);
        let second = |fired: &serde_json::Value| fired["at_us"].as_i64().unwrap_or_default() / 1_000_000 - start;
        of.map(|fired| (fired["phase"].as_str().unwrap_or_default().to_owned(), second(fired))).collect()
    };
    let once = vec![("began".to_owned(), 1_500 + 1_800)];
    assert_eq!(of("above-8-30m"), once);
    assert_eq!(of("above-8-30m-stale"), once);
    assert_eq!(of("above-8-60m"), []);
    assert_eq!(of("silent-15m"), [], "nothing was silent for a quarter of an hour");
    settled(&host, 0)?;
    assert_eq!(host.metric("pointsman_mqtt_received_total")?, 3_601);
    host.stop()
}
