//! Links: one MQTT client for each place, as its gateway would have.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Messages either way that wait: a few seconds of a busy place.
const WAITING: usize = 64;
/// The broker is in the same process.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Between two tries to reach it.
const AGAIN: Duration = Duration::from_millis(200);

pub(super) struct Link {
    client: AsyncClient,
    heard: mpsc::Receiver<Heard>,
    polling: JoinHandle<()>,
}

/// A message that came.
pub(super) struct Heard {
    pub(super) topic: String,
    payload: bytes::Bytes,
}

impl Heard {
    /// The payload; null where it is no JSON.
    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.payload).unwrap_or(Json::Null)
    }
}

impl Link {
    /// Connects, and returns when every subscription stands.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub(super) async fn open(name: &str, broker: SocketAddr, filters: &[&str]) -> Result<Self> {
        let mut options = MqttOptions::new(format!("demo-{name}"), broker.ip().to_string(), broker.port());
        options.set_keep_alive(Duration::from_secs(30));
        let (client, events) = AsyncClient::new(options, WAITING);
        for filter in filters {
            client.subscribe(*filter, QoS::AtLeastOnce).await.with_context(|| format!("failed to subscribe {name}"))?;
        }
        let (ready, is_ready) = oneshot::channel();
        let (hear, heard) = mpsc::channel(WAITING);
        let polling = tokio::spawn(poll(events, filters.len(), ready, hear));
        let link = Self { client, heard, polling };
        let waited = tokio::time::timeout(CONNECT_WITHIN, is_ready).await;
        waited.ok().and_then(Result::ok).with_context(|| format!("the broker did not take {name}"))?;
        Ok(link)
    }

    /// The next message; none when the link is gone. Nothing is lost when this is dropped.
    pub(super) async fn heard(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// Publishes as a device does, at least once.
    pub(super) async fn say(&self, topic: &str, payload: &Json) {
        if let Err(error) = self.client.publish(topic, QoS::AtLeastOnce, false, payload.to_string()).await {
            tracing::warn!(topic, %error, "a simulated device could not speak");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

/// Keeps the connection going. `ready` is told once as many subscriptions stand as there are filters.
async fn poll(mut events: EventLoop, filters: usize, ready: oneshot::Sender<()>, hear: mpsc::Sender<Heard>) {
    let mut ready = Some(ready);
    let mut standing = 0;
    let mut connected = false;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if hear.send(Heard { topic: publish.topic, payload: publish.payload }).await.is_err() {
                    return;
                }
            }
            Ok(Event::Incoming(Packet::ConnAck(_))) => connected = true,
            Ok(Event::Incoming(Packet::SubAck(_))) => standing += 1,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a simulated device lost its broker");
                tokio::time::sleep(AGAIN).await;
            }
        }
        if connected
            && standing >= filters
            && let Some(ready) = ready.take()
        {
            // Whoever waited may have given up.
            let _ = ready.send(());
        }
    }
}
