//! Ids of inputs: counted where the source gives none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::Name;

/// Gives `<source>:<start>:<n>`. Clones share the counter.
#[derive(Debug, Clone)]
pub struct Ids {
    source: Name,
    start: u64,
    next: Arc<AtomicU64>,
}

impl Ids {
    /// `start` is the number of this start of the host, so that no id repeats after a restart.
    #[must_use]
    pub fn new(source: Name, start: u64) -> Self {
        Self { source, start, next: Arc::new(AtomicU64::new(1)) }
    }

    #[must_use]
    pub fn source(&self) -> &Name {
        &self.source
    }

    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> Name {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Name::from(format!("{}:{}:{n}", self.source, self.start))
    }
}
