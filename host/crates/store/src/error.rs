//! Why the store could not answer.

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
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}
