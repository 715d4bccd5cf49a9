//! The member `readings` of a line: capability to bare value, or to `{ value, unit, quality, attributes }`.

use std::fmt;

use model::event::Quality;
use model::value::{INTEGER_MAX, plain};
use model::{Attributes, Name, Reading, Value, limits};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::fields::Text;
use super::names::Names;
use crate::codecs::json::unread;

/// Readings of one line, and how many have no value.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    pub(crate) readings: Vec<Reading>,
    pub(crate) bad: u32,
}

pub(super) struct ReadingsSeed<'n>(pub(super) &'n mut Names);

impl<'de> DeserializeSeed<'de> for ReadingsSeed<'_> {
    type Value = Readings;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Readings, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ReadingsSeed<'_> {
    type Value = Readings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of capabilities and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Readings, A::Error> {
        let mut all = Readings::default();
        while let Some(Text(name)) = map.next_key()? {
            if all.readings.len() == limits::READINGS_PER_EVENT {
                return Err(A::Error::custom(format!("more than {} readings", limits::READINGS_PER_EVENT)));
            }
            let given = map.next_value_seed(GivenSeed)?;
            let reading = reading(&name, given, self.0);
            let reading = reading.map_err(|why| A::Error::custom(format!("reading `{name}`: {why}")))?;
            if all.readings.iter().any(|other| other.capability == reading.capability) {
                return Err(A::Error::custom(format!("reading `{name}` stands there twice")));
            }
            all.bad += u32::from(reading.value.is_nothing());
            all.readings.push(reading);
        }
        Ok(all)
    }
}

/// A value as it stands in the line.
enum Given {
    Nothing,
    Plain(Value),
    Object(serde_json::Map<String, Json>),
}

fn reading(name: &str, given: Given, names: &mut Names) -> Result<Reading, String> {
    let (capability, own) = names.capability(name)?;
    match given {
        Given::Nothing => Ok(unread(capability)),
        Given::Plain(value) => own.checked(value).map(|value| own.reading(capability, value)),
        Given::Object(object) if !object.contains_key("value") => {
            let value = plain::from_json(&Json::Object(object)).ok_or("no value")?;
            own.checked(value).map(|value| own.reading(capability, value))
        }
        Given::Object(mut object) => {
            let value = object.remove("value").unwrap_or_default();
            let stated = match object.remove("unit") {
                Some(Json::String(code)) => Some(Names::quantity(capability, &code)?),
                Some(_) => return Err("`unit` is not a text".into()),
                None => None,
            };
            let quality = object.remove("quality").map(quality).transpose()?;
            let attributes = object.remove("attributes").map(attributes).transpose()?;
            let bytes = match object.remove("encoding") {
                Some(Json::String(encoding)) if encoding == "base64" => true,
                Some(_) => return Err("`encoding` can only be base64".into()),
                None => false,
            };
            if let Some(unknown) = object.keys().next() {
                let known = ["value", "unit", "quality", "attributes", "encoding"];
                let nearest = crate::nearest::of(unknown, known.into_iter());
                return Err(format!("unknown field `{unknown}`{}", crate::nearest::hint(nearest)));
            }
            let value = if bytes { Some(decode(&value)?) } else { plain::from_json(&value) };
            let quantity = stated.as_ref().unwrap_or(own);
            let mut reading = match value {
                Some(value) => Reading {
                    quality: quality.unwrap_or_default(),
                    ..quantity.reading(capability, quantity.checked(value)?)
                },
                None => unread(capability),
            };
            reading.attributes = attributes.unwrap_or_default();
            Ok(reading)
        }
    }
}

fn decode(json: &Json) -> Result<Value, String> {
    use base64::Engine as _;
    let text = json.as_str().ok_or("base64 must be a text")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| error.to_string())?;
    Ok(Value::Bytes(bytes.into()))
}

fn quality(json: Json) -> Result<Quality, String> {
    serde_json::from_value(json).map_err(|_| "`quality` is none of good, uncertain, bad".into())
}

/// Attributes as users write them: an object of plain values.
pub(crate) fn attributes(json: Json) -> Result<Attributes, String> {
    let Json::Object(object) = json else { return Err("`attributes` is not an object".into()) };
    let named = |(name, json): (String, Json)| Some((Name::from(name), plain::from_json(&json)?));
    Ok(object.into_iter().filter_map(named).collect())
}

struct GivenSeed;

impl<'de> DeserializeSeed<'de> for GivenSeed {
    type Value = Given;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for GivenSeed {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Given, E> {
        Ok(Given::Plain(Value::Boolean(yes)))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Given, E> {
        let exact = (-INTEGER_MAX..=INTEGER_MAX).contains(&integer);
        Ok(Given::Plain(if exact { Value::Integer(integer) } else { Value::text(integer.to_string()) }))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Given, E> {
        let exact = i64::try_from(integer).ok().filter(|i| *i <= INTEGER_MAX);
        Ok(Given::Plain(exact.map_or_else(|| Value::text(integer.to_string()), Value::Integer)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given, E> {
        Ok(if number.is_finite() { Given::Plain(Value::Number(number)) } else { Given::Nothing })
    }

    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Plain(Value::text(text)))
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Json>()? {
            items.push(item);
        }
        Ok(Given::Plain(Value::Json(Name::from(Json::Array(items).to_string()))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            object.insert(key, value);
        }
        Ok(Given::Object(object))
    }
}
