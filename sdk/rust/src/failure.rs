//! Why a rule gives an event back instead of proposals.

use std::fmt;

/// A rule's own failure. All that the rule wrote and proposed for the event is rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The settings or bindings cannot work: the deployment stops and its operator is told.
    Configuration(String),
    /// The event is tried again later, with back-off.
    Transient(String),
    /// The event is given up and kept as a dead letter.
    Permanent(String),
}

impl Failure {
    #[must_use]
    pub fn configuration(message: impl fmt::Display) -> Self {
        Self::Configuration(message.to_string())
    }

    #[must_use]
    pub fn transient(message: impl fmt::Display) -> Self {
        Self::Transient(message.to_string())
    }

    #[must_use]
    pub fn permanent(message: impl fmt::Display) -> Self {
        Self::Permanent(message.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(message) => write!(f, "configuration: {message}"),
            Self::Transient(message) => write!(f, "transient: {message}"),
            Self::Permanent(message) => write!(f, "permanent: {message}"),
        }
    }
}

impl std::error::Error for Failure {}
