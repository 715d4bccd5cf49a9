//! Message: an effect as it goes out over MQTT.

use minijinja::value::Serde;
use minijinja::{Environment, Value};
use model::device::{DeviceNo, Devices};
use model::outgoing::{Outgoing, OutgoingBody};
use model::value::plain;
use model::{Attributes, Device, Id, Instant, Name, limits};
use serde_json::{Value as Json, json};

use crate::rendering;

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) effect: Id,
    pub(super) topic: Name,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) content_type: Option<Name>,
    /// After this many seconds the broker drops it for a device that is away.
    pub(super) lives: Option<u32>,
}

/// Why an effect has no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no device with number {}", .0.0)]
    NoSuchDevice(DeviceNo),
    #[error("device `{device}` has no action `{action}`")]
    NoSuchAction { device: Name, action: Name },
    #[error("action `{action}` of device `{device}`: {source}")]
    Payload { device: Name, action: Name, source: rendering::Error },
    #[error("`{0}` is no topic to publish to")]
    Topic(Name),
    #[error("the payload has {0} bytes, more than {max}", max = limits::PAYLOAD_BYTES)]
    TooLarge(usize),
    #[error("notifications do not leave over MQTT")]
    Notification,
}

impl Error {
    /// The reason code of the failed effect.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchDevice(_) => "no-such-device",
            Self::NoSuchAction { .. } => "no-such-action",
            Self::Payload { source, .. } => source.reason(),
            Self::Topic(_) => "bad-topic",
            Self::TooLarge(_) => "too-large",
            Self::Notification => "unsupported",
        }
    }
}

pub(super) fn render(
    environment: &Environment<'_>,
    outgoing: &Outgoing,
    devices: &Devices,
    now: Instant,
) -> Result<Message, Error> {
    let (topic, payload, retain, content_type) =
        match &outgoing.body {
            OutgoingBody::Command { device, action, arguments, .. } => {
                let device = devices.get(*device).ok_or(Error::NoSuchDevice(*device))?;
                let how = device
                    .action(action)
                    .ok_or_else(|| Error::NoSuchAction { device: device.id.clone(), action: action.clone() })?;
                // An argument of one of these names counts before ours, but for the whole command.
                let ours = [("device", device.id.to_string()), ("effect", outgoing.effect.to_string())];
                let ours = ours.map(|(name, text)| (name.to_owned(), Value::from(text)));
                let whole = ("command".to_owned(), Value::from(Serde(command(outgoing, device, action, arguments))));
                let values = ours.into_iter().chain(rendering::values(arguments)).chain([whole]);
                let values = Value::from_pairs(values);
                let payload = rendering::payload(environment, &how.payload, values)
                    .map_err(|source| Error::Payload { device: device.id.clone(), action: action.clone(), source })?;
                (how.topic.clone(), payload.into_bytes(), false, None)
            }
            OutgoingBody::Publish { topic, payload, content_type, retained } => {
                (topic.clone(), payload.to_vec(), *retained, content_type.clone())
            }
            OutgoingBody::Notification { .. } => return Err(Error::Notification),
        };
    if topic.is_empty() || topic.len() > usize::from(u16::MAX) || topic.contains(['+', '#', '\0']) {
        return Err(Error::Topic(topic));
    }
    if payload.len() > limits::PAYLOAD_BYTES {
        return Err(Error::TooLarge(payload.len()));
    }
    Ok(Message { effect: outgoing.effect, topic, payload, retain, content_type, lives: lives(outgoing, now) })
}

/// Our own JSON: what a receiver needs to do it, once, and in time.
fn command(outgoing: &Outgoing, device: &Device, action: &Name, arguments: &Attributes) -> Json {
    json!({
        "id": outgoing.effect,
        "device": device.id,
        "action": action,
        "arguments": plain::object(arguments),
        "at": outgoing.committed_at,
        "expires-at": outgoing.expires_at,
    })
}

impl Message {
    /// JSON on a topic, not retained.
    pub(super) fn json(outgoing: &Outgoing, topic: Name, payload: Vec<u8>, now: Instant) -> Self {
        let content_type = Some(Name::from("application/json"));
        Self { effect: outgoing.effect, topic, payload, retain: false, content_type, lives: lives(outgoing, now) }
    }
}

fn lives(outgoing: &Outgoing, now: Instant) -> Option<u32> {
    outgoing.expires_at.map(|expires| {
        let seconds = expires.since(now).0.div_ceil(1_000_000).max(1);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    })
}
