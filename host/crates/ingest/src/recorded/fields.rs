//! The fields of one line as they stand there, before anything is made of them.

use std::borrow::Cow;
use std::fmt;

use model::event::{Freshness, Quality};
use model::input::{HostEvent, Settled, Transfer};
use model::{Attributes, Instant, Name};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::journal::JournalPart;
use super::line::LineError;
use super::names::Names;
use super::readings::{Readings, ReadingsSeed, attributes};

/// Every field that a line may have.
const FIELDS: [&str; 26] = [
    "at",
    "received",
    "seq",
    "source",
    "id",
    "freshness",
    "quality",
    "attributes",
    "device",
    "readings",
    "topic",
    "payload",
    "encoding",
    "content-type",
    "retained",
    "available",
    "timer",
    "completion",
    "manual",
    "deployment",
    "host",
    "transfer",
    "advance",
    "expect",
    "journal",
    "note",
];

#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) at: Option<Instant>,
    pub(crate) received: Option<Instant>,
    pub(crate) seq: Option<u64>,
    pub(crate) source: Option<Name>,
    pub(crate) id: Option<Name>,
    pub(crate) freshness: Option<Freshness>,
    pub(crate) quality: Option<Quality>,
    pub(crate) attributes: Option<Attributes>,
    pub(crate) device: Option<Name>,
    pub(crate) readings: Option<Readings>,
    pub(crate) topic: Option<Name>,
    pub(crate) payload: Option<&'a RawValue>,
    pub(crate) encoding: Option<Text<'a>>,
    pub(crate) content_type: Option<Name>,
    pub(crate) retained: Option<bool>,
    pub(crate) available: Option<bool>,
    pub(crate) timer: Option<&'a RawValue>,
    pub(crate) completion: Option<Settled>,
    pub(crate) manual: Option<Manual>,
    pub(crate) deployment: Option<&'a RawValue>,
    pub(crate) host: Option<HostEvent>,
    pub(crate) transfer: Option<Box<Transfer>>,
    pub(crate) advance: Option<bool>,
    pub(crate) expect: Option<&'a RawValue>,
    pub(crate) journal: Option<Box<JournalPart>>,
}

/// An operator's command as a line gives it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manual {
    pub(crate) device: Name,
    pub(crate) action: Name,
    #[serde(default)]
    pub(crate) arguments: Option<serde_json::Value>,
}

impl<'a> Fields<'a> {
    pub(crate) fn parse(text: &'a str, names: &mut Names) -> Result<Self, LineError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        FieldsSeed(names)
            .deserialize(&mut deserializer)
            .and_then(|fields| deserializer.end().map(|()| fields))
            .map_err(|error| LineError::Malformed(error.to_string().replace(" at line 1 column ", " at column ")))
    }
}

struct FieldsSeed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Fields<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let names = self.0;
        let mut fields = Fields::default();
        while let Some(Text(key)) = map.next_key()? {
            let map = &mut map;
            match &*key {
                "at" => once("at", &mut fields.at, instant(map)?)?,
                "received" => once("received", &mut fields.received, instant(map)?)?,
                "seq" => once("seq", &mut fields.seq, map.next_value()?)?,
                "source" => once("source", &mut fields.source, name(map, names)?)?,
                "id" => once("id", &mut fields.id, id(map)?)?,
                "freshness" => once("freshness", &mut fields.freshness, map.next_value()?)?,
                "quality" => once("quality", &mut fields.quality, map.next_value()?)?,
                "attributes" => {
                    let given = attributes(map.next_value()?).map_err(A::Error::custom)?;
                    once("attributes", &mut fields.attributes, given)?;
                }
                "device" => once("device", &mut fields.device, name(map, names)?)?,
                "readings" => {
                    let given = map.next_value_seed(ReadingsSeed(names))?;
                    once("readings", &mut fields.readings, given)?;
                }
                "topic" => once("topic", &mut fields.topic, name(map, names)?)?,
                "payload" => once("payload", &mut fields.payload, map.next_value()?)?,
                "encoding" => once("encoding", &mut fields.encoding, map.next_value()?)?,
                "content-type" => once("content-type", &mut fields.content_type, name(map, names)?)?,
                "retained" => once("retained", &mut fields.retained, map.next_value()?)?,
                "available" => once("available", &mut fields.available, map.next_value()?)?,
                "timer" => once("timer", &mut fields.timer, map.next_value()?)?,
                "completion" => once("completion", &mut fields.completion, map.next_value()?)?,
                "manual" => once("manual", &mut fields.manual, map.next_value()?)?,
                "deployment" => once("deployment", &mut fields.deployment, map.next_value()?)?,
                "host" => once("host", &mut fields.host, map.next_value()?)?,
                "transfer" => once("transfer", &mut fields.transfer, map.next_value()?)?,
                "advance" => once("advance", &mut fields.advance, map.next_value()?)?,
                "expect" => once("expect", &mut fields.expect, map.next_value()?)?,
                "journal" => once("journal", &mut fields.journal, map.next_value()?)?,
                // For people; a scenario says what it is about.
                "note" => drop(map.next_value::<serde::de::IgnoredAny>()?),
                unknown => {
                    let hint = crate::nearest::hint(crate::nearest::of(unknown, FIELDS.into_iter()));
                    return Err(A::Error::custom(format!("unknown field `{unknown}`{hint}")));
                }
            }
        }
        Ok(fields)
    }
}

fn once<T, E: serde::de::Error>(field: &'static str, place: &mut Option<T>, value: T) -> Result<(), E> {
    if place.replace(value).is_some() { Err(E::duplicate_field(field)) } else { Ok(()) }
}

fn instant<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Instant, A::Error> {
    let Text(text) = map.next_value()?;
    super::instant::parse(&text).map_err(A::Error::custom)
}

fn name<'de, A: MapAccess<'de>>(map: &mut A, names: &mut Names) -> Result<Name, A::Error> {
    let Text(text) = map.next_value()?;
    Ok(names.text(&text))
}

/// Ids do not repeat, so they are not kept.
fn id<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Name, A::Error> {
    let Text(text) = map.next_value()?;
    if text.is_empty() || text.len() > model::limits::NAME_BYTES {
        return Err(A::Error::custom(format!("`id` has {} bytes, not 1 to {}", text.len(), model::limits::NAME_BYTES)));
    }
    Ok(Name::from(&*text))
}

/// A text that is borrowed from the line unless it holds an escape.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}
