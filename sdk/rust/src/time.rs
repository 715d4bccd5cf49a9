//! Instants, spans and times of day, as rules see them.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds since the Unix epoch, UTC. In state it is kept as that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

/// A length of time in microseconds, never negative. In settings and state it is written `30m` or `PT30M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

/// A time of day without a date or zone, from `00:00` to `23:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("`{0}` is not a duration: expected a form such as 30m, 1h30m, 1d or PT30M")]
    Span(String),
    #[error("`{0}` is not a time of day: expected a form such as 07:30")]
    TimeOfDay(String),
}

impl Instant {
    /// The time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Span> for Instant {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

impl Sub<Span> for Instant {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }
}

impl Span {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }

    #[must_use]
    pub const fn secs(seconds: u64) -> Self {
        Self(seconds * 1_000_000)
    }

    #[must_use]
    pub const fn mins(minutes: u64) -> Self {
        Self::secs(minutes * 60)
    }

    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self::mins(hours * 60)
    }

    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    #[must_use]
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whole minutes, rounded down: for texts that people read.
    #[must_use]
    pub fn as_mins(self) -> i64 {
        i64::try_from(self.0 / 60_000_000).expect("a u64 of microseconds has fewer minutes than i64::MAX")
    }

    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl TimeOfDay {
    /// Whether this time lies in the part of the day from `start` until `end`, which may go past midnight. The start
    /// belongs to it, the end does not; equal ends mean the whole day.
    #[must_use]
    pub fn is_between(self, start: Self, end: Self) -> bool {
        if start < end { start <= self && self < end } else { self >= start || self < end }
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Year, month and day of a day number, 0 being the first of January 1970, in the proleptic Gregorian calendar.
///
/// Years are counted from March, so that the leap day comes last, in cycles of 400 years, which all have 146 097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march_0 = days + 719_468;
    let (cycle, day) = (since_march_0.div_euclid(146_097), since_march_0.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

/// The units of the short form, largest first, in microseconds.
const SHORT: [(&str, u64); 7] = [
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, length) in &SHORT[1..] {
            if rest >= *length {
                write!(f, "{}{unit}", rest / length)?;
            }
            rest %= length;
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::Span(text.to_owned());
        // The ISO form has the same parts in capitals behind P and T; its M before T would be months.
        let lower = text.to_ascii_lowercase();
        let parts = match text.strip_prefix('P') {
            Some(iso) if iso.split('T').next().is_some_and(|date| date.contains(['M', 'Y'])) => return Err(bad()),
            Some(_) => lower[1..].replacen('t', "", 1),
            None => lower,
        };
        let (mut rest, mut total) = (parts.as_str(), 0_u64);
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let (_, length) = SHORT.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
            total = amount(number, *length).and_then(|micros| total.checked_add(micros)).ok_or_else(bad)?;
            rest = tail;
        }
        Ok(Self(total))
    }
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

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl FromStr for TimeOfDay {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let two = |digits: &str| digits.parse::<u8>().ok().filter(|_| digits.len() == 2 && !digits.starts_with('+'));
        text.split_once(':')
            .and_then(|(hour, minute)| Some(Self { hour: two(hour)?, minute: two(minute)? }))
            .filter(|time| time.hour < 24 && time.minute < 60)
            .ok_or_else(|| ParseError::TimeOfDay(text.to_owned()))
    }
}

macro_rules! serde_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Span, TimeOfDay);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_in_both_forms_and_print_back() {
        for (text, span) in [
            ("30m", Span::mins(30)),
            ("PT30M", Span::mins(30)),
            ("1h30m", Span::mins(90)),
            ("P1DT2H3M4.5S", Span::millis(93_784_500)),
            ("500ms", Span::millis(500)),
        ] {
            assert_eq!(text.parse(), Ok(span), "{text}");
            assert_eq!(span.to_string().parse(), Ok(span), "{text}");
        }
        for bad in ["", "30", "m", "P", "P1M", "1.2.3s", "5 minutes", "-5m"] {
            assert_eq!(bad.parse::<Span>(), Err(ParseError::Span(bad.into())), "{bad}");
        }
    }

    #[test]
    fn instants_print_as_rfc_3339() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (1_651_468_440_000_000, "2022-05-02T05:14:00Z"),
        ] {
            assert_eq!(Instant(micros).to_string(), text);
        }
    }

    #[test]
    fn a_night_goes_past_midnight() {
        let time = |text: &str| text.parse::<TimeOfDay>().expect("a time");
        let night = |text| time(text).is_between(time("22:00"), time("06:30"));
        assert!(night("22:00") && night("23:59") && night("06:29"));
        assert!(!night("06:30") && !night("21:59"));
        assert!(time("12:00").is_between(time("08:00"), time("08:00")));
        for bad in ["24:00", "7:30", "07:60", "+7:30", "0730", "+107:30"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }
}
