//! Notifications as JSON on one MQTT topic, over a connection that also carries commands.

use std::sync::Arc;

use model::outgoing::Outgoing;
use model::{Id, Instant, Name, Span};

use crate::sink::{Failure, Pending, Sink};
use crate::sinks::mqtt::Publisher;
use crate::{Templates, notice, retry};

/// One topic that a group's notifications go to.
pub struct Topic {
    name: Name,
    topic: Name,
    publisher: Publisher,
    templates: Arc<Templates>,
}

impl Topic {
    #[must_use]
    pub fn new(name: Name, topic: Name, publisher: Publisher, templates: Arc<Templates>) -> Self {
        Self { name, topic, publisher, templates }
    }
}

impl Sink for Topic {
    fn name(&self) -> &Name {
        &self.name
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(self.publisher.connected())
    }

    fn send<'a>(&'a self, outgoing: &'a Outgoing, now: Instant) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            let body = notice::body(&self.templates, None, outgoing)?;
            self.publisher.json(outgoing, &self.topic, body.into_bytes(), now).await
        })
    }

    /// Never gives up: expiry ends what the broker does not take.
    fn retry_after(&self, attempts: u32, effect: Id) -> Option<Span> {
        Some(retry::doubling(attempts, effect))
    }

    /// One topic, one order.
    fn concurrency(&self) -> usize {
        1
    }
}
