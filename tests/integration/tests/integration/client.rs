//! What stands in for devices and people: an MQTT client that publishes and remembers what it hears.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{Client, Event, MqttOptions};

/// How long anything may take before a test gives up: far above what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that may wait in the client.
const REQUESTS: usize = 4_096;

/// One message that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) payload: String,
    /// The id that the engine gave the effect.
    pub(crate) effect: Option<String>,
}

#[derive(Default)]
struct Log {
    heard: Vec<Heard>,
    acknowledged: usize,
    /// Messages that the broker took and had nobody for, or refused.
    unheard: usize,
    /// Connections that broke.
    broken: usize,
    connected: bool,
    /// Nobody listens any more: no connection is made again.
    dropped: bool,
}

pub(crate) struct Mqtt {
    client: Client,
    log: Arc<Mutex<Log>>,
    _thread: JoinHandle<()>,
}

impl Mqtt {
    /// Connects under a lasting session, subscribes, and waits until both are done.
    pub(crate) fn connect(port: u16, id: &str, filter: &str) -> Result<Self> {
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_clean_start(false).set_session_expiry_interval(Some(600)).set_max_packet_size(Some(1 << 20));
        let (client, mut connection) = Client::new(options, REQUESTS);
        let log = Arc::new(Mutex::new(Log::default()));
        let written = Arc::clone(&log);
        let again = client.clone();
        let filter = filter.to_owned();
        let thread = std::thread::spawn(move || {
            for event in connection.iter() {
                let mut log = written.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        // The queue has room: nothing else was asked on this connection yet.
                        let _ = again.try_subscribe(filter.clone(), QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => log.connected = true,
                    Ok(Event::Incoming(Packet::PubAck(answer))) => {
                        log.acknowledged += 1;
                        log.unheard += usize::from(answer.reason != PubAckReason::Success);
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => log.heard.push(Heard {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        payload: String::from_utf8_lossy(&publish.payload).into_owned(),
                        effect: publish.properties.and_then(|properties| {
                            let mut pairs = properties.user_properties.into_iter();
                            pairs.find(|(name, _)| name == "pointsman-effect").map(|(_, value)| value)
                        }),
                    }),
                    Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
                    Ok(_) => {}
                    Err(_) if log.dropped => return,
                    Err(_) => {
                        log.broken += 1;
                        drop(log);
                        std::thread::sleep(Duration::from_millis(50));
                    }
                }
            }
        });
        let client = Self { client, log, _thread: thread };
        client.wait("the test's client is subscribed", |log| log.connected)?;
        Ok(client)
    }

    /// Publishes at QoS 1.
    pub(crate) fn publish(&self, topic: &str, payload: &str) -> Result<()> {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload.to_owned()).context("failed to publish")
    }

    /// Waits until the broker has taken `count` messages of ours.
    pub(crate) fn acknowledged(&self, count: usize) -> Result<()> {
        self.wait("the broker acknowledges", |log| log.acknowledged >= count)
    }

    /// What became of our messages, in words.
    pub(crate) fn fate(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let Log { acknowledged, unheard, broken, .. } = &*log;
        format!("the broker has taken {acknowledged}, {unheard} of them for nobody; {broken} connections broke")
    }

    /// Waits for as many messages as `enough` wants, and gives all.
    pub(crate) fn hears(&self, what: &str, enough: impl Fn(&[Heard]) -> bool) -> Result<Vec<Heard>> {
        self.wait(what, |log| enough(&log.heard))?;
        Ok(self.heard())
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).heard.clone()
    }

    fn wait(&self, what: &str, done: impl Fn(&Log) -> bool) -> Result<()> {
        wait_until(what, || Ok(done(&self.log.lock().unwrap_or_else(PoisonError::into_inner))))
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).dropped = true;
        // Ends the thread; where the broker is gone already, the next failure to connect ends it.
        let _ = self.client.disconnect();
    }
}

/// For how long a real process takes.
#[expect(clippy::disallowed_methods, reason = "it measures a real process")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The real wall clock.
#[expect(clippy::disallowed_methods, reason = "it is what the clock of the process under test is set against")]
pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// Waits for a condition.
#[expect(clippy::disallowed_methods, reason = "it waits for a real process, however long that takes")]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > end {
            bail!("waited {PATIENCE:?} in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
