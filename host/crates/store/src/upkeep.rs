//! What the writer does between commits: checkpoints of the log, and retention.

use model::{Instant, Span};
use rusqlite::Connection;

use crate::books::Books;
use crate::options::Retention;
use crate::retention;

/// How often, in journal time, it is asked whether anything is too old or too much.
const RETENTION_EVERY: Span = Span::from_mins(1);
/// Pages in the log above which an idle gap is used to move them into the database: 8 MiB, read within 50 ms at start.
pub(crate) const IDLE_PAGES: u32 = 2_048;
/// Pages above which they are moved although commits wait: 64 MiB, what the log may keep of the disk.
pub(crate) const FORCED_PAGES: u32 = 16_384;

#[derive(Debug)]
pub(crate) struct Upkeep {
    retention: Retention,
    /// When retention looks again.
    due: Instant,
}

impl Upkeep {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { retention, due: Instant::MIN }
    }

    /// Does one piece of work. Returns whether there may be more; `idle` says that no commit waits.
    pub(crate) fn step(&mut self, connection: &Connection, books: &mut Books, idle: bool) -> rusqlite::Result<bool> {
        let pages = backlog(connection)?;
        if pages >= FORCED_PAGES || idle && pages >= IDLE_PAGES {
            // When a reader holds the log nothing moves; the next gap tries again.
            let left = checkpoint(connection)?;
            if left < pages {
                return Ok(true);
            }
        }
        if books.quiet.fold(connection)? {
            return Ok(true);
        }
        if books.now < self.due {
            return Ok(false);
        }
        if retention::step(connection, &self.retention, books)? {
            return Ok(true);
        }
        self.put_off(books.now);
        Ok(false)
    }

    /// Lets retention rest until the journal has moved on.
    pub(crate) fn put_off(&mut self, now: Instant) {
        self.due = now + RETENTION_EVERY;
    }
}

/// Pages of the log that are not in the database yet.
pub(crate) fn backlog(connection: &Connection) -> rusqlite::Result<u32> {
    wal(connection, "PRAGMA wal_checkpoint(NOOP)")
}

/// Moves pages from the log into the database as far as readers allow, without waiting for them. Returns what is left.
fn checkpoint(connection: &Connection) -> rusqlite::Result<u32> {
    wal(connection, "PRAGMA wal_checkpoint(PASSIVE)")
}

fn wal(connection: &Connection, pragma: &str) -> rusqlite::Result<u32> {
    connection.prepare_cached(pragma)?.query_row([], |row| {
        let (pages, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
        // Both are -1 before the first write to the log.
        Ok(u32::try_from(pages - moved).unwrap_or(0))
    })
}
