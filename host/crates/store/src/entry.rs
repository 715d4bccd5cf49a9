//! What is read back from the store.

use model::{Instant, Name};

use crate::commit::Table;

/// A row with the partition that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<T> {
    pub partition: u16,
    pub row: T,
}

/// One row of a partition's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    pub key: Box<[u8]>,
    pub value: Box<[u8]>,
}

/// One journal row as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    pub sequence: u64,
    pub at: Instant,
    pub observed: bool,
    /// Whether a turn begins with it.
    pub begins: bool,
    pub kind: Name,
    pub subject: Option<Name>,
    pub key: Option<Name>,
    /// None when it was deleted.
    pub payload: Option<Box<[u8]>>,
    /// SHA-256 of the payload as it was stored.
    pub digest: [u8; 32],
    /// SHA-256 over the previous row's chain, this row's header and its digest.
    pub chain: [u8; 32],
}

/// A dead letter without its case, which may be large.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeadLetterHead {
    /// Given once: the letter is asked for by it.
    pub number: u64,
    pub partition: u16,
    pub sequence: u64,
    pub at: Instant,
    pub deployment: Name,
    pub key: Name,
    pub reason: Name,
    pub message: Name,
}

/// The state of a partition as it was after one of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Checkpoint {
    /// The last record in it.
    pub sequence: u64,
    /// That record's instant.
    pub at: Instant,
    pub rows: u64,
    /// Compressed.
    pub bytes: u64,
}

/// What a partition's load found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// The last sequence of its journal; 0 when nothing was ever written.
    pub sequence: u64,
}

/// Is shown rows of state one by one: table, key, value.
pub type Visit<'a> = dyn FnMut(Table, &[u8], &[u8]) + 'a;
