//! Instants and spans: the only two kinds of time that the engine computes with.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, TimeZone as _, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds since the Unix epoch, UTC.
///
/// Written as RFC 3339 in every file and as the bare number on the wire of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub i64);

/// A length of time in microseconds, never negative.
///
/// Written as `30m` or `PT30M`; exact: a day is 24 hours, months do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

/// Why a text is no instant or span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTimeError {
    #[error("`{0}` is not an instant: expected RFC 3339 with a zone, such as 2026-05-02T05:14:00Z")]
    Instant(String),
    #[error("`{0}` is not a duration: expected a form such as 30m, 1h30m, 1d or PT30M")]
    Span(String),
    #[error("`{0}` has months or years, whose length is not fixed: use days")]
    Calendar(String),
    #[error("`{0}` is longer than 100 000 days")]
    TooLong(String),
}

impl Instant {
    /// The earliest instant that can be written as RFC 3339 with a four-digit year.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The latest instant that can be written as RFC 3339 with a four-digit year.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant `span` before this one.
    #[must_use]
    pub fn before(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }
}

impl Add<Span> for Instant {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

impl Sub for Instant {
    type Output = i64;
    /// Microseconds from `other` to `self`, negative when `other` is later.
    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = (*self).clamp(Self::MIN, Self::MAX);
        match Utc.timestamp_micros(clamped.0).single() {
            Some(at) if at.timestamp_subsec_micros() == 0 => {
                f.write_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
            }
            Some(at) if at.timestamp_subsec_micros() % 1000 == 0 => {
                f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
            }
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Instant {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| ParseTimeError::Instant(text.to_owned()))?;
        let at = Self(at.timestamp_micros());
        if (Self::MIN..=Self::MAX).contains(&at) { Ok(at) } else { Err(ParseTimeError::Instant(text.to_owned())) }
    }
}

impl Span {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000_000)
    }

    #[must_use]
    pub const fn from_mins(minutes: u64) -> Self {
        Self::from_secs(minutes * 60)
    }

    #[must_use]
    pub const fn from_hours(hours: u64) -> Self {
        Self::from_mins(hours * 60)
    }

    #[must_use]
    pub const fn from_days(days: u64) -> Self {
        Self::from_hours(days * 24)
    }

    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// The units of the short form, largest first, with their length in microseconds.
const SHORT: [(&str, u64); 7] = [
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// No deadline of ours reaches further; keeps every sum of an instant and a span inside `i64`.
const LONGEST: u64 = 100_000 * 86_400_000_000;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, length) in &SHORT[1..] {
            let count = rest / length;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            rest %= length;
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = ParseTimeError;
    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let micros = match text.strip_prefix('P') {
            Some(iso) => parse_iso(iso, text)?,
            None => parse_short(text)?,
        };
        if micros > LONGEST { Err(ParseTimeError::TooLong(text.to_owned())) } else { Ok(Self(micros)) }
    }
}

fn parse_short(text: &str) -> Result<u64, ParseTimeError> {
    let bad = || ParseTimeError::Span(text.to_owned());
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let length = SHORT.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(bad)?.1;
        total = total.checked_add(amount(number, length).ok_or_else(bad)?).ok_or_else(bad)?;
        rest = tail;
    }
    Ok(total)
}

fn parse_iso(iso: &str, text: &str) -> Result<u64, ParseTimeError> {
    let bad = || ParseTimeError::Span(text.to_owned());
    let (mut rest, mut in_time, mut total) = (iso, false, 0_u64);
    if iso.is_empty() || iso == "T" {
        return Err(bad());
    }
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('T') {
            (rest, in_time) = (tail, true);
            continue;
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let length = match (tail.as_bytes()[0], in_time) {
            (b'W', false) => SHORT[0].1,
            (b'D', false) => SHORT[1].1,
            (b'H', true) => SHORT[2].1,
            (b'M', true) => SHORT[3].1,
            (b'S', true) => SHORT[4].1,
            (b'M' | b'Y', false) => return Err(ParseTimeError::Calendar(text.to_owned())),
            _ => return Err(bad()),
        };
        total = total.checked_add(amount(number, length).ok_or_else(bad)?).ok_or_else(bad)?;
        rest = &tail[1..];
    }
    Ok(total)
}

/// `number` (digits with at most one point) times `length`, exact to the microsecond.
fn amount(number: &str, length: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut micros = whole.parse::<u64>().ok()?.checked_mul(length)?;
    let mut scale = length;
    for digit in fraction.bytes() {
        scale /= 10;
        micros = micros.checked_add(u64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?) * scale)?;
    }
    Some(micros)
}

macro_rules! serde_as_text_or_number {
    ($type:ty, $number:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    <$number>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}
serde_as_text_or_number!(Instant, i64);
serde_as_text_or_number!(Span, u64);

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Result<Span, ParseTimeError> {
        text.parse()
    }

    #[test]
    fn durations_read_in_both_forms() {
        assert_eq!(span("30m"), Ok(Span::from_mins(30)));
        assert_eq!(span("1h30m"), Ok(Span::from_mins(90)));
        assert_eq!(span("PT30M"), Ok(Span::from_mins(30)));
        assert_eq!(span("P1D"), Ok(Span::from_hours(24)));
        assert_eq!(span("P1DT2H3M4.5S"), Ok(Span::from_millis(93_784_500)));
        assert_eq!(span("0ms"), Ok(Span::ZERO));
        assert_eq!(span("1.5s"), Ok(Span::from_millis(1_500)));
    }

    #[test]
    fn durations_without_a_fixed_length_are_refused() {
        assert_eq!(span("P1M"), Err(ParseTimeError::Calendar("P1M".into())));
        assert_eq!(span("P100000D"), Ok(Span::from_days(100_000)));
        assert_eq!(span("P100001D"), Err(ParseTimeError::TooLong("P100001D".into())));
        for bad in ["", "30", "m", "P", "PT", "-5m", "5 minutes", "1.2.3s"] {
            assert_eq!(span(bad), Err(ParseTimeError::Span(bad.into())), "{bad}");
        }
    }

    #[test]
    fn spans_print_in_a_form_that_reads_back() {
        for text in ["30m", "1h30m", "1d", "4ms", "0s", "1d2h3m4s5ms6us"] {
            assert_eq!(span(text).map(|s| s.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn instants_keep_their_precision_and_no_more() {
        for text in ["2022-05-02T05:14:00Z", "2022-05-02T05:14:00.250Z", "2022-05-02T05:14:00.000001Z"] {
            assert_eq!(text.parse::<Instant>().map(|i| i.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("2022-05-02T07:14:00+02:00".parse::<Instant>(), "2022-05-02T05:14:00Z".parse());
        assert!("2022-05-02 05:14".parse::<Instant>().is_err());
    }
}
