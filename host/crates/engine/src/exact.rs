//! Exact replay: one partition's journal, record by record. What was observed is fed, what was derived is derived again
//! and held against the record; the first difference ends it.
//!
//! A partition needs nothing but its own journal, since what it received from others is in it. Turn boundaries are
//! those of the journal, so instances of rules live exactly as long as they did.

use std::collections::VecDeque;
use std::sync::Arc;

use model::input::{Body, HostEvent};
use model::{Configuration, ConfigurationDigest, Decision, Input, Instant};
use sha2::{Digest as _, Sha256};
use store::{JournalRow, Table};

use crate::explain::Explained;
use crate::partition::Partition;
use crate::plan::{Plan, Setup, SetupError};
use crate::rows::RowError;
use crate::trace::{Ended, Step};
use crate::turn::Persistence;

/// A record as the journal holds it.
#[derive(Debug, Clone)]
pub struct Recorded<'a> {
    pub sequence: u64,
    pub at: Instant,
    /// Whether a turn begins with it.
    pub begins: bool,
    pub kind: &'a str,
    /// What was observed; none for what was derived.
    pub observed: Option<&'a Input>,
    /// SHA-256 of the payload as stored: held against what is derived again.
    pub digest: [u8; 32],
}

impl<'a> Recorded<'a> {
    /// A record that an engine has just made. `observed` is what its payload holds, where it was observed.
    #[must_use]
    pub fn new(row: &JournalRow, observed: Option<&'a Input>) -> Self {
        let digest = Sha256::digest(&row.payload).into();
        Self { sequence: row.sequence, at: row.at, begins: row.begins, kind: row.kind, observed, digest }
    }
}

/// Where a replay parted from the journal.
#[derive(Debug, thiserror::Error)]
pub enum Difference {
    #[error("the journal goes on at {recorded}, where {expected} was due")]
    Gap { recorded: u64, expected: u64 },
    #[error("record {sequence} at {at}: the journal has `{recorded}`, the replay made nothing")]
    Missing { sequence: u64, at: Instant, recorded: String },
    #[error("record {sequence} at {at}: the journal has `{recorded}`, the replay `{made}` at {made_at}")]
    Other { sequence: u64, at: Instant, recorded: String, made: &'static str, made_at: Instant },
    #[error("record {sequence} at {at}: `{kind}` has another content")]
    Content { sequence: u64, at: Instant, kind: &'static str },
    #[error("after the last record the replay made `{made}` at {made_at}")]
    Surplus { made: &'static str, made_at: Instant },
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// One partition on its way through its journal.
pub struct Exact {
    partition: Partition,
    /// Records that were made and not yet held against the journal.
    made: VecDeque<JournalRow>,
    decisions: Vec<Decision>,
}

impl Exact {
    /// A partition without any past, as `setup` has it.
    ///
    /// # Errors
    /// As [`crate::Engine::new`].
    pub fn new(number: u16, setup: Setup) -> Result<Self, SetupError> {
        let partition = Partition::new(number, Arc::new(Plan::new(setup)?), Persistence::Journal);
        Ok(Self { partition, made: VecDeque::new(), decisions: Vec::new() })
    }

    /// Gives it the rows of a checkpoint, in any order; `sequence` is the last record in it.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn restore<'a>(
        &mut self,
        sequence: u64,
        rows: impl Iterator<Item = (Table, &'a [u8], &'a [u8])>,
    ) -> Result<(), RowError> {
        self.partition.restore(sequence, rows)
    }

    /// The last record that was taken.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.partition.sequence
    }

    /// The configuration in force.
    #[must_use]
    pub fn configuration(&self) -> (&Configuration, ConfigurationDigest) {
        let stored = &self.partition.plan.configuration;
        (&stored.configuration, stored.digest)
    }

    /// The configuration that a record puts in force, by its digest, where it is another than this one.
    #[must_use]
    pub fn wanted(&self, input: &Input) -> Option<ConfigurationDigest> {
        wanted(self.partition.plan.configuration.digest, input)
    }

    /// Traces steps and the ends of effects from here on.
    pub fn trace(&mut self) {
        self.partition.start_tracing();
    }

    /// The steps and ends since the last call or since tracing began.
    pub fn traced(&mut self) -> (Vec<Step>, Vec<Ended>) {
        let trace = self.partition.trace.as_deref_mut().map(std::mem::take).unwrap_or_default();
        (trace.steps, trace.ended)
    }

    /// Where every trigger that watches a device stands, as seen at `at`; `last` is what the device reported last.
    #[must_use]
    pub fn explain(&self, device: &str, last: Option<&Input>, at: Instant) -> Vec<Explained> {
        self.partition.explain(device, last, at)
    }

    /// Leaves the journal here: what comes now is not held against it.
    pub(crate) fn into_partition(self) -> Partition {
        self.partition
    }

    /// Takes the next record. `setup` is what it puts in force, where it does.
    ///
    /// # Errors
    /// Where the replay parts from the journal.
    pub fn take(&mut self, record: &Recorded<'_>, setup: Option<Setup>) -> Result<(), Difference> {
        let expected = self.partition.sequence + 1 - self.made.len() as u64;
        if record.sequence != expected {
            return Err(Difference::Gap { recorded: record.sequence, expected });
        }
        if record.begins {
            self.end_turn();
        }
        let plan = setup.map(|setup| Plan::new(setup).map(Arc::new)).transpose()?;
        match record.observed {
            Some(input) => apply(&mut self.partition, input, record.at, plan),
            None => self.fire_next(record.at),
        }
        self.collect();
        self.compare(record)
    }

    /// Ends the replay.
    ///
    /// # Errors
    /// Where it made more than the journal has.
    pub fn finish(&mut self) -> Result<(), Difference> {
        self.end_turn();
        match self.made.front() {
            Some(row) => Err(Difference::Surplus { made: row.kind, made_at: row.at }),
            None => Ok(()),
        }
    }

    /// The decisions since the last call, in the order in which they were made.
    pub fn decisions(&mut self) -> impl Iterator<Item = Decision> {
        self.decisions.drain(..)
    }

    /// One firing after the other, as a turn may have ended between any two of them.
    fn fire_next(&mut self, at: Instant) {
        self.partition.start_clock(at);
        while self.made.is_empty() && self.partition.fire_one(at) {
            self.collect();
        }
    }

    fn end_turn(&mut self) {
        let record = self.partition.finish();
        self.made.extend(record.commit.journal);
        self.decisions.extend(record.decisions);
    }

    fn collect(&mut self) {
        let record = &mut self.partition.record;
        self.made.extend(record.commit.journal.drain(..));
        self.decisions.append(&mut record.decisions);
        // What leaves for other partitions is in their journals; what leaves for sinks goes nowhere.
        record.commit.outbox.clear();
        self.partition.transfers.clear();
    }

    fn compare(&mut self, record: &Recorded<'_>) -> Result<(), Difference> {
        let (sequence, at) = (record.sequence, record.at);
        let Some(made) = self.made.pop_front() else {
            return Err(Difference::Missing { sequence, at, recorded: record.kind.to_owned() });
        };
        if made.kind != record.kind || made.at != at || made.observed != record.observed.is_some() {
            let recorded = record.kind.to_owned();
            return Err(Difference::Other { sequence, at, recorded, made: made.kind, made_at: made.at });
        }
        if record.observed.is_none() && <[u8; 32]>::from(Sha256::digest(&made.payload)) != record.digest {
            return Err(Difference::Content { sequence, at, kind: made.kind });
        }
        Ok(())
    }
}

/// The configuration that an input puts in force, where it is another than the one in force.
pub(crate) fn wanted(in_force: ConfigurationDigest, input: &Input) -> Option<ConfigurationDigest> {
    let named = match &input.body {
        Body::Host(HostEvent::Started { configuration, .. }) => *configuration,
        Body::Host(HostEvent::Switched { configuration }) => Some(*configuration),
        _ => None,
    };
    named.filter(|named| *named != in_force)
}

/// Takes an observed input again. `plan` is what it puts in force, where it does.
fn apply(partition: &mut Partition, input: &Input, at: Instant, plan: Option<Arc<Plan>>) {
    if let Body::Host(HostEvent::Started { alive: Some(alive), .. }) = &input.body
        && partition.clock != Instant::default()
    {
        // What the clock changed without a record while the host before still ran is in the state that this start had.
        partition.fire_due(at.min(*alive));
    }
    match plan {
        Some(plan) if matches!(input.body, Body::Host(HostEvent::Started { .. })) => {
            partition.switch(plan);
            partition.take_again(input, at);
        }
        Some(plan) => partition.reconfigure(input, at, plan),
        None => partition.take_again(input, at),
    }
}
