//! Device time: RFC 3339 text, or Unix seconds, milliseconds or microseconds told apart by magnitude.

use model::Instant;
use serde_json::Value as Json;

/// Below this a Unix time is in seconds: it is the year 5138 in seconds, and March 1973 in milliseconds.
const SECONDS_BELOW: f64 = 1e11;
/// Below this it is in milliseconds, by the same reasoning.
const MILLIS_BELOW: f64 = 1e14;
/// Below this it is in microseconds; beyond, it is no time that a device means.
const MICROS_BELOW: f64 = 1e17;

/// The instant that a payload's member means; none where it is not an instant.
#[must_use]
pub fn instant_of(json: &Json) -> Option<Instant> {
    match json {
        Json::String(text) => text.parse().ok().or_else(|| unix(text.trim().parse().ok()?)),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => unix_integer(integer),
            None => unix(number.as_f64()?),
        },
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn unix_integer(integer: i64) -> Option<Instant> {
    let micros = match integer.unsigned_abs() as f64 {
        size if size < SECONDS_BELOW => integer.checked_mul(1_000_000)?,
        size if size < MILLIS_BELOW => integer.checked_mul(1_000)?,
        size if size < MICROS_BELOW => integer,
        _ => return None,
    };
    in_range(micros)
}

fn unix(number: f64) -> Option<Instant> {
    let scale = match number.abs() {
        size if size < SECONDS_BELOW => 1e6,
        size if size < MILLIS_BELOW => 1e3,
        size if size < MICROS_BELOW => 1.0,
        _ => return None,
    };
    in_range((number * scale).round() as i64)
}

fn in_range(micros: i64) -> Option<Instant> {
    (Instant::MIN.0..=Instant::MAX.0).contains(&micros).then_some(Instant(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_by_form_and_magnitude() {
        let expected = "2022-05-02T05:14:00Z".parse::<Instant>().ok();
        for json in [
            json!("2022-05-02T05:14:00Z"),
            json!("2022-05-02T07:14:00+02:00"),
            json!(1_651_468_440),
            json!(1_651_468_440_000_i64),
            json!(1_651_468_440_000_000_i64),
            json!(1_651_468_440.0),
            json!("1651468440"),
        ] {
            assert_eq!(instant_of(&json), expected, "{json}");
        }
        assert_eq!(instant_of(&json!(1_651_468_440.25)), Some(Instant(1_651_468_440_250_000)));
    }

    #[test]
    fn what_is_no_time_gives_none() {
        for json in [json!(null), json!(true), json!("noon"), json!("NaN"), json!(1e17), json!("2022-05-02T05:14:00")] {
            assert_eq!(instant_of(&json), None, "{json}");
        }
    }
}
