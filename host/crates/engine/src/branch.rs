//! A branch: a partition that has left its journal, to be told something else than what happened.
//!
//! It answers with decisions and nothing else: no row of it is ever committed, and nothing of it reaches a sink.

use std::sync::Arc;

use model::{Configuration, ConfigurationDigest, Decision, Input, Instant};

use crate::exact;
use crate::partition::Partition;
use crate::plan::{Plan, Setup, SetupError};

/// One partition from a record of its journal on.
pub struct Branch {
    partition: Partition,
    decisions: Vec<Decision>,
}

impl Branch {
    pub(crate) fn of(partition: Partition) -> Self {
        Self { partition, decisions: Vec::new() }
    }

    /// The configuration that an input puts in force, by its digest, where it is another than the one in force.
    #[must_use]
    pub fn wanted(&self, input: &Input) -> Option<ConfigurationDigest> {
        exact::wanted(&self.partition, input)
    }

    /// The configuration in force.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.partition.plan.configuration.configuration
    }

    /// Takes an input as if it had been received at this instant; what is due by then comes first.
    ///
    /// # Errors
    /// When `setup`, what the input puts in force, cannot run.
    pub fn feed(&mut self, input: &Input, at: Instant, setup: Option<Setup>) -> Result<(), SetupError> {
        let plan = setup.map(|setup| Plan::new(setup).map(Arc::new)).transpose()?;
        exact::apply(&mut self.partition, input, at, plan);
        self.collect();
        Ok(())
    }

    /// Lets the clock run on.
    pub fn advance(&mut self, to: Instant) {
        self.partition.advance(to);
        self.collect();
    }

    /// Ends the turn, as the journal did here.
    pub fn end_turn(&mut self) {
        let record = self.partition.finish();
        self.decisions.extend(record.decisions);
    }

    /// The decisions since the last call, in the order in which they were made.
    pub fn decisions(&mut self) -> impl Iterator<Item = Decision> {
        self.decisions.drain(..)
    }

    fn collect(&mut self) {
        let record = &mut self.partition.record;
        self.decisions.append(&mut record.decisions);
        record.commit.journal.clear();
        record.commit.outbox.clear();
        self.partition.transfers.clear();
    }
}
