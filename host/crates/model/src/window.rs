//! Windows: what a `window` trigger gathers, and when it closes.

use serde::{Deserialize, Serialize};

use crate::trigger::{Predicate, Test};
use crate::{Capability, Span};

/// An aggregate over a stretch of readings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub capability: Capability,
    pub aggregate: Aggregate,
    pub frame: Frame,
    /// What the aggregate must satisfy; none: every window that holds a reading is told.
    pub when: Option<Test>,
    /// How long after its end a window still takes readings, in event time.
    pub lateness: Span,
    pub by: By,
    /// Whether retained or polled state counts as a reading.
    pub snapshot: bool,
}

/// Which readings belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frame {
    /// A new one each `advance`, counted from the Unix epoch; tumbling where both are equal.
    Sliding { size: Span, advance: Span },
    /// Ends when nothing came for `idle`.
    Session { idle: Span },
    /// So many readings.
    Count { size: u32 },
    /// As long as the condition is true.
    State { during: Predicate },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// How many readings.
    Count,
    Sum,
    Mean,
    Min,
    Max,
    /// The greatest less the smallest.
    Range,
    /// The last less the first.
    Change,
}

impl Aggregate {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Range => "range",
            Self::Change => "change",
        }
    }
}

/// Whose readings go into one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    #[default]
    Device,
    /// All devices of the role that have one key.
    Role,
}
