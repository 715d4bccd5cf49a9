//! Delivery: the outbox to the world. Sends what was committed, in order for each target, until a sink has taken it,
//! refused it or it has expired, and reports each end as a [`model::input::Settled`].
//!
//! Nothing here knows rules or the engine, reads a clock or draws a random number: time is a closure of the host's,
//! jitter comes from the effect's id. What was not reported is still in the outbox and is sent again, under the same id.

mod attempt;
#[cfg(test)]
mod certificates;
pub mod counts;
pub mod dispatcher;
mod handle;
mod lane;
mod notice;
mod recent;
mod rendering;
pub mod retry;
pub mod secret;
pub mod sink;
pub mod sinks;
pub mod templates;
pub mod tls;

use std::sync::Arc;

pub use counts::Counts;
pub use dispatcher::{Dispatcher, Options, Source, Unreadable};
pub use handle::Handle;
pub use rendering::{carries_effect, check_payload};
pub use secret::Secret;
pub use sink::{Failure, Reached, Sink};
pub use sinks::{
    capture::Capture,
    mqtt::Mqtt,
    topic::Topic,
    webhook::{Gone, Webhook},
};
pub use templates::Templates;

/// The host's clock: the same one that stamps `received-at`.
pub type Clock = Arc<dyn Fn() -> model::Instant + Send + Sync>;

/// Asked right before each attempt whether the effect may still be sent: conditions on the twin may have changed since
/// it was committed. The error is the reason code.
pub type Gate = Arc<dyn Fn(&model::outgoing::Outgoing) -> Result<(), model::Name> + Send + Sync>;
