//! Verification: every digest and chain value of a partition's journal computed again, and its checkpoints read back.

use rusqlite::Connection;

use crate::books::End;
use crate::chain::{self, Hash, Header};
use crate::checkpoint;
use crate::entry::JournalEntry;
use crate::query;

/// Rows read at once; between pages the writer may reset its log.
const PAGE: usize = 1_000;
/// Damaged rows that are listed; the rest is counted.
const LISTED: usize = 1_000;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Rows whose payload is there and true.
    pub present: u64,
    /// Rows whose payload was deleted and whose place in the chain is true.
    pub deleted: u64,
    /// Rows that are changed, gaps, and checkpoints that do not read back, each counted once.
    pub damaged: u64,
    /// The first 1 000 of them: rows in order, then checkpoints.
    pub damage: Vec<Damage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    pub sequence: u64,
    pub kind: DamageKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageKind {
    /// The payload is not the one that was stored.
    Payload,
    /// The header, the digest or the chain value was changed.
    Chain,
    /// This row, and any that follow it up to the next one found, are not there.
    Missing,
    /// The checkpoint after this record does not read back.
    Checkpoint,
}

pub(crate) fn verify(connection: &Connection, partition: u16) -> rusqlite::Result<Verified> {
    let mut walk = Walk { partition, next: 1, before: [chain::GENESIS; 2], found: Verified::default() };
    while walk.page(connection)? {}
    for sequence in checkpoint::damaged(connection, partition)? {
        walk.damage(sequence, DamageKind::Checkpoint);
    }
    Ok(walk.found)
}

struct Walk {
    partition: u16,
    /// The sequence that is due.
    next: u64,
    /// The previous row's chain value as stored and as computed: where they differ, the next row tells which of them
    /// it was linked to, and is not damaged by its neighbour.
    before: [Hash; 2],
    found: Verified,
}

impl Walk {
    /// Checks one page. Returns whether there may be more.
    fn page(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let transaction = connection.unchecked_transaction()?;
        // Retention may have cut what was not read yet.
        let anchor = End::anchor(&transaction, self.partition)?;
        if anchor.sequence >= self.next {
            self.next = anchor.sequence + 1;
            self.before = [anchor.chain; 2];
        }
        let rows = query::journal(&transaction, self.partition, self.next, PAGE)?;
        transaction.finish()?;
        for row in &rows {
            self.row(row);
        }
        Ok(rows.len() == PAGE)
    }

    fn row(&mut self, row: &JournalEntry) {
        let mut kind = None;
        if row.sequence != self.next {
            self.damage(self.next, DamageKind::Missing);
        }
        let header = Header {
            partition: self.partition,
            sequence: row.sequence,
            at: row.at.0,
            observed: row.observed,
            begins: row.begins,
            kind: &row.kind,
            subject: row.subject.as_deref(),
            key: row.key.as_deref(),
        };
        let [stored, computed] = self.before.map(|before| chain::link(&before, &header, &row.digest));
        // After a gap there is nothing to link to: the row's own chain value is taken as the new start.
        if row.sequence == self.next && row.chain != stored && row.chain != computed {
            kind = Some(DamageKind::Chain);
        }
        if row.payload.as_ref().is_some_and(|payload| chain::digest(payload) != row.digest) {
            kind = Some(DamageKind::Payload);
        }
        match kind {
            Some(kind) => self.damage(row.sequence, kind),
            None if row.payload.is_some() => self.found.present += 1,
            None => self.found.deleted += 1,
        }
        self.before = [row.chain, stored];
        self.next = row.sequence + 1;
    }

    fn damage(&mut self, sequence: u64, kind: DamageKind) {
        self.found.damaged += 1;
        if self.found.damage.len() < LISTED {
            self.found.damage.push(Damage { sequence, kind });
        }
    }
}
