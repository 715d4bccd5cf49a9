//! Forms of text: durations, topics, zones and the like, each with what to write instead of a wrong one.

use std::net::SocketAddr;
use std::str::FromStr;

use model::capability::is_kebab;
use model::unit::{Quantity, UnitError};
use model::{Capability, Selector, Span, Unit, topic};

use crate::problem::nearest;

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Free,
    /// Anything but the empty text.
    Filled,
    Kebab,
    /// The name of a setting or of an entry under `about`, which rules read as a field.
    Field,
    Capability,
    Duration,
    /// A duration that may have a sign.
    Offset,
    Size,
    Version,
    Digest,
    Quantity,
    Unit,
    Zone,
    Cron,
    /// A topic to publish to or hear, with `{n}` where a pattern has its parts.
    Topic,
    Filter,
    Pointer,
    DeviceId,
    Address,
    MqttUrl,
    WebUrl,
    Locale,
    /// `low..high`.
    Range,
    /// Hours of the day, `HH:MM-HH:MM`.
    Hours,
    Selector,
    /// A file, relative to the one that names it.
    File,
    /// `role:action`.
    RoleAction,
}

/// Why a text is wrong, and the nearest right one.
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) nearest: Option<String>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { message, nearest: None }
    }
}

impl Form {
    /// What to write, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Free => "a text",
            Self::Filled => "a text that is not empty",
            Self::Kebab => "a name of lower-case letters, digits and `-`",
            Self::Field => "a name of letters, digits, `-` and `_`",
            Self::Capability => "a capability, such as temperature",
            Self::Duration => "a duration, such as 30m, 1d or PT30M",
            Self::Offset => "a duration that may have a sign, such as -30m or 1h",
            Self::Size => "a size in bytes, such as 64 MiB or 4 GiB",
            Self::Version => "a semantic version, such as 1.2.0",
            Self::Digest => "`sha256:` and 64 hexadecimal digits",
            Self::Quantity => "a quantity, such as \"8 Cel\" or \"1.5 kW\"",
            Self::Unit => "a UCUM unit, such as Cel or kW",
            Self::Zone => "an IANA time zone, such as Europe/Berlin",
            Self::Cron => "a cron expression of five or six fields, such as 0 0 7 * * *",
            Self::Topic => "an MQTT topic without wildcards",
            Self::Filter => "an MQTT topic filter",
            Self::Pointer => "a JSON pointer: empty for the whole payload, else starting with /",
            Self::DeviceId => "an id of letters, digits and `-_.:/`",
            Self::Address => "an IP address with a port, such as 127.0.0.1:1883",
            Self::MqttUrl => "mqtt://HOST:PORT or mqtts://HOST:PORT",
            Self::WebUrl => "an address that starts with http:// or https://",
            Self::Locale => "a locale, such as en or de-AT",
            Self::Range => "a range with both ends, such as 0..50",
            Self::Hours => "hours of the day, such as 07:00-22:00, or 22:00-06:00 over midnight",
            Self::Selector => "a selector, such as kind = 'siren' and site = 'truck-7'",
            Self::File => "a file, relative to the folder of this one",
            Self::RoleAction => "ROLE:ACTION, such as alarm:on",
        }
    }

    /// # Errors
    /// What is wrong with `text`.
    pub(crate) fn check(self, text: &str) -> Result<(), Wrong> {
        let ok = match self {
            Self::Free => true,
            Self::Filled | Self::File => !text.is_empty() && !text.contains('\0'),
            Self::Kebab => is_kebab(text),
            Self::Field => is_field(text),
            Self::Capability => return Capability::named(text).map(drop).map_err(|e| e.to_string().into()),
            Self::Duration => return Span::from_str(text).map(drop).map_err(|e| e.to_string().into()),
            Self::Offset => return offset(text).map(drop).map_err(|e| e.to_string().into()),
            Self::Size => bytes(text).is_some(),
            Self::Version => return semver::Version::parse(text).map(drop).map_err(|e| version_words(text, &e)),
            Self::Digest => digest(text).is_some(),
            Self::Quantity => return Quantity::from_str(text).map(drop).map_err(|e| e.to_string().into()),
            Self::Unit => return Unit::named(text).map(drop).map_err(unit_words),
            Self::Zone => return zone(text),
            Self::Cron => matches!(text.split_whitespace().count(), 5 | 6),
            Self::Topic => topic::is_name(text),
            Self::Filter => topic::is_filter(text),
            Self::Pointer => is_pointer(text),
            Self::DeviceId => is_device_id(text),
            Self::Address => SocketAddr::from_str(text).is_ok(),
            Self::MqttUrl => crate::host::Url::from_str(text).is_ok(),
            Self::WebUrl => ["http://", "https://"].iter().any(|p| text.strip_prefix(p).is_some_and(is_authority)),
            Self::Locale => is_locale(text),
            Self::Range => range(text).is_some(),
            Self::Hours => hours(text).is_some(),
            Self::Selector => return Selector::from_str(text).map(drop).map_err(|e| selector_words(text, &e)),
            Self::RoleAction => text.split_once(':').is_some_and(|(role, action)| is_kebab(role) && is_kebab(action)),
        };
        if ok { Ok(()) } else { Err(format!("`{text}`: expected {}", self.words()).into()) }
    }
}

/// Both ends of hours of the day, in minutes since midnight; the second may be 24:00.
pub(crate) fn hours(text: &str) -> Option<(u16, u16)> {
    let minutes = |text: &str| -> Option<u16> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
        let minutes = number(hour)? * 60 + number(minute).filter(|minute| *minute < 60)?;
        (minutes <= 24 * 60).then_some(minutes)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minutes(from).filter(|from| *from < 24 * 60)?, minutes(to)?);
    (from != to).then_some((from, to))
}

fn version_words(text: &str, error: &semver::Error) -> Wrong {
    format!("`{text}` is not {}: {error}", Form::Version.words()).into()
}

fn unit_words(error: UnitError) -> Wrong {
    let UnitError::Unknown { code, nearest: alias } = &error else { return error.to_string().into() };
    let codes: Vec<_> = Unit::all().map(Unit::code).collect();
    let nearest = alias.map(str::to_owned).or_else(|| nearest(code, codes));
    Wrong { message: format!("unknown unit `{code}`"), nearest }
}

fn selector_words(text: &str, error: &model::selector::ParseSelectorError) -> Wrong {
    if is_device_id(text) {
        return format!("`{text}` is no selector: write [\"{text}\"] for one device").into();
    }
    format!("no selector: {error}").into()
}

fn zone(text: &str) -> Result<(), Wrong> {
    if chrono_tz::Tz::from_str(text).is_ok() {
        return Ok(());
    }
    let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let nearest = nearest(text, zones);
    Err(Wrong { message: format!("unknown time zone `{text}`: expected {}", Form::Zone.words()), nearest })
}

/// Whether `text` may name a device: it also stands in commands, topics and addresses.
fn is_device_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/{}".contains(&b))
        && text.split('/').all(|part| !part.is_empty())
}

fn is_field(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn is_pointer(text: &str) -> bool {
    let escaped = |part: &str| part.split('~').skip(1).all(|tail| tail.starts_with(['0', '1']));
    text.is_empty() || text.starts_with('/') && escaped(text)
}

fn is_authority(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !host.starts_with(':') && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    parts.next().is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_lowercase()))
        && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The microseconds that a duration with or without a sign means.
pub(crate) fn offset(text: &str) -> Result<i64, model::time::ParseTimeError> {
    let (sign, span) = match text.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let span = Span::from_str(span)?;
    Ok(sign * i64::try_from(span.0).expect("the longest span fits"))
}

/// The bytes that a size such as `4 GiB` means.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000_u64,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Both ends of `low..high`.
pub(crate) fn range(text: &str) -> Option<(f64, f64)> {
    let (low, high) = text.split_once("..")?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let (low, high) = (number(low)?, number(high)?);
    (low <= high).then_some((low, high))
}

/// The 32 bytes of `sha256:` and 64 hexadecimal digits.
pub(crate) fn digest(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii())?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}
