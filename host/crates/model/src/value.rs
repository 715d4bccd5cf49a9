//! Values of readings, settings, state and arguments.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Name;

/// The largest integer that every guest language keeps exact: 2^53 − 1.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// One value, of the kinds of the WIT variant `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    Boolean(bool),
    /// Within ±[`INTEGER_MAX`].
    Integer(i64),
    /// Finite.
    Number(f64),
    Text(Name),
    Bytes(Box<[u8]>),
    Position(Position),
    /// Anything structured, as JSON text.
    Json(Name),
}

/// Degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// −90 to 90.
    pub latitude: f64,
    /// −180 to 180.
    pub longitude: f64,
    /// Metres, where the device says.
    pub accuracy: Option<f64>,
}

/// Named values, in the order given.
pub type Attributes = Vec<(Name, Value)>;

impl Value {
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Name::from(text.as_ref()))
    }

    /// No value: what a reading of quality `bad` holds where none could be read.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Json(Name::from("null"))
    }

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Json(text) if &**text == "null")
    }

    /// The value as a number: booleans count as 0 and 1, as in histories.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Boolean(yes) => Some(f64::from(u8::from(*yes))),
            Self::Integer(integer) => Some(*integer as f64),
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Bytes(_) | Self::Position(_) | Self::Json(_) => None,
        }
    }

    /// Equal as users mean it: 3 equals 3.0, and a boolean equals nothing but a boolean.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Number(b)) | (Self::Number(b), Self::Integer(a)) => *a as f64 == *b,
            (a, b) => a == b,
        }
    }

    /// Whether the value may cross into or out of the engine: finite, and exact in every guest language.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Integer(integer) => (-INTEGER_MAX..=INTEGER_MAX).contains(integer),
            Self::Number(number) => number.is_finite(),
            Self::Position(p) => {
                (-90.0..=90.0).contains(&p.latitude)
                    && (-180.0..=180.0).contains(&p.longitude)
                    && p.accuracy.is_none_or(|a| a.is_finite() && a >= 0.0)
            }
            Self::Boolean(_) | Self::Text(_) | Self::Bytes(_) | Self::Json(_) => true,
        }
    }

    /// Bytes that the value takes beyond its own few words.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Boolean(_) | Self::Integer(_) | Self::Number(_) | Self::Position(_) => 8,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(yes) => write!(f, "{yes}"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) | Self::Json(text) => f.write_str(text),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Position(p) => write!(f, "{},{}", p.latitude, p.longitude),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::text(value)
    }
}

/// Values as they stand in users' JSON: scalars as they are, a position as an object, anything else as `Json`.
pub mod plain {
    use super::{INTEGER_MAX, Name, Position, Value};

    /// A reading as users write it. Null has no value; integers beyond ±(2^53 − 1) become text.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Option<Value> {
        use serde_json::Value as Json;
        Some(match json {
            Json::Null => return None,
            Json::Bool(yes) => Value::Boolean(*yes),
            Json::Number(number) => match number.as_i64() {
                Some(integer) if (-INTEGER_MAX..=INTEGER_MAX).contains(&integer) => Value::Integer(integer),
                Some(_) => Value::text(number.to_string()),
                None if number.is_u64() => Value::text(number.to_string()),
                None => Value::Number(number.as_f64().filter(|n| n.is_finite())?),
            },
            Json::String(text) => Value::text(text),
            Json::Object(object) => match position(object) {
                Some(position) => Value::Position(position),
                None => Value::Json(Name::from(json.to_string())),
            },
            Json::Array(_) => Value::Json(Name::from(json.to_string())),
        })
    }

    fn position(object: &serde_json::Map<String, serde_json::Value>) -> Option<Position> {
        let latitude = object.get("latitude")?.as_f64()?;
        let longitude = object.get("longitude")?.as_f64()?;
        let accuracy = object.get("accuracy").and_then(serde_json::Value::as_f64);
        let known = 2 + usize::from(accuracy.is_some());
        (object.len() == known).then_some(Position { latitude, longitude, accuracy })
    }

    /// The inverse of [`from_json`]; bytes are written as an array of numbers.
    #[must_use]
    pub fn to_json(value: &Value) -> serde_json::Value {
        use serde_json::{Value as Json, json};
        match value {
            Value::Boolean(yes) => Json::Bool(*yes),
            Value::Integer(integer) => json!(integer),
            Value::Number(number) => json!(number),
            Value::Text(text) => json!(&**text),
            Value::Bytes(bytes) => json!(&**bytes),
            Value::Position(p) => match p.accuracy {
                Some(accuracy) => json!({"latitude": p.latitude, "longitude": p.longitude, "accuracy": accuracy}),
                None => json!({"latitude": p.latitude, "longitude": p.longitude}),
            },
            Value::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(&**text)),
        }
    }

    /// Attributes as one JSON object.
    #[must_use]
    pub fn object(attributes: &[(Name, Value)]) -> serde_json::Map<String, serde_json::Value> {
        attributes.iter().map(|(name, value)| (name.to_string(), to_json(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_beyond_the_exact_range_become_text() {
        assert_eq!(plain::from_json(&json!(INTEGER_MAX)), Some(Value::Integer(INTEGER_MAX)));
        assert_eq!(plain::from_json(&json!(INTEGER_MAX + 1)), Some(Value::text("9007199254740992")));
        assert_eq!(plain::from_json(&json!(u64::MAX)), Some(Value::text("18446744073709551615")));
        assert_eq!(plain::from_json(&json!(null)), None);
    }

    #[test]
    fn numbers_compare_across_kinds_and_booleans_do_not() {
        assert!(Value::Integer(3).same(&Value::Number(3.0)));
        assert!(!Value::Boolean(true).same(&Value::Integer(1)));
        assert!(!Value::Number(f64::NAN).is_sound());
        assert!(!Value::Integer(INTEGER_MAX + 1).is_sound());
    }

    #[test]
    fn a_position_is_recognised_and_written_back() {
        let json = json!({"latitude": 52.5, "longitude": 13.4});
        let value = plain::from_json(&json).expect("a position");
        assert!(matches!(value, Value::Position(_)));
        assert_eq!(plain::to_json(&value), json);
    }
}
