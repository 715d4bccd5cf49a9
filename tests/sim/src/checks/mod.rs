//! The checkers: each holds one promise against the evidence of a run, and knows nothing of how the run was made.

mod accounts;
mod acknowledged;
mod committed;
mod conditions;
mod delivered;
mod identity;
mod momentary;
mod oracle;
mod order;
mod outbox;
mod replay;
mod schedules;
mod timers;

use std::fmt;

use crate::evidence::Evidence;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The checker that found it.
    pub check: &'static str,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

type Check = fn(&Evidence, &Evidence) -> Vec<String>;

/// By name, each with its promise in its own file.
const CHECKS: [(&str, Check); 13] = [
    ("accounts", accounts::check),
    ("acknowledged", acknowledged::check),
    ("committed", committed::check),
    ("conditions", conditions::check),
    ("delivered", delivered::check),
    ("identity", identity::check),
    ("momentary", momentary::check),
    ("oracle", oracle::check),
    ("order", order::check),
    ("outbox", outbox::check),
    ("replay", replay::check),
    ("schedules", schedules::check),
    ("timers", timers::check),
];

/// Everything that is wrong with a run; `calm` is the run of the same world without faults.
#[must_use]
pub fn all(evidence: &Evidence, calm: &Evidence) -> Vec<Violation> {
    let found = |(check, hold): &(&'static str, Check)| {
        hold(evidence, calm).into_iter().map(|what| Violation { check, what }).collect::<Vec<_>>()
    };
    CHECKS.iter().flat_map(found).collect()
}
