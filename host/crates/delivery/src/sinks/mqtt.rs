//! MQTT: commands through a device's declared actions, and what rules publish. QoS 1; an effect is taken when the
//! broker has acknowledged it with a code of success.

mod link;
mod message;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use model::device::Devices;
use model::{Id, Instant, Name, Span, outgoing::Outgoing};
use rustls::ClientConfig;
use tokio::sync::watch;

use self::link::Link;
use crate::sink::Pending;
use crate::{Failure, Secret, Sink, rendering, retry};

/// Targets that are published to at the same time; below what the link bears in flight, so packet ids never collide.
const CONCURRENCY: usize = 256;

/// One connection that publishes.
#[derive(Clone)]
pub struct Options {
    /// As outbox rows name it: `mqtt:NAME`.
    pub name: Name,
    /// Unique at the broker and always the same, such as `pointsman-hub-7-out`.
    pub client_id: String,
    pub host: String,
    pub port: u16,
    pub version: Version,
    pub credentials: Option<(String, Secret)>,
    /// None: not encrypted. See [`crate::tls::client`].
    pub tls: Option<Arc<ClientConfig>>,
    /// Whole seconds, at least 5.
    pub keep_alive: Duration,
    /// How long the broker may take to acknowledge before the connection counts as lost.
    pub acknowledge_within: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// Carries the effect's id as a user property, and the broker's reason when it refuses.
    #[default]
    V5,
    /// For brokers without 5: the id travels only where the payload template has a place for it, and a broker that
    /// refuses a publish still acknowledges it.
    V311,
}

/// The devices as they are at the moment of the call.
pub type DevicesNow = Arc<dyn Fn() -> Arc<Devices> + Send + Sync>;

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    pub connected: bool,
    /// Why the last connection ended or could not be made; cleared by the next.
    pub error: Option<String>,
}

pub struct Mqtt {
    name: Name,
    link: Arc<Link>,
    task: tokio::task::JoinHandle<()>,
    devices: DevicesNow,
    environment: minijinja::Environment<'static>,
}

impl Options {
    /// A connection without credentials or TLS, with our usual times.
    pub fn new(name: impl Into<Name>, client_id: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self {
            name: name.into(),
            client_id: client_id.into(),
            host: host.into(),
            port,
            version: Version::default(),
            credentials: None,
            tls: None,
            keep_alive: Duration::from_secs(20),
            acknowledge_within: Duration::from_secs(30),
        }
    }
}

impl Mqtt {
    /// Connects in the background and keeps connecting until the sink is dropped. To be called on a runtime.
    #[must_use]
    pub fn start(options: &Options, devices: DevicesNow) -> Self {
        let (link, driver) = Link::new(options);
        Self {
            name: options.name.clone(),
            link,
            task: tokio::spawn(driver.run()),
            devices,
            environment: rendering::environment(),
        }
    }

    /// Publishes over this connection for another sink.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher(Arc::clone(&self.link))
    }

    /// The state of the connection and its changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.link.status()
    }
}

/// Publishes over a connection that an [`Mqtt`] keeps up.
#[derive(Clone)]
pub struct Publisher(Arc<Link>);

impl Publisher {
    /// Says that the broker is about to end: to lose the connection is no news then.
    pub fn expect_end(&self) {
        self.0.expect_end();
    }

    pub(crate) async fn connected(&self) {
        self.0.connected().await;
    }

    /// Publishes JSON for an effect; done at the broker's acknowledgement.
    pub(crate) async fn json(
        &self,
        outgoing: &Outgoing,
        topic: &Name,
        payload: Vec<u8>,
        now: Instant,
    ) -> Result<(), Failure> {
        self.0.publish(message::Message::json(outgoing, topic.clone(), payload, now)).await
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sink for Mqtt {
    fn name(&self) -> &Name {
        &self.name
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(self.link.connected())
    }

    fn send<'a>(&'a self, outgoing: &'a Outgoing, now: Instant) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            let message = message::render(&self.environment, outgoing, &(self.devices)(), now).map_err(|error| {
                tracing::warn!(effect = %outgoing.effect, sink = %outgoing.sink, target = %outgoing.target, %error,
                    "an effect cannot be published");
                Failure::refused(error.reason())
            })?;
            self.link.publish(message).await
        })
    }

    /// Never gives up: expiry ends what the broker does not take.
    fn retry_after(&self, attempts: u32, effect: Id) -> Option<Span> {
        Some(retry::doubling(attempts, effect))
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }
}

#[cfg(test)]
mod tests;
