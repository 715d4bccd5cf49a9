//! Timers: durable, one per name and key.

use crate::time::{Instant, Span};
use crate::value::{Attributes, Value};

/// Wakes this rule for this key at `due`. Setting the name again moves it.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// Unique per rule and key. At most 256 bytes.
    pub name: String,
    pub due: Instant,
    pub overdue: Overdue,
    /// Comes back in the event.
    pub payload: Option<Value>,
    pub attributes: Attributes,
}

/// What happens to a timer that came due while the host was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Fires however late: what a rule cannot go on without, such as the end of something that it began.
    Fire,
    /// Fires when it is at most this late: what is worth nothing later.
    FireWithin(Span),
    /// Does not fire.
    Skip,
}

impl Timer {
    /// A timer that fires at most an hour late after downtime and is dropped beyond that, without a word to the rule;
    /// [`Timer::overdue`] changes that.
    #[must_use]
    pub fn at(name: impl Into<String>, due: Instant) -> Self {
        Self {
            name: name.into(),
            due,
            overdue: Overdue::FireWithin(Span::hours(1)),
            payload: None,
            attributes: Attributes::new(),
        }
    }

    /// What happens when it comes due while the host is down.
    #[must_use]
    pub fn overdue(mut self, policy: Overdue) -> Self {
        self.overdue = policy;
        self
    }

    /// A value that comes back in the event. At most 64 KiB.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Value>) -> Self {
        self.payload = Some(payload.into());
        self
    }
}
