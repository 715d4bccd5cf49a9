//! Why the store could not answer.

use rusqlite::{ErrorCode, ffi};

/// Whether the database found no room on the disk. The file by which processes share the log's index says so in words
/// of its own.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.code == ErrorCode::DiskFull || error.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}

/// A read or a numbering that failed. Commits do not fail: they are tried until they succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to {doing}")]
    Database {
        doing: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error("partition {partition} does not exist: the store has {partitions}, counted from 0")]
    Partition { partition: u16, partitions: u16 },
    #[error("the store was stopped")]
    Stopped,
}

impl Error {
    /// Whether there was no room on the disk: worth another try.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Database { source, .. } if is_full(source))
    }

    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}
