//! The baselines of a host: a bare loop round an MQTT client with the rule as native code, and the same with each event
//! committed to a database before it is acknowledged.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, Result};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
use rusqlite::Connection;

/// Requests that may wait for the client, and events for the database: more than any burst holds.
const QUEUE: usize = 65_536;
/// Commands in flight: what the host's own sink has.
const IN_FLIGHT: u16 = 256;
/// Events of one transaction: what the host's own store takes.
const ROWS: usize = 2_048;

/// Runs a baseline until it is killed; with `store`, the one that commits.
///
/// # Errors
/// When the broker or the database fails.
pub fn run(port: u16, name: &str, store: Option<&Path>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut options = MqttOptions::new(format!("baseline-{name}"), "127.0.0.1", port);
        options.set_clean_session(false).set_manual_acks(store.is_some()).set_inflight(IN_FLIGHT);
        let (client, mut events) = AsyncClient::new(options, QUEUE);
        events.network_options.set_tcp_nodelay(true);
        client.subscribe(format!("in/{name}/+"), QoS::AtLeastOnce).await?;
        match store {
            None => bare(&client, &mut events).await,
            Some(path) => grouped(&client, &mut events, path).await,
        }
    })
}

async fn bare(client: &AsyncClient, events: &mut EventLoop) -> Result<()> {
    let mut rule = Rule::default();
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = events.poll().await?
            && rule.take(&publish)?
        {
            command(client, &publish)?;
        }
    }
}

async fn grouped(client: &AsyncClient, events: &mut EventLoop, path: &Path) -> Result<()> {
    let (take, taken) = sync_channel(QUEUE);
    let connection = open(path)?;
    let own = client.clone();
    std::thread::spawn(move || write(&connection, &own, &taken));
    forward(events, &take).await
}

async fn forward(events: &mut EventLoop, take: &SyncSender<Publish>) -> Result<()> {
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = events.poll().await? {
            take.try_send(publish).context("the database fell behind")?;
        }
    }
}

/// Takes what is there, commits it, and only then acknowledges and commands.
fn write(connection: &Connection, client: &AsyncClient, taken: &Receiver<Publish>) -> Result<()> {
    let mut rule = Rule::default();
    let mut insert = connection.prepare("INSERT INTO events (topic, payload, command) VALUES (?1, ?2, ?3)")?;
    while let Ok(first) = taken.recv() {
        let group: Vec<Publish> = std::iter::once(first).chain(taken.try_iter()).take(ROWS).collect();
        let mut commands = Vec::new();
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for publish in &group {
            let high = rule.take(publish)?;
            insert.execute((&publish.topic, &publish.payload[..], high))?;
            commands.push(high);
        }
        connection.execute_batch("COMMIT")?;
        for (publish, high) in group.iter().zip(commands) {
            client.try_ack(publish)?;
            if high {
                command(client, publish)?;
            }
        }
    }
    Ok(())
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE events (
           sequence INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, command INTEGER NOT NULL
         );",
    )?;
    Ok(connection)
}

/// The rule of the package `cooler`, with the last value of each room beside it.
#[derive(Default)]
struct Rule {
    last: HashMap<String, f64>,
}

impl Rule {
    fn take(&mut self, publish: &Publish) -> Result<bool> {
        let payload: serde_json::Value = serde_json::from_slice(&publish.payload)?;
        let celsius = payload["temperature"].as_f64().context("a temperature is a number")?;
        match self.last.get_mut(&publish.topic) {
            Some(last) => *last = celsius,
            None => _ = self.last.insert(publish.topic.clone(), celsius),
        }
        Ok(celsius > 25.0)
    }
}

fn command(client: &AsyncClient, publish: &Publish) -> Result<()> {
    let topic = publish.topic.replacen("in/", "cool/", 1);
    Ok(client.try_publish(topic, QoS::AtLeastOnce, false, "on")?)
}
