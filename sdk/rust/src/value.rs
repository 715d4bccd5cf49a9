//! Values of readings, settings, state and arguments.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest integer that may cross into or out of a rule: 2^53 − 1, which every guest language keeps exact.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// One value, of the kinds of the WIT variant `value`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Boolean(bool),
    /// Within ±[`INTEGER_MAX`].
    Integer(i64),
    /// Finite.
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
    Position(Position),
    /// Anything structured, as JSON text.
    Json(String),
}

/// Named values, in the order given.
pub type Attributes = Vec<(String, Value)>;

/// A place on the Earth: degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// −90 to 90, north positive.
    pub latitude: f64,
    /// −180 to 180, east positive.
    pub longitude: f64,
    /// Metres, where the device says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}

/// Mean radius of the Earth in metres (IUGG).
const EARTH_RADIUS: f64 = 6_371_008.8;

impl Position {
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Self {
        Self { latitude, longitude, accuracy: None }
    }

    /// Metres to `other` along the surface, on a sphere: at most 0.6 % off.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_north = libm::sin((b - a) / 2.0);
        let half_east = libm::sin((other.longitude - self.longitude).to_radians() / 2.0);
        let h = half_north * half_north + libm::cos(a) * libm::cos(b) * half_east * half_east;
        2.0 * EARTH_RADIUS * libm::asin(libm::sqrt(h.clamp(0.0, 1.0)))
    }
}

impl Value {
    /// The value as a number; none for a boolean, a text and anything structured.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Number(number) => Some(*number),
            Self::Boolean(_) | Self::Text(_) | Self::Bytes(_) | Self::Position(_) | Self::Json(_) => None,
        }
    }

    /// The value as a boolean; none for every other kind.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        if let Self::Boolean(yes) = self { Some(*yes) } else { None }
    }

    /// The value as a text; none for every other kind.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    #[must_use]
    pub fn position(&self) -> Option<Position> {
        if let Self::Position(position) = self { Some(*position) } else { None }
    }

    /// Equal as people mean it: 3 equals 3.0, and a boolean equals nothing but a boolean.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Number(b)) | (Self::Number(b), Self::Integer(a)) => *a as f64 == *b,
            (a, b) => a == b,
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

macro_rules! from {
    ($($from:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $made
            }
        }
    )*};
}
from! {
    bool => |value| Self::Boolean(value);
    i32 => |value| Self::Integer(i64::from(value));
    u32 => |value| Self::Integer(i64::from(value));
    i64 => |value| Self::Integer(value);
    f64 => |value| Self::Number(value);
    &str => |value| Self::Text(value.to_owned());
    String => |value| Self::Text(value);
    Vec<u8> => |value| Self::Bytes(value);
    Position => |value| Self::Position(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degree_of_latitude_is_111_kilometres() {
        let berlin = Position::new(52.0, 13.4);
        assert!((berlin.distance(Position::new(53.0, 13.4)) - 111_195.0).abs() < 1.0);
        assert_eq!(berlin.distance(berlin), 0.0);
    }

    #[test]
    fn the_shortest_way_crosses_the_date_line() {
        assert!(Position::new(0.0, 179.9).distance(Position::new(0.0, -179.9)) < 23_000.0);
    }

    #[test]
    fn only_numbers_are_numbers() {
        assert_eq!(Value::from(3).number(), Some(3.0));
        assert_eq!(Value::from(true).number(), None);
        assert!(Value::from(3).same(&Value::from(3.0)));
        assert!(!Value::from(true).same(&Value::from(1)));
    }
}
