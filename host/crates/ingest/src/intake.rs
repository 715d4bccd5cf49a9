//! Intake: one raw message to the inputs that it gives, the same for every MQTT source.

use std::sync::Arc;

use model::event::{Freshness, Message};
use model::input::{Body, HostEvent, Redelivery};
use model::{Input, Name, limits};

use crate::codecs::json::Payload;
use crate::devices::{DeviceMap, Route, Shared};
use crate::ids::Ids;
use crate::rejection::{Reason, Rejection};

/// What a delivery weighs besides its payload, so that a flood of empty messages is bounded too.
pub const DELIVERY_OVERHEAD: usize = 256;

/// Asked for what no device claims: makes the device of a fleet pattern and puts a new map in force. Answers whether it
/// did. Called once per message of an unclaimed topic, so it answers fast.
pub type Discover = Arc<dyn Fn(Heard<'_>) -> bool + Send + Sync>;

/// By what a device is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A topic that is its own.
    Topic(&'a str),
    /// Its id.
    Device(&'a str),
}

/// Turns the messages of one source into inputs.
#[derive(Clone)]
pub struct Intake {
    ids: Ids,
    map: Shared,
    discover: Option<Discover>,
}

/// One message as it came.
#[derive(Debug, Clone)]
pub struct Arrived<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    /// State from before, not news: the retain flag of a message that a subscription brought.
    pub retained: bool,
    pub content_type: Option<&'a str>,
    /// Session, packet identifier and DUP flag, for QoS 1 and 2.
    pub sent: Option<(&'a Name, u16, bool)>,
}

/// What one message gave.
#[derive(Debug, Default)]
pub struct Taken {
    pub inputs: Vec<Input>,
    pub rejections: Vec<Rejection>,
    /// Values that could not be read: null, NaN, infinite, unlisted or of another kind.
    pub bad_values: u32,
    /// Devices that spoke, and none of whose paths is in what they said: as by a path that is misspelt.
    pub nothing_found: Vec<Name>,
    /// What it weighs in the inlet.
    pub bytes: usize,
}

impl Intake {
    #[must_use]
    pub fn new(ids: Ids, map: Shared) -> Self {
        Self { ids, map, discover: None }
    }

    /// Lets fleet patterns make devices as they are first heard.
    #[must_use]
    pub fn with_discovery(mut self, discover: Discover) -> Self {
        self.discover = Some(discover);
        self
    }

    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    #[must_use]
    pub fn map(&self) -> &Shared {
        &self.map
    }

    /// An input about the host itself, from this source.
    #[must_use]
    pub fn host_event(&self, event: HostEvent) -> Input {
        self.input(Body::Host(event), None)
    }

    /// Reads one message for all devices and rules that it concerns.
    #[must_use]
    pub fn take(&self, arrived: &Arrived<'_>) -> Taken {
        take(&self.map_for(Heard::Topic(arrived.topic)), &self.ids, arrived)
    }

    /// The map in force; with the member of a fleet that is heard here for the first time.
    #[must_use]
    pub fn map_for(&self, heard: Heard<'_>) -> Arc<DeviceMap> {
        let map = self.map.current();
        match &self.discover {
            Some(discover) if !map.has(self.ids.source(), heard) && discover(heard) => self.map.current(),
            Some(_) | None => map,
        }
    }

    fn input(&self, body: Body, redelivery: Option<Redelivery>) -> Input {
        input(&self.ids, body, redelivery)
    }
}

/// Reads one message by `map`.
pub(crate) fn take(map: &DeviceMap, ids: &Ids, arrived: &Arrived<'_>) -> Taken {
    let mut taken = Taken { bytes: arrived.payload.len() + DELIVERY_OVERHEAD, ..Taken::default() };
    let mut routes = map.routes(ids.source(), arrived.topic).peekable();
    let raw = map.wants_message(arrived.topic);
    if arrived.payload.len() > limits::PAYLOAD_BYTES && (raw || routes.peek().is_some()) {
        taken.refuse(arrived, None, Reason::PayloadTooLarge(arrived.payload.len()));
        return taken;
    }
    // An empty payload takes a retained message back; it says nothing of the device.
    if routes.peek().is_some() && !arrived.payload.is_empty() {
        match Payload::read(arrived.payload) {
            Ok(payload) => routes.for_each(|route| taken.route(route, ids, arrived, &payload)),
            Err(reason) => taken.refuse(arrived, None, reason),
        }
    }
    if raw {
        taken.inputs.push(input(ids, Body::Message(message(arrived)), arrived.redelivery()));
    }
    taken
}

impl Taken {
    fn route(&mut self, route: &Route, ids: &Ids, arrived: &Arrived<'_>, payload: &Payload<'_>) {
        match route {
            Route::Readings { device, plan } => match plan.decode(payload) {
                Ok(decoded) => {
                    self.bad_values += decoded.bad;
                    if decoded.readings.is_empty() && plan.reads() {
                        self.nothing_found.push(device.id.clone());
                    }
                    let freshness = if arrived.retained { Freshness::Snapshot } else { Freshness::Live };
                    let body = Body::Observation { device: device.number, freshness, readings: decoded.readings };
                    let mut input = input(ids, body, arrived.redelivery());
                    input.occurred_at = decoded.at;
                    if let Some(own) = decoded.id {
                        // Counters of two devices of one source must not meet.
                        input.id = Name::from(format!("{}:{own}", device.id));
                        input.own_id = true;
                    }
                    self.inputs.push(input);
                }
                Err(reason) => self.refuse(arrived, Some(device.id.clone()), reason),
            },
            Route::Availability { device } => {
                let Some(words) = &device.availability else { return };
                let word = payload.word();
                let available = if word == *words.online {
                    true
                } else if word == *words.offline {
                    false
                } else {
                    return self.refuse(arrived, Some(device.id.clone()), Reason::UnknownAvailability(word));
                };
                let body = Body::Availability { device: device.number, available };
                self.inputs.push(input(ids, body, arrived.redelivery()));
            }
        }
    }

    fn refuse(&mut self, arrived: &Arrived<'_>, device: Option<Name>, reason: Reason) {
        self.rejections.push(Rejection { topic: arrived.topic.into(), device, reason });
    }
}

impl Arrived<'_> {
    /// The same for every input of the message; the engine tells them apart by their devices.
    fn redelivery(&self) -> Option<Redelivery> {
        let (session, packet, again) = self.sent?;
        let digest = digest([session.as_bytes(), self.topic.as_bytes(), self.payload]);
        Some(Redelivery { session: session.clone(), packet, again, digest })
    }
}

/// FNV-1a, 64 bit: it only has to tell apart messages of one session and packet identifier, and must stay the same
/// from version to version because it is stored.
pub(crate) fn digest<const N: usize>(parts: [&[u8]; N]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for part in parts {
        part.iter().copied().for_each(&mut feed);
        // 255 is in no UTF-8 text, so that topic and part cannot run into each other.
        feed(255);
    }
    hash
}

fn input(ids: &Ids, body: Body, redelivery: Option<Redelivery>) -> Input {
    Input {
        id: ids.next(),
        source: ids.source().clone(),
        own_id: false,
        occurred_at: None,
        body,
        attributes: Vec::new(),
        redelivery,
    }
}

fn message(arrived: &Arrived<'_>) -> Message {
    Message {
        topic: arrived.topic.into(),
        payload: arrived.payload.into(),
        content_type: arrived.content_type.map(Name::from),
        retained: arrived.retained,
        attributes: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
