//! What the operator may choose about the store.

use model::{Span, limits};

/// How a store is made and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// 1 to 65 535. Used when the store is created and fixed from then on.
    pub partitions: u16,
    pub retention: Retention,
}

/// How long things are kept, measured against the newest `at` of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub journal_age: Span,
    /// Bytes of the journal's rows, all partitions together.
    pub journal_bytes: u64,
    /// For decisions with an effect or a refusal; of the others each (deployment, key) keeps its last 16.
    pub decisions_age: Span,
}

impl Default for Options {
    fn default() -> Self {
        Self { partitions: limits::PARTITIONS, retention: Retention::default() }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { journal_age: Span::from_days(30), journal_bytes: 4 << 30, decisions_age: Span::from_days(90) }
    }
}
