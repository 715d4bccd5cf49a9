//! The seam between the engine and whatever runs a rule: the sandbox, or native code in tests.
//!
//! The engine lends an instance its view of the world for one call by handing over a boxed [`Host`] and getting it
//! back with the answer. That way neither side needs a reference that outlives the call, and nothing is copied.

use std::any::Any;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::effect::Proposal;
use crate::event::{Event, Freshness, Quality};
use crate::{Attributes, Instant, Name, Span, Value};

/// A loaded package: checked, linked, ready to make instances.
pub trait Program: Send + Sync {
    /// A new instance with nothing in its memory but what the package put there.
    ///
    /// # Errors
    /// [`Failure::Stopped`] where start-up itself traps or exceeds a limit.
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure>;
}

/// One instance of a package. After a [`Failure::Stopped`] it must be dropped.
pub trait Instance: Send {
    /// Checks settings beyond their schema, at deploy.
    ///
    /// # Errors
    /// `Failure::Configuration` with the rule's sentence, or `Failure::Stopped`.
    fn validate(&mut self, settings: &str, host: Box<dyn Host>) -> Validated;

    /// Handles one event. Reads and writes go through `host`, which comes back in the answer whatever happens.
    fn handle(&mut self, event: &Event, host: Box<dyn Host>) -> Handled;
}

/// The answer to [`Instance::handle`].
pub struct Handled {
    pub host: Box<dyn Host>,
    pub result: Result<Vec<Proposal>, Failure>,
    /// Fuel used, 0 for native code.
    pub fuel: u64,
}

/// The answer to [`Instance::validate`].
pub struct Validated {
    pub host: Box<dyn Host>,
    pub result: Result<(), Failure>,
}

/// Why a call brought no proposals. A guest's failure is data; it never becomes a host error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The settings or bindings cannot work: stop the deployment and tell the operator.
    Configuration(String),
    /// Try this event again later, with back-off.
    Transient(String),
    /// Give this event up: dead-letter it.
    Permanent(String),
    /// The host stopped the call; the instance is gone.
    Stopped(Stop, String),
}

/// Why the host stopped a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The guest trapped.
    Trap,
    Fuel,
    Memory,
    /// The answer was larger than a host may be given, or held a value that may not cross.
    Output,
}

impl Failure {
    /// The reason code in decisions and dead letters.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Configuration(_) => "configuration",
            Self::Transient(_) => "transient",
            Self::Permanent(_) => "permanent",
            Self::Stopped(Stop::Trap, _) => "trap",
            Self::Stopped(Stop::Fuel, _) => "out-of-fuel",
            Self::Stopped(Stop::Memory, _) => "out-of-memory",
            Self::Stopped(Stop::Output, _) => "bad-output",
        }
    }

    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Configuration(message)
            | Self::Transient(message)
            | Self::Permanent(message)
            | Self::Stopped(_, message) => message,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.message())
    }
}

/// What a rule may ask during a call: the functions of the imported WIT interfaces. Nothing in it waits.
pub trait Host: Send {
    /// The deployment's settings as JSON text.
    fn settings(&self) -> &str;

    // devices
    fn last(&self, device: &str, capability: &str) -> Option<Known>;
    /// Available or not, and since when; none for a device not bound here.
    fn available(&self, device: &str) -> Option<(bool, Instant)>;
    /// # Errors
    /// When the window was not declared, or the capability is not numeric.
    fn summarise(&self, device: &str, capability: &str, window: Span) -> Result<Option<Summary>, HistoryProblem>;
    fn members(&self, role: &str) -> Vec<Name>;
    fn about(&self, device: &str) -> Attributes;

    // state
    fn get(&self, name: &str) -> Option<Value>;
    /// # Errors
    /// When the value or the key's whole state would be too large.
    fn set(&mut self, name: &str, value: Value, expires_at: Option<Instant>) -> Result<(), StateProblem>;
    fn remove(&mut self, name: &str);
    /// Names with this prefix after `after`, in byte order, at most `limit`.
    fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<Name>;

    // calendar
    /// Civil time of an instant in an IANA zone; none for an unknown zone.
    fn local(&self, at: Instant, zone: &str) -> Option<Civil>;
    /// The instant of a civil time; none for an unknown zone or a time that the zone skips.
    fn instant_of(&self, local: Civil, zone: &str, pass: Pass) -> Option<Instant>;

    // chance
    /// Repeatable: seeded by the event and the deployment.
    fn chance(&mut self) -> u32;

    // telemetry
    fn log(&mut self, level: Level, message: &str, fields: Attributes);
    fn count(&mut self, name: &str, by: u64);
    fn observe(&mut self, name: &str, sample: f64);

    /// Back to the concrete type that the engine lent.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What is known of a capability of a device: the WIT record `known`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The last good one; [`Value::nothing`], of quality bad, where there has been none.
    pub value: Value,
    pub unit: Option<Name>,
    /// What was last asked of it, where it is an actuator.
    pub desired: Option<Value>,
    /// When it took this value.
    pub since: Instant,
    /// When it was last reported.
    pub reported: Instant,
    pub quality: Quality,
    pub freshness: Freshness,
    pub attributes: Attributes,
}

/// A window of readings, summed up: the WIT record `summary`.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub count: u64,
    pub first: f64,
    pub last: f64,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Weighted by how long each value lasted.
    pub time_mean: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryProblem {
    NotDeclared,
    NotNumeric,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateProblem {
    TooLarge,
    OverQuota,
}

/// Civil time in a zone: the WIT record `civil`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// 1 Monday to 7 Sunday.
    pub weekday: u8,
    /// East of UTC.
    pub offset_minutes: i32,
}

/// Which of two instants with the same civil time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    First,
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}
