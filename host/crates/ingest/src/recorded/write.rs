//! Writing recordings: the inverse of reading them.

use std::fmt::Write as _;

use base64::Engine as _;
use model::device::Devices;
use model::event::Quality;
use model::input::Body;
use model::value::plain;
use model::{Capability, DeviceNo, Input, Instant, Name, Reading, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::journal::JournalPart;

/// One journal record to write.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub sequence: Option<u64>,
    /// The partition's clock when it took the input.
    pub received: Instant,
    pub input: &'a Input,
}

/// The times and number of a line that is not an input.
#[derive(Debug, Clone, Copy)]
pub struct Timed {
    pub sequence: Option<u64>,
    pub at: Instant,
}

/// One line, without its line break, that reads back as the same input; only `own_id` is not kept.
#[must_use]
pub fn to_line(entry: &Entry<'_>, devices: &Devices) -> String {
    let Entry { sequence, received, input } = *entry;
    let mut line = Writer::start(sequence, input.occurred_at.unwrap_or(received));
    line.field("received", &received);
    line.field("source", &*input.source);
    line.field("id", &*input.id);
    match &input.body {
        Body::Observation { device, freshness, readings } => {
            line.field("device", &*name(devices, *device));
            line.field("readings", &readings_json(readings));
            line.field("freshness", freshness);
        }
        Body::Availability { device, available } => {
            line.field("device", &*name(devices, *device));
            line.field("available", available);
        }
        Body::Message(message) => {
            line.field("topic", &*message.topic);
            line.payload(&message.payload);
            if let Some(content_type) = &message.content_type {
                line.field("content-type", &**content_type);
            }
            line.field("retained", &message.retained);
        }
        Body::Settled(settled) => line.field("completion", settled),
        Body::Manual { device, action, arguments } => {
            let arguments = plain::object(arguments);
            line.field(
                "manual",
                &json!({"device": &*name(devices, *device), "action": &**action, "arguments": arguments}),
            );
        }
        Body::Host(event) => line.field("host", event),
        Body::Transfer(transfer) => line.field("transfer", transfer),
        Body::Advance => line.field("advance", &true),
    }
    if !input.attributes.is_empty() {
        line.field("attributes", &plain::object(&input.attributes));
    }
    line.end()
}

/// A line of an export: one of the others, or one of its own, with what the journal says of it.
#[must_use]
pub fn to_journal_line(mut line: String, part: &JournalPart) -> String {
    line.pop();
    let mut line = Writer(line);
    line.field("journal", part);
    line.end()
}

/// A line of a kind that is not an input: `timer`, `deployment` or `expect`.
#[must_use]
pub fn to_raw_line(timed: Timed, field: &str, json: &Json) -> String {
    let mut line = Writer::start(timed.sequence, timed.at);
    line.field(field, json);
    line.end()
}

/// A line that says nothing but when, to be made one of an export.
#[must_use]
pub fn to_bare_line(timed: Timed) -> String {
    Writer::start(timed.sequence, timed.at).end()
}

struct Writer(String);

impl Writer {
    fn start(sequence: Option<u64>, at: Instant) -> Self {
        let mut line = Self(format!("{{\"at\":\"{at}\""));
        if let Some(sequence) = sequence {
            line.field("seq", &sequence);
        }
        line
    }

    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        let json = serde_json::to_string(value).expect("our own types always have a JSON form");
        write!(self.0, ",\"{name}\":{json}").expect("writing to a text never fails");
    }

    /// JSON as it stands where it reads back byte for byte, else text, else base64.
    fn payload(&mut self, payload: &[u8]) {
        match std::str::from_utf8(payload) {
            Ok(text) if stands_alone(text) => {
                self.0.push_str(",\"payload\":");
                self.0.push_str(text);
            }
            Ok(text) => self.field("payload", text),
            Err(_) => {
                self.field("payload", &base64::engine::general_purpose::STANDARD.encode(payload));
                self.field("encoding", "base64");
            }
        }
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Whether the text is JSON on one line that is no JSON text, without space around it.
fn stands_alone(text: &str) -> bool {
    !text.starts_with(|c: char| c == '"' || c.is_whitespace())
        && !text.ends_with(char::is_whitespace)
        && !text.contains(['\n', '\r'])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A device that is declared no longer is written by its number.
fn name(devices: &Devices, number: DeviceNo) -> Name {
    devices.get(number).map_or_else(|| Name::from(format!("#{}", number.0)), |device| device.id.clone())
}

fn readings_json(readings: &[Reading]) -> Map<String, Json> {
    readings.iter().map(|reading| (reading.capability.to_string(), reading_json(reading))).collect()
}

fn reading_json(reading: &Reading) -> Json {
    let unit = reading.unit.as_deref().filter(|code| !is_own_unit(reading.capability, code));
    let bytes = matches!(reading.value, Value::Bytes(_));
    let plain_enough = unit.is_none()
        && reading.quality == Quality::Good
        && reading.attributes.is_empty()
        && !bytes
        && !matches!(reading.value, Value::Json(_));
    if plain_enough {
        return plain::to_json(&reading.value);
    }
    let mut object = Map::new();
    match &reading.value {
        Value::Bytes(bytes) => {
            object.insert("value".into(), json!(base64::engine::general_purpose::STANDARD.encode(bytes)));
            object.insert("encoding".into(), json!("base64"));
        }
        value => {
            object.insert("value".into(), plain::to_json(value));
        }
    }
    if let Some(code) = unit {
        object.insert("unit".into(), json!(code));
    }
    if reading.quality != Quality::Good {
        object.insert("quality".into(), json!(reading.quality));
    }
    if !reading.attributes.is_empty() {
        object.insert("attributes".into(), Json::Object(plain::object(&reading.attributes)));
    }
    Json::Object(object)
}

fn is_own_unit(capability: Capability, code: &str) -> bool {
    capability.unit().is_some_and(|unit| unit.code() == code)
}
