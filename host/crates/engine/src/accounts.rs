//! The three accounts: nothing that came in, was wanted or was proposed may be missing from the sums.

use serde::{Deserialize, Serialize};

/// Counts of one partition since its store was made. `stat` shows them; tests of faults assert the sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    // Inputs: received = journalled + duplicate + rejected.
    pub received: u64,
    pub journalled: u64,
    pub duplicate: u64,
    pub rejected: u64,

    // Steps: wanted = done + dead_lettered + pending.
    pub wanted: u64,
    pub done: u64,
    pub dead_lettered: u64,
    pub pending: u64,

    // Effects: proposed = refused + superseded + expired + confirmed + accepted + failed + withdrawn + inner + waiting.
    pub proposed: u64,
    pub refused: u64,
    pub superseded: u64,
    pub expired: u64,
    pub confirmed: u64,
    pub accepted: u64,
    pub failed: u64,
    /// Taken back by the rule before it was sent.
    pub withdrawn: u64,
    /// Done within the engine: timers, emissions, cancellations.
    pub inner: u64,
    pub waiting: u64,

    // Beside the sums.
    pub late: u64,
    pub out_of_order: u64,
    pub snapshot: u64,
    pub clock_ahead: u64,
    pub no_key: u64,
    pub unknown_device: u64,
    pub missed_schedules: u64,
    pub skipped_timers: u64,
    /// Of the dead-lettered: because too many steps of a key or deployment waited.
    pub overflowed: u64,
    /// Of the expired: because too many waited for their target.
    pub expired_full: u64,
    /// Of the expired: because they had waited too long for their target.
    pub expired_old: u64,
    /// Sessions that a broker forgot: messages between may be lost.
    pub sessions_lost: u64,
}

impl Accounts {
    /// The first account whose sum does not hold, in words.
    #[must_use]
    pub fn imbalance(&self) -> Option<String> {
        let inputs = self.journalled + self.duplicate + self.rejected;
        if self.received != inputs {
            return Some(format!("inputs: received {} but accounted for {inputs}", self.received));
        }
        let steps = self.done + self.dead_lettered + self.pending;
        if self.wanted != steps {
            return Some(format!("steps: wanted {} but accounted for {steps}", self.wanted));
        }
        let effects = self.refused
            + self.superseded
            + self.expired
            + self.confirmed
            + self.accepted
            + self.failed
            + self.withdrawn
            + self.inner
            + self.waiting;
        (self.proposed != effects).then(|| format!("effects: proposed {} but accounted for {effects}", self.proposed))
    }

    /// Adds another partition's counts.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.journalled += other.journalled;
        self.duplicate += other.duplicate;
        self.rejected += other.rejected;
        self.wanted += other.wanted;
        self.done += other.done;
        self.dead_lettered += other.dead_lettered;
        self.pending += other.pending;
        self.proposed += other.proposed;
        self.refused += other.refused;
        self.superseded += other.superseded;
        self.expired += other.expired;
        self.confirmed += other.confirmed;
        self.accepted += other.accepted;
        self.failed += other.failed;
        self.withdrawn += other.withdrawn;
        self.inner += other.inner;
        self.waiting += other.waiting;
        self.late += other.late;
        self.out_of_order += other.out_of_order;
        self.snapshot += other.snapshot;
        self.clock_ahead += other.clock_ahead;
        self.no_key += other.no_key;
        self.unknown_device += other.unknown_device;
        self.missed_schedules += other.missed_schedules;
        self.skipped_timers += other.skipped_timers;
        self.overflowed += other.overflowed;
        self.expired_full += other.expired_full;
        self.expired_old += other.expired_old;
        self.sessions_lost += other.sessions_lost;
    }
}
