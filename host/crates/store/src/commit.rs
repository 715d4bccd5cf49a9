//! The commit: all that one turn of one partition changes, as one value. The store applies it whole or not at all,
//! and nothing else writes.

use std::sync::Arc;

use model::{Id, Instant, Name, outgoing::Outgoing};

/// Everything that one turn of one partition changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    pub partition: u16,
    /// In order of their sequence.
    pub journal: Vec<JournalRow>,
    /// The partition's own state: later changes of one key win.
    pub changes: Vec<Change>,
    pub decisions: Vec<DecisionRow>,
    /// Effects that wait for their sink.
    pub outbox: Vec<OutboxRow>,
    /// Outbox rows that are finished: (effect, sink).
    pub settled: Vec<(Id, Name)>,
    /// Outbox rows that were tried and wait for their next attempt.
    pub retried: Vec<Retry>,
    pub dead_letters: Vec<DeadLetterRow>,
    /// Keeps the partition's state as it was before this commit: the instant of the last record in it.
    pub checkpoint: Option<Instant>,
    /// A configuration that the journal names from here on.
    pub configuration: Option<ConfigurationRow>,
    /// A sign of life of the host, kept beside the journal.
    pub alive: Option<Instant>,
}

/// Devices and deployments as they stood, under the digest by which the journal names them. Written once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationRow {
    pub digest: [u8; 32],
    pub body: Arc<[u8]>,
}

/// One observed or derived record. The store adds the payload's digest and the hash chain.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalRow {
    /// Dense within the partition, from 1.
    pub sequence: u64,
    /// The partition's clock when it took the record.
    pub at: Instant,
    /// Whether replay feeds it; what is derived is computed again and compared.
    pub observed: bool,
    /// Whether a turn begins with it: instances of rules live no longer than a turn, so replay must know.
    pub begins: bool,
    /// `observation`, `message`, `timer`, …
    pub kind: &'static str,
    /// The person that it concerns.
    pub subject: Option<Name>,
    pub key: Option<Name>,
    /// MessagePack of the record.
    pub payload: Box<[u8]>,
}

/// The tables of a partition's state. The numbers are written to disk: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Table {
    /// One row: clock, next sequence, accounts.
    Partition = 1,
    /// By device.
    Twin = 2,
    /// By deployment, trigger, device.
    Trigger = 3,
    /// By deployment, key, name.
    State = 4,
    /// By deployment, key, name.
    Timer = 5,
    /// By deployment, key, sequence.
    Pending = 6,
    /// By deployment, device, capability.
    History = 7,
    /// By source, id.
    Seen = 8,
    /// Numbers of transfers, by peer.
    Transfer = 9,
    /// Commands in flight, by device and capability.
    Flight = 10,
    /// What the partition knows of a deployment: its switch, its accounts.
    Deployment = 11,
    /// What is held against a deployment and its keys, by deployment, key.
    Quarantine = 12,
    /// Topics that rules published to a moment ago.
    Published = 13,
    /// Keys of notifications, by deployment and a hash of audience and key.
    Notified = 14,
}

impl Table {
    pub const ALL: [Self; 14] = [
        Self::Partition,
        Self::Twin,
        Self::Trigger,
        Self::State,
        Self::Timer,
        Self::Pending,
        Self::History,
        Self::Seen,
        Self::Transfer,
        Self::Flight,
        Self::Deployment,
        Self::Quarantine,
        Self::Published,
        Self::Notified,
    ];
}

/// One row of a partition's state put or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub table: Table,
    /// The parts of the key, a zero byte between them; numbers big-endian, so that rows sort as their numbers do.
    pub key: Box<[u8]>,
    /// MessagePack; none removes the row.
    pub value: Option<Box<[u8]>>,
}

/// One decision with the columns that `why` searches by.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRow {
    /// The journal record that caused it.
    pub sequence: u64,
    /// Unique within the sequence.
    pub index: u32,
    /// The partition's time; the decision's own may be its device's.
    pub at: Instant,
    pub deployment: Name,
    pub key: Name,
    pub effect: Option<Id>,
    /// Whether it holds an effect or a refusal: kept longer than one that holds neither.
    pub notable: bool,
    /// MessagePack of the [`model::Decision`].
    pub payload: Box<[u8]>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    pub outgoing: Outgoing,
    /// Attempts that have ended.
    pub attempts: u32,
    /// Not before this.
    pub due: Instant,
}

/// How often an effect was tried at a sink, and when it is again. Nothing happens where the row is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    pub effect: Id,
    pub sink: Name,
    pub attempts: u32,
    pub due: Instant,
}

/// An event that was given up, with all that is needed to run it again.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetterRow {
    pub sequence: u64,
    pub at: Instant,
    pub deployment: Name,
    pub key: Name,
    pub reason: Name,
    pub message: Name,
    /// A self-contained case.
    pub case: Box<[u8]>,
}
