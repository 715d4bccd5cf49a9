//! A turn: what one batch of inputs has done to a partition, until it becomes one commit.

use model::{Decision, Id, Instant, Name};
use store::{Change, Commit, DeadLetterRow, DecisionRow, JournalRow, OutboxRow, Retry, Table};

use crate::contain::Transition;
use crate::hidden::Divergence;
use crate::rows;
use crate::world::LogLine;

/// What a turn gives to the host.
#[derive(Debug, Default)]
pub struct Turn {
    /// One for each partition that did anything, to be applied together.
    pub commits: Vec<Commit>,
    /// In the order in which they were made.
    pub decisions: Vec<Decision>,
    /// Lines that rules logged.
    pub logs: Vec<LogLine>,
    /// Counted by rules: (deployment, metric, by).
    pub counts: Vec<(Name, Name, u64)>,
    /// Observed by rules: (deployment, metric, sample).
    pub samples: Vec<(Name, Name, f64)>,
    /// Inputs that were dropped because they came twice.
    pub duplicates: u64,
    /// Keys and deployments that were held or set free.
    pub transitions: Vec<Transition>,
    /// Steps of the sample that a fresh instance answered differently.
    pub divergences: Vec<Divergence>,
    /// Fuel burnt, by deployment.
    pub fuel: Vec<(Name, u64)>,
}

/// The turn of one partition while it runs.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) commit: Commit,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) counts: Vec<(Name, Name, u64)>,
    pub(crate) samples: Vec<(Name, Name, f64)>,
    pub(crate) duplicates: u64,
    pub(crate) transitions: Vec<Transition>,
    pub(crate) divergences: Vec<Divergence>,
    pub(crate) fuel: Vec<(Name, u64)>,
    /// Whether anything must be written.
    pub(crate) touched: bool,
    index: u32,
}

/// Whether a turn is written to a store, or only its decisions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    Store,
    /// Exact replay: the journal is made to be held against the recorded one; no row of state is encoded.
    Journal,
    /// Simulated replay and backtest: no row is encoded; outbox rows are kept, as sinks are captured.
    DecisionsOnly,
}

impl Record {
    pub(crate) fn journal(&mut self, row: JournalRow) {
        self.touched = true;
        self.index = 0;
        self.commit.journal.push(row);
    }

    pub(crate) fn change(&mut self, table: Table, key: Box<[u8]>, value: Option<Box<[u8]>>) {
        self.touched = true;
        self.commit.changes.push(Change { table, key, value });
    }

    /// Keeps a decision. Its row has the partition's time: a device's own may be years old, and retention would take it
    /// for that.
    pub(crate) fn decide(&mut self, (sequence, clock): (u64, Instant), decision: Decision, persistence: Persistence) {
        self.touched = true;
        if persistence == Persistence::Store {
            let effect = decision.effect.as_ref();
            self.commit.decisions.push(DecisionRow {
                sequence,
                index: self.index,
                at: clock,
                deployment: decision.deployment.clone(),
                key: decision.key.clone(),
                effect: effect.map(|effect| effect.id),
                notable: decision.is_notable(),
                payload: rows::encode_named(&decision),
            });
            self.index += 1;
        }
        self.decisions.push(decision);
    }

    pub(crate) fn send(&mut self, row: OutboxRow) {
        self.touched = true;
        self.commit.outbox.push(row);
    }

    pub(crate) fn retry(&mut self, row: Retry) {
        self.touched = true;
        self.commit.retried.push(row);
    }

    /// A row of the outbox is done. One that this turn itself has put there, or put off, never gets that far: in a
    /// commit the ends stand before the rows.
    pub(crate) fn settle(&mut self, effect: Id, sink: Name) {
        self.touched = true;
        let is_this = |of: Id, to: &Name| of == effect && *to == sink;
        self.commit.outbox.retain(|row| !is_this(row.outgoing.effect, &row.outgoing.sink));
        self.commit.retried.retain(|row| !is_this(row.effect, &row.sink));
        self.commit.settled.push((effect, sink));
    }

    pub(crate) fn bury(&mut self, row: DeadLetterRow) {
        self.touched = true;
        self.commit.dead_letters.push(row);
    }
}
