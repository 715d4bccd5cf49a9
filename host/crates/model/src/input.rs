//! Inputs: everything that may change a partition, as the journal keeps it. Nothing else wakes the engine.

use serde::{Deserialize, Serialize};

use crate::configuration::Joined;
use crate::event::{Freshness, Message, Outcome, Reading};
use crate::{Attributes, ConfigurationDigest, DeviceNo, Id, Instant, Name};

/// One observed fact, normalised at the edge, before the partition has stamped it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Unique in the installation: the source's own id, or one given when the message was taken.
    pub id: Name,
    /// The connection, endpoint or recording that it came from.
    pub source: Name,
    /// Whether `id` is the source's own, so that the same id again is a duplicate.
    #[serde(default)]
    pub own_id: bool,
    /// The device's own time; none where it gives none.
    pub occurred_at: Option<Instant>,
    pub body: Body,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Attributes,
    /// How a redelivery of the same message would be recognised; none where the source cannot redeliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivery: Option<Redelivery>,
}

/// What an MQTT message of QoS 1 or 2 carries so that the same message, sent again, is taken once.
///
/// It is a redelivery when `again` is set and (`session`, `packet`, `digest`) is among the newest committed and the packet
/// identifier has not been used for another message of that session since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redelivery {
    /// Whose packet identifiers these are: the client that the message was sent to, or by for the embedded broker.
    pub session: Name,
    pub packet: u16,
    /// The DUP flag: the sender says that it has sent this before.
    pub again: bool,
    /// Of session, topic and payload: the same for all inputs of one message.
    pub digest: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// A device reported.
    Observation { device: DeviceNo, freshness: Freshness, readings: Vec<Reading> },
    /// A device or its gateway came or went.
    Availability { device: DeviceNo, available: bool },
    /// A raw message, for `message` triggers.
    Message(Message),
    /// What a sink made of an effect.
    Settled(Settled),
    /// An operator's own command.
    Manual { device: DeviceNo, action: Name, arguments: Attributes },
    /// The host itself.
    Host(HostEvent),
    /// Something from another partition.
    Transfer(Transfer),
    /// Nothing but the clock moved.
    Advance,
}

/// The result of one effect at one sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    pub effect: Id,
    pub sink: Name,
    pub outcome: Outcome,
    pub reason: Option<Name>,
    /// Counted from 1.
    pub attempt: u32,
    /// When the next attempt is, where this one is not the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Instant>,
}

/// The outcome of a momentary command that is about to be sent.
pub const SENDING: &str = "sending";
/// The outcome of an attempt that failed and is followed by another.
pub const RETRYING: &str = "retrying";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostEvent {
    /// The host started: engine version, time-zone data version, and what is in force from here on.
    Started {
        engine: Name,
        zones: Name,
        #[serde(default)]
        configuration: Option<ConfigurationDigest>,
        /// The wall clock cannot be right: nothing that a clock decides happens before [`HostEvent::ClockAccepted`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        doubted: bool,
        /// Until when the host before this one is known to have run; none at the first start. A partition's own last
        /// record may be much older.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alive: Option<Instant>,
    },
    /// A member of a fleet was heard for the first time.
    Joined(Box<Joined>),
    /// Another configuration is in force from here on.
    Switched {
        configuration: ConfigurationDigest,
    },
    /// The sources have delivered what had waited, or 30 s have passed since the start.
    CaughtUp,
    Stopped,
    /// The wall clock is believed after it was not: by the operator's word, or because it was set. What the clock
    /// skips ends at this record.
    ClockAccepted {
        /// The host's clock right before.
        from: Instant,
        operator: bool,
    },
    /// The wall clock was stepped: from this record on it is that many microseconds ahead of the host's own, which
    /// follows at a fixed rate.
    ClockStepped {
        ahead: i64,
    },
    /// A broker forgot our session: messages between may be lost.
    SessionLost {
        source: Name,
    },
    /// A deployment has used more than its share of the engine while others wait, or no longer does. Measured by the
    /// host in fuel, and observed like everything that the engine cannot know by itself.
    Budget {
        deployment: Name,
        over: bool,
    },
}

/// Numbered densely per (sender, receiver), so that the receiver drops repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    pub from: u16,
    pub sequence: u64,
    pub body: TransferBody,
}

/// What travels between partitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferBody {
    /// An effect that passed the gates of its proposer and is decided here; the decision holds the answers so far.
    Effect { origin: Origin, decision: Box<crate::Decision> },
    /// A rule published to a topic to which others listen: what arrives there may follow from it.
    Published { topic: Name, depth: u8 },
    /// A rule took back what it had tagged, for effects that were decided elsewhere.
    Cancel { deployment: Name, key: Name, tag: Name },
    /// What became of an effect, for the rule that proposed it.
    Completion { origin: Origin, completion: crate::event::Completion, attempt: u32 },
}

/// Where an effect comes from: enough to decide it elsewhere and to report back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub id: Id,
    pub deployment: Name,
    pub key: Name,
    pub event: Name,
    pub index: u32,
    pub tag: Option<Name>,
    pub because: Option<Name>,
    /// Causal depth: 0 for an effect of an outside event.
    pub depth: u8,
    pub at: Instant,
}

impl Body {
    /// The word for this kind in the journal.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Observation { .. } => "observation",
            Self::Availability { .. } => "availability",
            Self::Message(_) => "message",
            Self::Settled(_) => "settled",
            Self::Manual { .. } => "manual",
            Self::Host(_) => "host",
            Self::Transfer(_) => "transfer",
            Self::Advance => "advance",
        }
    }

    /// The device that it concerns, if one.
    #[must_use]
    pub fn device(&self) -> Option<DeviceNo> {
        match self {
            Self::Observation { device, .. } | Self::Availability { device, .. } | Self::Manual { device, .. } => {
                Some(*device)
            }
            Self::Message(_) | Self::Settled(_) | Self::Host(_) | Self::Transfer(_) | Self::Advance => None,
        }
    }
}
