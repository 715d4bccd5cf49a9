//! Rejections: what can never become an event, with the reason that is counted and shown.

use model::{Name, limits};

/// One message, or one device's part of it, that was refused. It is acknowledged all the same: sent again, it would be
/// refused again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused a message on `{topic}`{}: {reason}", device.as_ref().map(|d| format!(" for device `{d}`")).unwrap_or_default())]
pub struct Rejection {
    pub topic: Name,
    /// The device whose mapping it failed; none where it concerns the whole message.
    pub device: Option<Name>,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the payload has {0} bytes, more than {max}", max = limits::PAYLOAD_BYTES)]
    PayloadTooLarge(usize),
    #[error("the payload nests deeper than {max} levels", max = limits::JSON_DEPTH)]
    TooDeep,
    #[error("the payload is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    #[error("the payload is not JSON: {0}")]
    MalformedJson(String),
    #[error("the topic is not UTF-8")]
    TopicNotUtf8,
    #[error("{0} readings, more than {max}", max = limits::READINGS_PER_EVENT)]
    TooManyReadings(usize),
    #[error("`{0}` says neither online nor offline")]
    UnknownAvailability(String),
}

impl Reason {
    /// The reason code of counters and records.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PayloadTooLarge(_) => "payload-too-large",
            Self::TooDeep => "too-deep",
            Self::NotUtf8(_) => "not-utf8",
            Self::MalformedJson(_) => "malformed-json",
            Self::TopicNotUtf8 => "topic-not-utf8",
            Self::TooManyReadings(_) => "too-many-readings",
            Self::UnknownAvailability(_) => "unknown-availability",
        }
    }
}
