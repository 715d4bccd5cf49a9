//! Events as a rule receives them: the same shapes as the WIT record `event` and what it holds.

use serde::{Deserialize, Serialize};

use crate::{Attributes, Capability, Instant, Name, Value, effect::Target};

/// One cause for one rule to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The event's own id; the same in every replay.
    pub id: Name,
    /// The trigger that woke the rule; empty for timers and completions.
    pub trigger: Name,
    /// The key whose order and state this event belongs to.
    pub key: Name,
    pub occurred_at: Instant,
    /// The only "now" that a rule has.
    pub received_at: Instant,
    pub cause: Cause,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    Observation(Observation),
    Condition(Condition),
    Timer(Tick),
    Schedule(Tick),
    Completion(Completion),
    Message(Message),
    Custom(Custom),
}

impl Cause {
    /// The device that it is about, if one.
    #[must_use]
    pub fn device(&self) -> Option<&Name> {
        match self {
            Self::Observation(observation) => Some(&observation.device),
            Self::Condition(condition) => Some(&condition.device),
            Self::Timer(_) | Self::Schedule(_) | Self::Completion(_) | Self::Message(_) | Self::Custom(_) => None,
        }
    }

    /// The word for this kind of cause in decisions.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Observation(_) => "observation",
            Self::Condition(_) => "condition",
            Self::Timer(_) => "timer",
            Self::Schedule(_) => "schedule",
            Self::Completion(_) => "completion",
            Self::Message(_) => "message",
            Self::Custom(_) => "custom",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    #[default]
    Good,
    Uncertain,
    /// The device or the edge says that the value is not to be trusted, or that it could not be read.
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    #[default]
    Live,
    /// Retained or polled state: sets the twin, begins nothing unless asked.
    Snapshot,
    /// Out of order, or older than the lateness.
    Late,
}

/// A device's value for one capability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub capability: Capability,
    /// [`Value::nothing`] where none could be read; the quality is then bad.
    pub value: Value,
    /// UCUM code, the canonical one of the capability where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Name>,
    /// The last good value before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Value>,
    #[serde(default)]
    pub quality: Quality,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    pub device: Name,
    pub role: Option<Name>,
    pub freshness: Freshness,
    pub readings: Vec<Reading>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Began,
    Ended,
}

impl Phase {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Ended => "ended",
        }
    }
}

/// A trigger that the host evaluates has become true or stopped being so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub phase: Phase,
    pub device: Name,
    pub role: Option<Name>,
    pub capability: Option<Capability>,
    pub value: Option<Value>,
    pub since: Instant,
    /// When the condition was decided, in event time, where it has a duration.
    pub deadline: Option<Instant>,
    pub attributes: Attributes,
}

/// A timer or a schedule came due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// The timer's name; the trigger's for a schedule.
    pub name: Name,
    pub due: Instant,
    /// Firings merged into this one because the host was down.
    pub missed: u32,
    pub payload: Option<Value>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The sink took it.
    Accepted,
    /// The twin reports what was asked.
    Confirmed,
    Delivered,
    Refused,
    Expired,
    Superseded,
    Failed,
    Other(Name),
}

impl Outcome {
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Other(word) => word,
        }
    }
}

/// What became of an effect that this rule proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The tag that the rule gave to the proposal.
    pub tag: Option<Name>,
    pub effect: Name,
    pub target: Option<Target>,
    pub outcome: Outcome,
    pub reason: Option<Name>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub topic: Name,
    pub payload: Box<[u8]>,
    pub content_type: Option<Name>,
    pub retained: bool,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Custom {
    pub name: Name,
    pub attributes: Attributes,
}
