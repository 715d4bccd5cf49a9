//! Counts: what became of effects since the start, for metrics and `doctor`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A reading of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub accepted: u64,
    pub failed: u64,
    /// By the gate right before sending.
    pub refused: u64,
    /// Past their own expiry.
    pub expired: u64,
    /// Waited longer than an effect may wait.
    pub expired_old: u64,
    /// Pushed out because too many waited for one target.
    pub expired_full: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Finished by a commit before they were sent.
    pub withdrawn: u64,
    /// Times that the outbox was read because hints did not suffice.
    pub reread: u64,
    /// Effects held at the moment, those on their way included.
    pub waiting: u64,
    /// Effects on their way at the moment.
    pub flying: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64),* }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Relaxed)),* }
            }
        }
    };
}
counters!(accepted, failed, refused, expired, expired_old, expired_full, retried, withdrawn, reread, waiting, flying);

pub(crate) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

pub(crate) fn set(counter: &AtomicU64, count: usize) {
    counter.store(count as u64, Relaxed);
}
