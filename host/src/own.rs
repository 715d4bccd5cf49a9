//! Records about the host itself: what no device, sink or person said.

use ingest::Ids;
use ingest::inlet::{Delivery, Ticket};
use ingest::intake::DELIVERY_OVERHEAD;
use model::input::{Body, HostEvent};
use model::{ConfigurationDigest, Input, Instant, Name};

/// The first record of every start: `engine` is its version, `configuration` what is in force from here on, `doubted`
/// whether the wall clock cannot be right, `alive` until when the host ran before.
#[must_use]
pub fn started(
    ids: &Ids,
    engine: &str,
    configuration: ConfigurationDigest,
    doubted: bool,
    alive: Option<Instant>,
) -> Delivery {
    let (engine, zones) = (Name::from(engine), Name::from(engine::calendar::ZONES));
    record(ids, Body::Host(HostEvent::Started { engine, zones, configuration: Some(configuration), doubted, alive }))
}

/// A record that nobody waits for.
#[must_use]
pub fn record(ids: &Ids, body: Body) -> Delivery {
    delivery(input(ids, body), Ticket::none())
}

/// One input of the host's own.
#[must_use]
pub fn input(ids: &Ids, body: Body) -> Input {
    Input {
        id: ids.next(),
        source: ids.source().clone(),
        own_id: false,
        occurred_at: None,
        body,
        attributes: Vec::new(),
        redelivery: None,
    }
}

pub(crate) fn delivery(input: Input, ticket: Ticket) -> Delivery {
    Delivery::new(vec![input], DELIVERY_OVERHEAD, ticket)
}
