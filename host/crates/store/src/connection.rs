//! Connections to the database and the settings that every one of them needs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ffi};

use crate::faults::{Faults, Step};

/// The first SQLite without the fault that could corrupt a database when its log was reset under two connections.
const LIBRARY_MIN: i32 = 3_051_003;

/// What lies under the store. The default is the disk as it is; tests set a limit to see what a full disk does, and a
/// simulation injects faults between the writer's steps.
#[derive(Debug, Clone, Default)]
pub struct Medium {
    /// Pages of 4 096 bytes that the database may have; 0 is no limit. Read before every commit.
    pub page_limit: Arc<AtomicU32>,
    pub faults: Option<Arc<dyn Faults>>,
}

impl Medium {
    pub(crate) fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        let limit = match self.page_limit.load(Ordering::Relaxed) {
            0 => return Ok(()),
            limit => limit,
        };
        connection.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))
    }

    /// Tells whoever injects faults where the writer is.
    pub(crate) fn reached(&self, step: Step) -> rusqlite::Result<()> {
        let Some(faults) = &self.faults else { return Ok(()) };
        let failure = |reason| rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), Some(reason));
        faults.reached(step).map_err(failure)
    }

    pub(crate) fn pause(&self, usual: Duration) -> Duration {
        self.faults.as_ref().map_or(usual, |faults| faults.pause(usual))
    }
}

/// The one connection that writes; makes the file if it is not there.
///
/// The log is checkpointed by the writer alone, in idle gaps. The page cache is bounded at 16 MiB and only grows with
/// use; nothing is mapped, because an I/O error on a mapped page would kill the process.
pub(crate) fn writing(path: &Path) -> rusqlite::Result<Connection> {
    let found = rusqlite::version_number();
    assert!(found >= LIBRARY_MIN, "the SQLite built in, {found}, is older than {LIBRARY_MIN}");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // The order matters: auto-vacuum can only be chosen while the file is empty, and changing to WAL writes to it.
    connection.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA mmap_size = 0;
         PRAGMA cache_size = -16384;
         PRAGMA temp_store = MEMORY;
         PRAGMA foreign_keys = ON;",
    )?;
    Ok(connection)
}

/// A connection that can only read.
pub(crate) fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA mmap_size = 0;
         PRAGMA cache_size = -2048;
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

/// The file's mark and the version of its tables.
pub(crate) fn identity(connection: &Connection) -> rusqlite::Result<(i32, u32)> {
    let mark = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((mark, version))
}

/// Whether nothing was ever written to the database.
pub(crate) fn is_blank(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && identity(connection)? == (0, 0))
}
