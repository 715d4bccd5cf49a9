//! JSON payloads: pointers to readings, converted to the engine's units.

use std::collections::BTreeMap;

use model::device::{ReadingMap, Source};
use model::event::Quality;
use model::value::plain;
use model::{Capability, Instant, Name, Reading, Unit, Value, limits};
use serde_json::Value as Json;

use super::{instant_of, lenient};
use crate::rejection::Reason;

/// One device's mapping, compiled.
#[derive(Debug)]
pub struct Plan {
    readings: Vec<Pick>,
    time: Option<Name>,
    id: Option<Name>,
}

/// How one capability is picked out of a payload.
#[derive(Debug)]
struct Pick {
    capability: Capability,
    path: Name,
    values: BTreeMap<Name, Value>,
    quantity: Quantity,
}

/// What a capability's numbers mean.
#[derive(Debug, Clone)]
pub(crate) struct Quantity {
    /// The code that the reading carries.
    unit: Option<Name>,
    /// From the payload's unit to the engine's, where they differ.
    convert: Option<(Unit, Unit)>,
}

/// What a payload gave for one device.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    pub readings: Vec<Reading>,
    /// The device's own time.
    pub at: Option<Instant>,
    /// The device's own id of this message.
    pub id: Option<String>,
    /// Members whose value could not be read: null, NaN, infinite, of another kind, an unlisted text, a time that is
    /// none.
    pub bad: u32,
}

/// A payload that has been read once, for all its devices.
#[derive(Debug)]
pub enum Payload<'a> {
    Json(Json),
    /// Not JSON: a bare word such as ON, for mappings that take the payload as the value itself.
    Text {
        text: &'a str,
        error: String,
    },
}

impl<'a> Payload<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is too large, not UTF-8, or nests too deeply.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Reason> {
        if bytes.len() > limits::PAYLOAD_BYTES {
            return Err(Reason::PayloadTooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| Reason::NotUtf8(error.valid_up_to()))?;
        if depth(bytes) > limits::JSON_DEPTH {
            return Err(Reason::TooDeep);
        }
        Ok(match parse(text) {
            Ok(json) => Self::Json(json),
            Err(error) => match parse(&lenient::without_impossible_numbers(text)) {
                // A bare NaN is the text of a value, not a JSON document.
                Ok(json) if !json.is_null() => Self::Json(json),
                Ok(_) | Err(_) => Self::Text { text: text.trim(), error: error.to_string() },
            },
        })
    }

    /// The word that an availability message says: the payload itself, or its member `state`.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Text { text, .. } => (*text).to_owned(),
            Self::Json(Json::Object(object)) => object.get("state").map(scalar_text).unwrap_or_default(),
            Self::Json(json) => scalar_text(json),
        }
    }
}

impl Plan {
    #[must_use]
    pub fn new(source: &Source) -> Self {
        Self {
            readings: source.readings.iter().map(Pick::new).collect(),
            time: source.time.clone(),
            id: source.id.clone(),
        }
    }

    /// Whether it looks for any reading at all.
    pub(crate) fn reads(&self) -> bool {
        !self.readings.is_empty()
    }

    /// What the payload says of this device.
    ///
    /// # Errors
    /// When it is not JSON and the mapping looks inside, or gives more readings than an event may have.
    pub fn decode(&self, payload: &Payload<'_>) -> Result<Decoded, Reason> {
        let mut decoded = Decoded::default();
        let word;
        let json = match payload {
            Payload::Json(json) => json,
            Payload::Text { text, error } => {
                if self.readings.iter().any(|pick| !pick.path.is_empty()) {
                    return Err(Reason::MalformedJson(error.clone()));
                }
                word = Json::String((*text).to_owned());
                &word
            }
        };
        for pick in &self.readings {
            let Some(found) = json.pointer(&pick.path) else { continue };
            let reading = pick.read(found).unwrap_or_else(|| {
                decoded.bad += 1;
                unread(pick.capability)
            });
            decoded.readings.push(reading);
        }
        if decoded.readings.len() > limits::READINGS_PER_EVENT {
            return Err(Reason::TooManyReadings(decoded.readings.len()));
        }
        if let Some(found) = self.time.as_ref().and_then(|path| json.pointer(path)) {
            decoded.at = instant_of(found);
            decoded.bad += u32::from(decoded.at.is_none());
        }
        if let Some(found) = self.id.as_ref().and_then(|path| json.pointer(path)) {
            decoded.id = Some(scalar_text(found)).filter(|id| !id.is_empty() && id.len() <= limits::NAME_BYTES);
            decoded.bad += u32::from(decoded.id.is_none());
        }
        Ok(decoded)
    }
}

impl Pick {
    fn new(map: &ReadingMap) -> Self {
        Self {
            capability: map.capability,
            path: map.path.clone(),
            values: map.values.clone(),
            quantity: Quantity::of(map.capability, map.unit),
        }
    }

    fn read(&self, json: &Json) -> Option<Reading> {
        let value = if self.values.is_empty() {
            self.quantity.value(json)?
        } else {
            self.values.get(scalar_text(json).as_str())?.clone()
        };
        Some(self.quantity.reading(self.capability, value))
    }
}

impl Quantity {
    /// Numbers of `capability` given in `unit`, or in its own where that is not said.
    pub(crate) fn of(capability: Capability, unit: Option<Unit>) -> Self {
        let canonical = capability.unit();
        let convert = unit.zip(canonical).filter(|(from, to)| from != to);
        Self { unit: canonical.or(unit).map(|unit| Name::from(unit.code())), convert }
    }

    /// The value in the engine's unit; none where there is no usable one.
    pub(crate) fn value(&self, json: &Json) -> Option<Value> {
        self.checked(plain::from_json(json)?).ok()
    }

    /// The value in the engine's unit. What has a unit must be a number; a text that is one will do, as many devices
    /// send numbers so.
    ///
    /// # Errors
    /// A message: it is not a number, or not a finite one.
    pub(crate) fn checked(&self, value: Value) -> Result<Value, String> {
        let value = match (&self.unit, value) {
            (None, value) | (Some(_), value @ (Value::Integer(_) | Value::Number(_))) => value,
            (Some(_), Value::Text(text)) => match text.trim().parse::<f64>() {
                Ok(number) => Value::Number(number),
                Err(_) => return Err(format!("`{text}` is not a number")),
            },
            (Some(unit), Value::Boolean(_) | Value::Bytes(_) | Value::Position(_) | Value::Json(_)) => {
                return Err(format!("not a number, but it is measured in {unit}"));
            }
        };
        let value = match (self.convert, value.as_f64()) {
            (Some((from, to)), Some(number)) => {
                Value::Number(from.convert(number, to).map_err(|error| error.to_string())?)
            }
            _ => value,
        };
        if value.is_sound() { Ok(value) } else { Err(format!("{value} is out of range")) }
    }

    pub(crate) fn reading(&self, capability: Capability, value: Value) -> Reading {
        let unit = if matches!(value, Value::Integer(_) | Value::Number(_)) { self.unit.clone() } else { None };
        Reading { capability, value, unit, previous: None, quality: Quality::Good, attributes: Vec::new() }
    }
}

/// A reading whose value could not be read: its device spoke, and what was known before is no longer to be trusted.
pub(crate) fn unread(capability: Capability) -> Reading {
    Reading {
        capability,
        value: Value::nothing(),
        unit: None,
        previous: None,
        quality: Quality::Bad,
        attributes: Vec::new(),
    }
}

/// JSON whose nesting has been checked before.
pub(crate) fn parse(text: &str) -> Result<Json, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let json = serde::Deserialize::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(json)
}

/// The deepest nesting of brackets outside strings.
pub(crate) fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A scalar as the text that `values` and own ids are written in; empty for what is none.
fn scalar_text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        Json::Bool(yes) => yes.to_string(),
        Json::Number(number) => number.to_string(),
        Json::Null | Json::Array(_) | Json::Object(_) => String::new(),
    }
}
