//! Commits applied to the database, inside the transaction that the writer holds open.

use model::Instant;
use rusqlite::{Connection, Statement, params};

use crate::books::Books;
use crate::chain::{self, Header};
use crate::checkpoint::Checkpoints;
use crate::commit::{Change, Commit, DeadLetterRow, DecisionRow, JournalRow, OutboxRow};
use crate::connection::Medium;
use crate::faults::Step;
use crate::schema;

/// Bytes that a journal row takes beside its texts and payload: two hashes, numbers, the tree's own.
const ROW_OVERHEAD: usize = 96;

/// The statements of a commit, prepared once for a connection.
pub(crate) struct Statements<'c> {
    begin: Statement<'c>,
    end: Statement<'c>,
    journal: Statement<'c>,
    put: Statement<'c>,
    remove: Statement<'c>,
    decision: Statement<'c>,
    quiet: Statement<'c>,
    outbox: Statement<'c>,
    settle: Statement<'c>,
    retry: Statement<'c>,
    dead_letter: Statement<'c>,
    checkpoints: Checkpoints<'c>,
    configuration: Statement<'c>,
    alive: Statement<'c>,
}

impl<'c> Statements<'c> {
    pub(crate) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        let prepare = |sql| connection.prepare(sql);
        Ok(Self {
            begin: prepare("BEGIN IMMEDIATE")?,
            end: prepare("COMMIT")?,
            journal: prepare(
                "INSERT INTO journal (place, at, observed, kind, subject, key, extent, digest, chain, payload, begins)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?,
            put: prepare(
                "INSERT INTO state (partition, kind, key, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
            )?,
            remove: prepare("DELETE FROM state WHERE partition = ?1 AND kind = ?2 AND key = ?3")?,
            decision: prepare(
                "INSERT INTO decisions (partition, sequence, idx, at, deployment, key, effect, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            quiet: prepare(
                "INSERT INTO recent (partition, sequence, idx, at, deployment, key, payload)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            outbox: prepare(
                "INSERT INTO outbox (effect, sink, partition, attempts, due, outgoing) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (effect, sink) DO UPDATE
                 SET attempts = excluded.attempts, due = excluded.due, outgoing = excluded.outgoing",
            )?,
            settle: prepare("DELETE FROM outbox WHERE effect = ?1 AND sink = ?2")?,
            retry: prepare("UPDATE outbox SET attempts = ?3, due = ?4 WHERE effect = ?1 AND sink = ?2")?,
            dead_letter: prepare(
                "INSERT INTO dead_letters (partition, sequence, at, deployment, key, reason, message, evidence)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            checkpoints: Checkpoints::prepare(connection)?,
            configuration: prepare("INSERT OR IGNORE INTO configurations (digest, body) VALUES (?1, ?2)")?,
            alive: prepare(
                "INSERT INTO meta (name, value) VALUES ('alive', ?1)
                 ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
            )?,
        })
    }

    /// Applies all of these in one transaction. After an error the books are wrong and must be loaded again.
    pub(crate) fn commit<'a>(
        &mut self,
        commits: impl IntoIterator<Item = &'a Commit>,
        books: &mut Books,
        medium: &Medium,
    ) -> rusqlite::Result<()> {
        self.begin.execute([])?;
        let mut changes = Vec::new();
        for commit in commits {
            // A checkpoint is of the state as it is between two commits.
            if commit.checkpoint.is_some() {
                self.settle_changes(&mut changes)?;
            }
            self.apply(commit, books)?;
            changes.extend(commit.changes.iter().map(|change| (commit.partition, change)));
        }
        self.settle_changes(&mut changes)?;
        medium.reached(Step::Written)?;
        self.end.execute([])?;
        medium.reached(Step::Committed)?;
        Ok(())
    }

    /// Writes the last change of each row, in the order of the table: a twin that changed in every turn of the
    /// transaction is written once.
    fn settle_changes(&mut self, changes: &mut Vec<(u16, &Change)>) -> rusqlite::Result<()> {
        // Stable: changes of one row stay in their order.
        changes.sort_by(|(left, a), (right, b)| (left, a.table, &a.key).cmp(&(right, b.table, &b.key)));
        for of_row in changes.chunk_by(|(left, a), (right, b)| left == right && a.table == b.table && a.key == b.key) {
            if let Some((partition, change)) = of_row.last() {
                self.change(*partition, change)?;
            }
        }
        changes.clear();
        Ok(())
    }

    fn apply(&mut self, commit: &Commit, books: &mut Books) -> rusqlite::Result<()> {
        let partition = commit.partition;
        if let Some(at) = commit.checkpoint {
            self.checkpoints.keep(partition, books.tails[usize::from(partition)].sequence, at)?;
        }
        if let Some(row) = &commit.configuration {
            self.configuration.execute(params![row.digest, &*row.body])?;
        }
        if let Some(Instant(at)) = commit.alive {
            self.alive.execute([at])?;
        }
        for row in &commit.journal {
            self.append(partition, row, books)?;
        }
        for row in &commit.decisions {
            self.decide(partition, row, books)?;
        }
        for (effect, sink) in &commit.settled {
            self.settle.execute(params![effect.0, sink])?;
        }
        for row in &commit.outbox {
            self.send(partition, row)?;
        }
        for row in &commit.retried {
            self.retry.execute(params![row.effect.0, row.sink, row.attempts, row.due.0])?;
        }
        for row in &commit.dead_letters {
            self.bury(partition, row)?;
        }
        Ok(())
    }

    fn append(&mut self, partition: u16, row: &JournalRow, books: &mut Books) -> rusqlite::Result<()> {
        let tail = &mut books.tails[usize::from(partition)];
        assert!(row.sequence == tail.sequence + 1, "partition {partition}: {} follows {}", row.sequence, tail.sequence);
        let (subject, key) = (row.subject.as_deref(), row.key.as_deref());
        let Instant(at) = row.at;
        let (observed, begins) = (row.observed, row.begins);
        let header = Header { partition, sequence: row.sequence, at, observed, begins, kind: row.kind, subject, key };
        let digest = chain::digest(&row.payload);
        tail.sequence = row.sequence;
        tail.chain = chain::link(&tail.chain, &header, &digest);
        tail.extent += extent(row);
        books.now = books.now.max(row.at);
        let place = schema::place(partition, row.sequence);
        let (extent, chain) = (tail.extent, tail.chain);
        self.journal.execute(params![
            place,
            at,
            observed,
            row.kind,
            subject,
            key,
            extent,
            digest,
            chain,
            row.payload,
            begins
        ])?;
        Ok(())
    }

    fn change(&mut self, partition: u16, change: &Change) -> rusqlite::Result<()> {
        let kind = change.table as u8;
        match &change.value {
            Some(value) => self.put.execute(params![partition, kind, change.key, value])?,
            None => self.remove.execute(params![partition, kind, change.key])?,
        };
        Ok(())
    }

    fn decide(&mut self, partition: u16, row: &DecisionRow, books: &mut Books) -> rusqlite::Result<()> {
        let sequence = row.sequence.cast_signed();
        let effect = row.effect.map(|id| id.0);
        if row.notable || effect.is_some() {
            self.decision.execute(params![
                partition,
                sequence,
                row.index,
                row.at.0,
                row.deployment,
                row.key,
                effect,
                row.payload
            ])?;
        } else {
            self.quiet.execute(params![
                partition,
                sequence,
                row.index,
                row.at.0,
                row.deployment,
                row.key,
                row.payload
            ])?;
            books.quiet.count(&row.deployment, &row.key);
        }
        Ok(())
    }

    fn send(&mut self, partition: u16, row: &OutboxRow) -> rusqlite::Result<()> {
        let outgoing = &row.outgoing;
        let encoded = rmp_serde::to_vec_named(outgoing).expect("an outgoing is plain data that encodes into memory");
        self.outbox.execute(params![outgoing.effect.0, outgoing.sink, partition, row.attempts, row.due.0, encoded])?;
        Ok(())
    }

    fn bury(&mut self, partition: u16, row: &DeadLetterRow) -> rusqlite::Result<()> {
        self.dead_letter.execute(params![
            partition,
            row.sequence.cast_signed(),
            row.at.0,
            row.deployment,
            row.key,
            row.reason,
            row.message,
            row.case
        ])?;
        Ok(())
    }
}

/// About what a journal row takes on disk.
fn extent(row: &JournalRow) -> i64 {
    let texts = row.kind.len() + row.subject.as_ref().map_or(0, |s| s.len()) + row.key.as_ref().map_or(0, |k| k.len());
    i64::try_from(ROW_OVERHEAD + texts + row.payload.len()).expect("a row that is in memory fits")
}
