//! Readers: look into a store beside its writer, or into one that no process runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::{DeviceNo, Id, Instant, Name};
use rusqlite::Connection;

use crate::books::End;
use crate::checkpoint;
use crate::commit::{DeadLetterRow, DecisionRow, OutboxRow, Table};
use crate::connection;
use crate::entry::{Checkpoint, DeadLetterHead, JournalEntry, Placed, StateRow};
use crate::error::Error;
use crate::open::{self, OpenError};
use crate::stat::{self, Stat};
use crate::verify::{self, Verified};
use crate::{query, retention, schema};

/// Connections that are kept open for the next question: API requests and the console are few at a time.
const IDLE_CONNECTIONS: usize = 4;

/// Reads what is committed. Cheap to clone and to share; each question sees one moment of the store, and none blocks
/// the writer. Rows come whole into memory, so callers page where there may be many.
#[derive(Clone)]
pub struct Reader {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    partitions: u16,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    /// Opens the store in this folder for reading, whether or not a process writes it.
    ///
    /// # Errors
    /// When there is none, it is not one, or its version is not the one that this program reads.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(schema::FILE_NAME);
        if !path.is_file() {
            return Err(OpenError::Missing { path });
        }
        let connection = connection::reading(&path).map_err(OpenError::database("open", &path))?;
        let version = open::version(&connection, &path)?;
        if version < schema::VERSION {
            return Err(OpenError::Older { found: version, supported: schema::VERSION });
        }
        let partitions = open::partitions(&connection).map_err(OpenError::database("read", &path))?;
        let reader = Self::over(path, partitions);
        reader.keep(connection);
        Ok(reader)
    }

    pub(crate) fn over(path: PathBuf, partitions: u16) -> Self {
        Self { pool: Arc::new(Pool { path, partitions, idle: Mutex::new(Vec::new()) }) }
    }

    /// How many partitions the store has, counted from 0.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.pool.partitions
    }

    /// The rows of one table of a partition's state whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn rows(&self, partition: u16, table: Table, prefix: &[u8]) -> Result<Vec<StateRow>, Error> {
        self.check(partition)?;
        self.ask("read the state", |c| query::state(c, partition, table, prefix))
    }

    /// At most `limit` journal rows from the sequence `from` on; the next page begins after the last of them.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn journal(&self, partition: u16, from: u64, limit: usize) -> Result<Vec<JournalEntry>, Error> {
        self.check(partition)?;
        self.ask("read the journal", |c| query::journal(c, partition, from, limit))
    }

    /// At most `limit` journal rows of one kind from the sequence `from` on, in order. Payloads of others are not read.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn journal_of_kind(
        &self,
        partition: u16,
        kind: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, Error> {
        self.check(partition)?;
        self.ask("read the journal", |c| query::journal_of_kind(c, partition, kind, from, limit))
    }

    /// The last `count` journal rows, in order.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn journal_tail(&self, partition: u16, count: usize) -> Result<Vec<JournalEntry>, Error> {
        self.check(partition)?;
        self.ask("read the journal", |c| query::journal_tail(c, partition, count))
    }

    /// The journal row with this sequence; none when it was cut or is still to come.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn journal_row(&self, partition: u16, sequence: u64) -> Result<Option<JournalEntry>, Error> {
        self.check(partition)?;
        self.ask("read the journal", |c| query::journal_row(c, partition, sequence))
    }

    /// The decisions on one effect, in the order of their commits.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn decisions_on(&self, effect: Id) -> Result<Vec<Placed<DecisionRow>>, Error> {
        self.ask("read the decisions", |c| query::decisions_on(c, effect))
    }

    /// The first `limit` effects with ids within `low..=high` that were decided, by id.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn effects_between(&self, range: (Id, Id), limit: usize) -> Result<Vec<Id>, Error> {
        self.ask("read the decisions", |c| query::effects_between(c, range, limit))
    }

    /// The newest `limit` decisions of a deployment's key with `at` in `from..=until`, the oldest first. Walks the
    /// recent decisions without effect: for people who ask why.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn decisions_about(
        &self,
        deployment: &str,
        key: &str,
        (from, until): (Instant, Instant),
        limit: usize,
    ) -> Result<Vec<Placed<DecisionRow>>, Error> {
        self.ask("read the decisions", |c| query::decisions_about(c, (deployment, key), (from, until), limit))
    }

    /// The decisions with an effect or a refusal that records within `first..=last` of a partition caused, in order.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn decisions_within(&self, partition: u16, (first, last): (u64, u64)) -> Result<Vec<DecisionRow>, Error> {
        self.check(partition)?;
        self.ask("read the decisions", |c| query::decisions_within(c, partition, (first, last)))
    }

    /// A partition's checkpoints, the oldest first.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn checkpoints(&self, partition: u16) -> Result<Vec<Checkpoint>, Error> {
        self.check(partition)?;
        self.ask("read the checkpoints", |c| checkpoint::list(c, partition))
    }

    /// The compressed parts of the checkpoint after a record, for [`crate::unpack`]; none where there is no such one.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn checkpoint_parts(&self, partition: u16, sequence: u64) -> Result<Vec<Vec<u8>>, Error> {
        self.check(partition)?;
        self.ask("read a checkpoint", |c| checkpoint::parts(c, partition, sequence))
    }

    /// The configuration that the journal names by this digest.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn configuration(&self, digest: &[u8; 32]) -> Result<Option<Vec<u8>>, Error> {
        self.ask("read a configuration", |c| query::configuration(c, digest))
    }

    /// The sequences that a partition's journal holds: the first kept, and the last written; none while it is empty.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn bounds(&self, partition: u16) -> Result<Option<(u64, u64)>, Error> {
        self.check(partition)?;
        self.ask("read the journal", |c| {
            let (anchor, tail) = (End::anchor(c, partition)?, End::tail(c, partition)?);
            Ok((tail.sequence > anchor.sequence).then_some((anchor.sequence + 1, tail.sequence)))
        })
    }

    /// The first `limit` effects that wait for their sink, in the order in which they were committed.
    ///
    /// # Errors
    /// When the database could not be read or an entry cannot be decoded.
    pub fn outbox(&self, limit: usize) -> Result<Vec<Placed<OutboxRow>>, Error> {
        self.ask("read the outbox", |c| query::outbox(c, limit))
    }

    /// The sinks for which one effect waits.
    ///
    /// # Errors
    /// When the database could not be read or an entry cannot be decoded.
    pub fn outbox_of(&self, effect: Id) -> Result<Vec<Placed<OutboxRow>>, Error> {
        self.ask("read the outbox", |c| query::outbox_of(c, effect))
    }

    /// How many dead letters are kept, by reason, and how many were removed because they were too old or too many.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn dead_letter_counts(&self) -> Result<(BTreeMap<Name, u64>, u64), Error> {
        self.ask("count the dead letters", |c| {
            Ok((query::dead_letter_reasons(c)?, retention::dead_letters_removed(c)?.cast_unsigned()))
        })
    }

    /// The newest `limit` dead letters, the newest first, without their cases.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetterHead>, Error> {
        self.ask("read the dead letters", |c| query::dead_letters(c, limit))
    }

    /// The dead letter of this number with its case; none when there is no such letter any more.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn dead_letter(&self, number: u64) -> Result<Option<Placed<DeadLetterRow>>, Error> {
        self.ask("read a dead letter", |c| query::dead_letter(c, number))
    }

    /// All devices that ever had a number, by number.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn devices(&self) -> Result<Vec<(DeviceNo, Name)>, Error> {
        self.ask("read the devices", query::devices)
    }

    /// Counts and sizes. Walks the state and the smaller tables: for people, not for every scrape of the metrics.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn stat(&self) -> Result<Stat, Error> {
        self.ask("count the rows", |c| stat::stat(c, self.pool.partitions, &self.pool.path))
    }

    /// Computes every digest and chain value of a partition's journal again, and reads its checkpoints back.
    ///
    /// # Errors
    /// When the database could not be read. Damage is no error but part of the answer.
    pub fn verify(&self, partition: u16) -> Result<Verified, Error> {
        self.check(partition)?;
        self.ask("verify the journal", |c| verify::verify(c, partition))
    }

    /// Runs `read` over a connection of its own. One over which something failed is not used again.
    pub(crate) fn ask<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let kept = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = kept.map_or_else(|| connection::reading(&self.pool.path), Ok).map_err(Error::doing(doing))?;
        let answer = read(&connection).map_err(Error::doing(doing))?;
        self.keep(connection);
        Ok(answer)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
    }

    fn check(&self, partition: u16) -> Result<(), Error> {
        let partitions = self.pool.partitions;
        if partition < partitions { Ok(()) } else { Err(Error::Partition { partition, partitions }) }
    }
}
