//! What wakes a rule: the shapes of the WIT record `event` and what it holds.

use crate::effect::Target;
use crate::time::{Instant, Span};
use crate::value::{Attributes, Value};

/// One cause for the rule to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The event's own id; the same in every replay.
    pub id: String,
    /// Name of the trigger that woke the rule; empty for timers and completions.
    pub trigger: String,
    /// The key whose order and state this event belongs to.
    pub key: String,
    pub occurred_at: Instant,
    /// The only "now" that a rule has.
    pub received_at: Instant,
    pub cause: Cause,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    Observation(Observation),
    Condition(Condition),
    Timer(Tick),
    Schedule(Tick),
    Completion(Completion),
    Message(Message),
    Custom(Custom),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    Good,
    Uncertain,
    /// Not to be trusted.
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Live,
    /// Retained or polled state.
    Snapshot,
    /// Out of order, or older than the lateness.
    Late,
}

/// A device's value for one capability.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub capability: String,
    /// The JSON text `null` where it could not be read; the quality is then bad.
    pub value: Value,
    /// UCUM code, the canonical one of the capability where it has one.
    pub unit: Option<String>,
    /// The last good value before this one.
    pub previous: Option<Value>,
    pub quality: Quality,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    pub device: String,
    /// The role under which the deployment bound this device, if any.
    pub role: Option<String>,
    pub freshness: Freshness,
    pub readings: Vec<Reading>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Began,
    Ended,
}

/// A trigger that the host evaluates has become true, or stopped being so.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub phase: Phase,
    pub device: String,
    pub role: Option<String>,
    pub capability: Option<String>,
    pub value: Option<Value>,
    pub since: Instant,
    /// When it was decided, in event time, where it has a duration.
    pub deadline: Option<Instant>,
    pub attributes: Attributes,
}

/// A timer or a schedule came due.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The timer's name; the trigger's for a schedule.
    pub name: String,
    pub due: Instant,
    /// Firings merged into this one because the host was down.
    pub missed: u32,
    pub payload: Option<Value>,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The sink took it.
    Accepted,
    /// The device reports what was asked.
    Confirmed,
    Delivered,
    Refused,
    Expired,
    Superseded,
    Failed,
    Other(String),
}

/// What became of an effect that this rule proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The tag that the rule gave to the proposal.
    pub tag: Option<String>,
    pub effect: String,
    pub target: Option<Target>,
    pub outcome: Outcome,
    pub reason: Option<String>,
    pub attributes: Attributes,
}

/// A raw message, in or out.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub content_type: Option<String>,
    pub retained: bool,
    pub attributes: Attributes,
}

/// Another rule's emission.
#[derive(Debug, Clone, PartialEq)]
pub struct Custom {
    pub name: String,
    pub attributes: Attributes,
}

impl Event {
    /// The device that it concerns, if one.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match &self.cause {
            Cause::Observation(observation) => Some(&observation.device),
            Cause::Condition(condition) => Some(&condition.device),
            Cause::Timer(_) | Cause::Schedule(_) | Cause::Completion(_) | Cause::Message(_) | Cause::Custom(_) => None,
        }
    }
}

impl Observation {
    /// The reading of this capability, unless its quality is bad.
    #[must_use]
    pub fn reading(&self, capability: &str) -> Option<&Reading> {
        self.readings.iter().find(|reading| reading.capability == capability && reading.quality != Quality::Bad)
    }

    /// The number of this capability, unless its quality is bad or it is no number.
    #[must_use]
    pub fn number(&self, capability: &str) -> Option<f64> {
        self.reading(capability)?.value.number()
    }

    /// The boolean of this capability, unless its quality is bad or it is none.
    #[must_use]
    pub fn boolean(&self, capability: &str) -> Option<bool> {
        self.reading(capability)?.value.boolean()
    }
}

impl Condition {
    #[must_use]
    pub fn began(&self) -> bool {
        self.phase == Phase::Began
    }

    /// Whether it ended because nobody knows any more, after a gap or a downtime of the host, and not because it was seen
    /// to end.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.attributes.iter().any(|(name, value)| name == "unknown" && *value == Value::Boolean(true))
    }

    /// How long it has been true at the moment it was decided, or at `now` where it has no deadline.
    #[must_use]
    pub fn lasted(&self, now: Instant) -> Span {
        self.deadline.unwrap_or(now).since(self.since)
    }
}

impl Completion {
    /// Whether the effect will not happen any more.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, Outcome::Refused | Outcome::Expired | Outcome::Failed)
    }
}

impl Message {
    /// The payload read as JSON.
    ///
    /// # Errors
    /// When it is not JSON of that shape.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.payload)
    }
}
