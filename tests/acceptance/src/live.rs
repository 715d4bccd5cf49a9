//! A recording played live: a broker, `pointsman run`, and every line published with its own stamp at full speed.
//!
//! The rule publishes what fired. A marker, a number of its own device, is answered in the same order: the first
//! answered one shows that the host listens, the last one that everything before it has been handled and delivered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answers::{Fired, phase};
use crate::broker::Broker;
use crate::converters::Line;
use crate::installation::{Installation, MARKER_TOPIC, topic};
use crate::process::Running;
use crate::recordings::Recording;

/// Where the rule publishes.
const FIRED_TOPIC: &str = "acceptance/fired";
/// The number of the last marker.
const LAST: f64 = 1_000_000.0;
/// How long the host may take to start: it compiles the rule first.
const START: Duration = Duration::from_secs(120);
/// Between two markers before the first answer.
const MARK_EVERY: Duration = Duration::from_millis(500);
/// How long nothing may arrive while the recording is being handled.
const PROGRESS: Duration = Duration::from_secs(120);
/// Messages between the MQTT client and us; when they are full the broker keeps the rest.
const QUEUE: usize = 1_024;

/// What the rule publishes.
#[derive(Debug, Deserialize)]
struct Message {
    trigger: String,
    phase: Option<String>,
    at_us: i64,
    marker: Option<f64>,
}

/// What fired, as the published messages say.
pub(crate) fn run(
    pointsman: &Path,
    recording: &Recording,
    package: &Path,
    lines: &[Line],
    folder: &Path,
) -> Result<Vec<Fired>> {
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let mut broker = Broker::start(folder)?;
    let installation = Installation::write(folder, recording, package, Some(broker.port))?;
    let mut command = Command::new(pointsman);
    command.arg("run").arg("-c").arg(installation.config());
    let mut host = Running::start("pointsman run", &mut command, &folder.join("pointsman.log"))?;

    let (listener, messages) = listen(broker.port)?;
    let publisher = publisher(broker.port);
    wait_until_it_answers(&publisher, &messages, &mut host, &mut broker)?;
    for line in lines {
        publish(&publisher, &topic(recording), &payload(line))?;
    }
    publish(&publisher, MARKER_TOPIC, &json!({ "n": LAST }))?;
    let fired = collect(&messages, &mut host, recording.name)?;
    // Both clients are done for; the broker goes with this function.
    let _ = publisher.try_disconnect();
    let _ = listener.try_disconnect();
    Ok(fired)
}

/// Sends markers until one is answered: only then is everything subscribed.
#[expect(clippy::disallowed_methods, reason = "it waits for a real process, however long that takes")]
fn wait_until_it_answers(
    publisher: &Client,
    messages: &Receiver<Publish>,
    host: &mut Running,
    broker: &mut Broker,
) -> Result<()> {
    let end = Instant::now() + START;
    for number in 1_u32.. {
        publish(publisher, MARKER_TOPIC, &json!({ "n": number }))?;
        match messages.recv_timeout(MARK_EVERY) {
            Ok(_) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => bail!("the broker has cut us off"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        host.check()?;
        broker.check()?;
        if Instant::now() > end {
            break;
        }
    }
    bail!("the host does not answer:\n{}", host.said())
}

/// Everything that fires up to the last marker.
fn collect(messages: &Receiver<Publish>, host: &mut Running, device: &str) -> Result<Vec<Fired>> {
    let mut fired = Vec::new();
    let mut seen = BTreeSet::new();
    loop {
        let publish = match messages.recv_timeout(PROGRESS) {
            Ok(publish) => publish,
            Err(error) => {
                host.check()?;
                bail!("the last marker was not answered ({error}), {} fired:\n{}", fired.len(), host.said());
            }
        };
        // Delivery is at least once under one id, so the same id again is the same message.
        if effect(&publish).is_some_and(|id| !seen.insert(id)) {
            continue;
        }
        let message: Message = serde_json::from_slice(&publish.payload)
            .with_context(|| format!("unknown message {}", String::from_utf8_lossy(&publish.payload)))?;
        match message {
            Message { marker: Some(LAST), .. } => return Ok(fired),
            Message { marker: Some(_), .. } => {}
            Message { trigger, phase: Some(word), at_us, marker: None } => {
                let at = model::Instant(at_us);
                fired.push(Fired { device: device.to_owned(), trigger, phase: phase(&word)?, at });
            }
            Message { trigger, phase: None, .. } => bail!("`{trigger}` fired without a phase"),
        }
    }
}

/// The line as its device would have sent it.
fn payload(line: &Line) -> Value {
    let mut payload = line.readings.clone();
    payload.insert("ts".to_owned(), json!(line.at.to_string()));
    Value::Object(payload)
}

fn publish(client: &Client, topic: &str, payload: &Value) -> Result<()> {
    client
        .publish(topic, QoS::AtLeastOnce, false, payload.to_string())
        .with_context(|| format!("failed to publish to {topic}"))
}

/// The effect's id, which the host sends along.
fn effect(publish: &Publish) -> Option<String> {
    let properties = publish.properties.as_ref()?;
    let (_, id) = properties.user_properties.iter().find(|(name, _)| name == "pointsman-effect")?;
    Some(id.clone())
}

/// A client that sends; a thread of its own keeps the connection going.
fn publisher(port: u16) -> Client {
    let (client, mut connection) = Client::new(options("acceptance-devices", port), QUEUE);
    thread::spawn(move || {
        // Ends with the broker; what then is missing shows in the answers.
        for event in connection.iter() {
            if event.is_err() {
                return;
            }
        }
    });
    client
}

/// A client that hears what fired, subscribed when this returns.
fn listen(port: u16) -> Result<(Client, Receiver<Publish>)> {
    let (client, connection) = Client::new(options("acceptance-listener", port), QUEUE);
    client.subscribe(FIRED_TOPIC, QoS::AtLeastOnce).context("failed to subscribe")?;
    let (messages, received) = sync_channel(QUEUE);
    let (ready, subscribed) = sync_channel(1);
    thread::spawn(move || hear(connection, &ready, &messages));
    subscribed.recv_timeout(START).context("the broker does not answer a subscription")?;
    Ok((client, received))
}

/// Ends with the connection, or when nobody wants the messages any more.
fn hear(mut connection: Connection, ready: &SyncSender<()>, messages: &SyncSender<Publish>) {
    for event in connection.iter() {
        let wanted = match event {
            Ok(Event::Incoming(Packet::SubAck(_))) => ready.send(()).is_ok(),
            Ok(Event::Incoming(Packet::Publish(publish))) => messages.send(publish).is_ok(),
            Ok(_) => true,
            Err(_) => false,
        };
        if !wanted {
            return;
        }
    }
}

fn options(id: &str, port: u16) -> MqttOptions {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_keep_alive(Duration::from_secs(60));
    options
}
