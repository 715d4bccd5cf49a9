//! Faults: where a simulation may hold, fail or end the writer.

use std::fmt;
use std::time::Duration;

/// The writer's steps. Between any two of them a process may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A batch of turns was taken; nothing of it is written.
    Taken,
    /// Everything is in the transaction, which is not committed.
    Written,
    /// The transaction is on disk, and nobody was told.
    Committed,
    /// Every turn of the batch was told, and the upkeep is over.
    Told,
}

/// What goes wrong under the writer, and when.
pub trait Faults: fmt::Debug + Send + Sync {
    /// Called on the writer's thread at each step; may hold it as long as it likes.
    ///
    /// # Errors
    /// Why the medium fails here: the writer does what it does when a disk fails.
    fn reached(&self, step: Step) -> Result<(), String>;

    /// How long the writer waits before it tries again what has failed; `usual` on a real disk.
    fn pause(&self, usual: Duration) -> Duration {
        usual
    }
}
