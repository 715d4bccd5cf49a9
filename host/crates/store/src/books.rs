//! What the writer remembers between commits so that it need not ask the database for it.

use model::Instant;
use rusqlite::{Connection, OptionalExtension as _};

use crate::chain::{GENESIS, Hash};
use crate::commit::Commit;
use crate::quiet::Quiet;
use crate::schema;

/// One end of a partition's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) sequence: u64,
    pub(crate) chain: Hash,
    /// Bytes of the partition's journal up to and with this row, cut rows included.
    pub(crate) extent: i64,
}

/// True for the last commit that succeeded; loaded again after one that failed.
#[derive(Debug)]
pub(crate) struct Books {
    /// By partition: the last row written.
    pub(crate) tails: Vec<End>,
    /// By partition: the last row that retention cut.
    pub(crate) anchors: Vec<End>,
    /// The newest `at` of the journal.
    pub(crate) now: Instant,
    pub(crate) quiet: Quiet,
}

impl End {
    /// Before the first row.
    const START: Self = Self { sequence: 0, chain: GENESIS, extent: 0 };

    /// The last row that was cut from the front of a partition's journal.
    pub(crate) fn anchor(connection: &Connection, partition: u16) -> rusqlite::Result<Self> {
        let found = connection
            .prepare_cached("SELECT sequence, chain, extent FROM anchors WHERE partition = ?1")?
            .query_row([partition], |row| {
                Ok(Self { sequence: row.get::<_, i64>(0)?.cast_unsigned(), chain: row.get(1)?, extent: row.get(2)? })
            })
            .optional()?;
        Ok(found.unwrap_or(Self::START))
    }

    /// The last row of a partition's journal.
    pub(crate) fn tail(connection: &Connection, partition: u16) -> rusqlite::Result<Self> {
        let places = schema::places(partition, 1);
        let found = connection
            .prepare_cached(
                "SELECT place, chain, extent FROM journal WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT 1",
            )?
            .query_row([places.start(), places.end()], |row| {
                Ok(Self { sequence: schema::sequence(row.get(0)?), chain: row.get(1)?, extent: row.get(2)? })
            })
            .optional()?;
        found.map_or_else(|| Self::anchor(connection, partition), Ok)
    }
}

impl Books {
    pub(crate) fn load(connection: &Connection, partitions: u16) -> rusqlite::Result<Self> {
        let tails: Vec<End> = (0..partitions).map(|p| End::tail(connection, p)).collect::<Result<_, _>>()?;
        let anchors = (0..partitions).map(|p| End::anchor(connection, p)).collect::<Result<_, _>>()?;
        let mut now = Instant::MIN;
        for (partition, tail) in (0..partitions).zip(&tails) {
            let at = connection
                .query_row(
                    "SELECT at FROM journal WHERE place = ?1",
                    [schema::place(partition, tail.sequence)],
                    |row| row.get(0).map(Instant),
                )
                .optional()?;
            now = now.max(at.unwrap_or(Instant::MIN));
        }
        Ok(Self { tails, anchors, now, quiet: Quiet::load(connection)? })
    }

    /// Whether these commits are in the database already. A commit whose last write to the log reported an error may
    /// turn out to be there when the database is opened again; it must not be written twice.
    pub(crate) fn contain<'a>(&self, commits: impl IntoIterator<Item = &'a Commit>) -> bool {
        commits
            .into_iter()
            .find_map(|commit| Some((commit.partition, commit.journal.last()?.sequence)))
            .is_some_and(|(partition, sequence)| self.tails[usize::from(partition)].sequence >= sequence)
    }

    /// Bytes of all journal rows that are kept.
    pub(crate) fn journal_bytes(&self) -> u64 {
        let sum: i64 = self.tails.iter().zip(&self.anchors).map(|(tail, anchor)| tail.extent - anchor.extent).sum();
        u64::try_from(sum).unwrap_or(0)
    }
}
