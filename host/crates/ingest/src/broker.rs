//! The embedded broker: devices connect to the host itself, and its publish hook is the source.
//!
//! What it lacks beside a full broker is in `broker/README.md`.

mod connections;
mod hook;
mod tap;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::Name;
use mqtt5::broker::config::StorageConfig;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::{BrokerConfig, BrokerShutdownHandle, MqttBroker};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::inlet::{Inlet, Ticket};
use crate::intake::{Arrived, Intake};
use crate::status::Status;

/// Client ids that start so are the host's own.
pub const OWN_CLIENTS: &str = "pointsman-";

/// Largest packet: the largest payload of ours, and room to refuse larger ones with a reason.
const PACKET_BYTES: usize = 1024 * 1024;
/// Messages sent to one client and not yet acknowledged; the library's own 64 cap a busy subscriber.
const OUTBOUND_INFLIGHT: u16 = 4_096;
/// How long a session outlives its connection at most, whatever the client asks for: a device that was away for its
/// holidays finds its commands expired anyway.
const SESSION_LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// How long stopping waits for the broker to write what it keeps.
const STOP_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct Options {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where sessions and retained messages are kept.
    pub folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the embedded broker listens on loopback only, not on {0}: beyond it, use an external broker")]
    NotLoopback(SocketAddr),
    #[error("failed to listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("failed to start the embedded broker in {}: {reason}", folder.display())]
    Broker { folder: PathBuf, reason: String },
}

/// A running embedded broker.
pub struct Broker {
    address: SocketAddr,
    status: Status,
    intake: Intake,
    inlet: Inlet,
    router: Arc<MessageRouter>,
    shutdown: BrokerShutdownHandle,
    /// Lets devices in.
    open_tap: Option<oneshot::Sender<()>>,
    stop_tap: oneshot::Sender<()>,
    tap: JoinHandle<()>,
    cut_off: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Broker {
    /// Starts it on the runtime that it is called on. Devices that connect wait until it is opened.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: Options, intake: Intake, inlet: Inlet) -> Result<Self, StartError> {
        if !options.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(options.listen));
        }
        let bind = |source| StartError::Bind { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;

        let (status, connections) = (Status::default(), Arc::<connections::Connections>::default());
        let (cut_off, is_cut_off) = watch::channel(false);
        let hook = hook::Hook::new(intake.clone(), inlet.clone(), status.clone(), connections.clone(), is_cut_off);
        let broken = |error: &dyn std::fmt::Display| StartError::Broker {
            folder: options.folder.clone(),
            reason: error.to_string(),
        };
        let config = config(&options, Arc::new(hook));
        let broker = MqttBroker::with_config(config).await.map_err(|error| broken(&error))?;
        let mut broker = broker.with_auth_provider(Arc::new(connections::Admission(connections.clone())));
        let inner = broker.local_addr().ok_or_else(|| broken(&"it has no address"))?;
        let (shutdown, router, mut ready) = (broker.shutdown_handle(), broker.router(), broker.ready_receiver());
        let failed = status.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!(%error, "the embedded broker ended");
                failed.change(|state| state.last_error = Some(error.to_string()));
            }
            failed.change(|state| state.connected = false);
        });
        if ready.wait_for(|ready| *ready).await.is_err() {
            let reason = status.state().last_error.unwrap_or_else(|| "it ended at once".into());
            return Err(StartError::Broker { folder: options.folder, reason });
        }
        let (stop_tap, stop) = oneshot::channel();
        let (open_tap, opened) = oneshot::channel();
        let tap = tokio::spawn(async move {
            if opened.await.is_ok() {
                tap::run(listener, inner, connections, stop).await;
            }
        });
        let open_tap = Some(open_tap);
        Ok(Self { address, status, intake, inlet, router, shutdown, open_tap, stop_tap, tap, cut_off, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Lets devices in, once it has taken retained messages as snapshots: those of availability topics, and of each
    /// topic that `wanted` names, such as those of devices that have no twin yet. Others are known already, for the hook
    /// took them when they came; and what it takes from now on is newer than any of these.
    ///
    /// Waits for room in the inlet; answers how many messages it took.
    pub async fn open(&mut self, wanted: impl Fn(&str) -> bool + Send) -> usize {
        let count = self.seed(wanted).await;
        if let Some(open_tap) = self.open_tap.take() {
            // A tap that has ended serves nobody any more, which the status says.
            let _ = open_tap.send(());
            self.status.change(|state| state.connected = true);
        }
        count
    }

    async fn seed(&self, wanted: impl Fn(&str) -> bool + Send) -> usize {
        let announcements = self.intake.map().current().availability_topics();
        let mut count = 0;
        for publish in self.router.get_retained_messages("#").await {
            let topic = publish.topic_name.as_str();
            if !wanted(topic) && !announcements.contains(&Name::from(topic)) {
                continue;
            }
            let taken = self.intake.take(&Arrived {
                topic,
                payload: &publish.payload,
                retained: true,
                content_type: None,
                sent: None,
            });
            self.status.count_taken(&taken);
            let Ok(delivery) = taken.delivery(Ticket::none()) else { continue };
            if self.inlet.put(delivery).await.is_err() {
                break;
            }
            count += 1;
        }
        count
    }

    /// Ends all connections. What was not committed has had no PUBACK and comes again.
    pub async fn stop(self) {
        drop(self.open_tap);
        // The tap may have ended by itself; then there is nobody to ask.
        let _ = self.stop_tap.send(());
        // A panic of the task has been reported by the runtime already.
        let _ = self.tap.await;
        self.cut_off.send_replace(true);
        self.shutdown.shutdown();
        let mut task = self.task;
        if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
    }
}

fn config(options: &Options, hook: Arc<hook::Hook>) -> BrokerConfig {
    BrokerConfig {
        // Behind the tap, on a port of its own.
        bind_addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        max_packet_size: PACKET_BYTES,
        max_outbound_inflight: OUTBOUND_INFLIGHT,
        session_expiry_interval: SESSION_LONGEST,
        sys_topics_enabled: false,
        storage_config: StorageConfig { base_dir: options.folder.clone(), ..StorageConfig::default() },
        event_handler: Some(hook),
        ..BrokerConfig::default()
    }
}

#[cfg(test)]
mod tests;
