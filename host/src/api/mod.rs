//! The doors of the host: what the server asks of it.

mod intake;
mod live;
mod metrics;
mod operator;
mod trouble;
mod views;

use delivery::sinks::mqtt;
use ingest::status::Status;
use ingest::{Ids, Inlet, Intake};
use store::{Reader, Writer};
use tokio::sync::watch;

pub(crate) use live::Live;
pub(crate) use metrics::register;
pub(crate) use operator::{stat, verify};
pub(crate) use trouble::{dead_letter, dead_letters, held, not_understood};
pub(crate) use views::{describe, limits, no_device, show};

use std::sync::Arc;

use model::Name;

use host::pipeline::Handle;
use host::system_clock::SystemClock;

/// Connections that publish, by the name of the sink, and how they are.
pub(crate) type Links = Vec<(Name, watch::Receiver<mqtt::Status>)>;

/// What the doors open to.
pub(crate) struct Doors {
    pub(crate) inlet: Inlet,
    /// Of events that come by HTTP.
    pub(crate) intake: Intake,
    /// Ids of operators' commands.
    pub(crate) operator: Ids,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) live: Arc<Live>,
    /// Of sources, by the name of the connection.
    pub(crate) statuses: Vec<(Name, Status)>,
    /// Of the connections that publish, by the name of the sink.
    pub(crate) links: Links,
    pub(crate) pipeline: Handle,
    pub(crate) sending: delivery::Handle,
    pub(crate) retention: config::Retention,
    pub(crate) clock: Arc<SystemClock>,
    /// Boot time at which the host began to start.
    pub(crate) began: i64,
}

/// Runs a blocking question to the store away from the runtime's threads.
pub(crate) async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, server::state::Error> {
    match tokio::task::spawn_blocking(question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(server::state::Error::Failed(error.to_string())),
        Err(_) => Err(server::state::Error::Failed("the question to the store was not answered".to_owned())),
    }
}
