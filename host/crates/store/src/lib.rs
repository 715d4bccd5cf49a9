//! The store: journal, partition state, decisions and outbox in one embedded ACID database, written only by commits.
//!
//! A process opens a [`Store`], loads its partitions from it, and turns it into a [`Writer`] and a [`Reader`]. One
//! thread writes: it takes the turns of all engine threads that wait, commits them together and then calls each turn's
//! `done`. Whatever was acknowledged is on disk; whatever was not is nowhere. The store knows no rules, no network and
//! no clock: retention goes by the newest `at` of the journal.

#[cfg(feature = "database")]
mod apply;
#[cfg(feature = "database")]
mod backup;
#[cfg(feature = "database")]
mod books;
#[cfg(feature = "database")]
mod chain;
#[cfg(feature = "database")]
mod checkpoint;
mod commit;
#[cfg(feature = "database")]
mod connection;
mod entry;
#[cfg(feature = "database")]
mod error;
#[cfg(feature = "database")]
mod faults;
#[cfg(feature = "database")]
mod health;
#[cfg(feature = "database")]
mod lock;
#[cfg(feature = "database")]
mod migrate;
#[cfg(feature = "database")]
mod open;
#[cfg(feature = "database")]
mod options;
#[cfg(feature = "database")]
mod query;
#[cfg(feature = "database")]
mod queue;
#[cfg(feature = "database")]
mod quiet;
#[cfg(feature = "database")]
mod reader;
#[cfg(feature = "database")]
mod restore;
#[cfg(feature = "database")]
mod retention;
#[cfg(feature = "database")]
mod schema;
#[cfg(feature = "database")]
mod stat;
#[cfg(test)]
mod tests;
#[cfg(feature = "database")]
mod upkeep;
#[cfg(feature = "database")]
mod verify;
#[cfg(feature = "database")]
mod writer;

#[cfg(feature = "database")]
pub use backup::{BackupError, backup};
#[cfg(feature = "database")]
pub use checkpoint::{BadCheckpoint, unpack};
pub use commit::{Change, Commit, ConfigurationRow, DeadLetterRow, DecisionRow, JournalRow, OutboxRow, Retry, Table};
#[cfg(feature = "database")]
pub use connection::Medium;
pub use entry::{Checkpoint, DeadLetterHead, JournalEntry, Loaded, Placed, StateRow, Visit};
#[cfg(feature = "database")]
pub use error::Error;
#[cfg(feature = "database")]
pub use faults::{Faults, Step};
#[cfg(feature = "database")]
pub use health::{Health, HealthWatch};
#[cfg(feature = "database")]
pub use open::{OpenError, Store};
#[cfg(feature = "database")]
pub use options::{Options, Retention};
#[cfg(feature = "database")]
pub use queue::{Done, Stopped};
#[cfg(feature = "database")]
pub use reader::Reader;
#[cfg(feature = "database")]
pub use restore::{RestoreError, restore};
#[cfg(feature = "database")]
pub use schema::{FILE_NAME, VERSION};
#[cfg(feature = "database")]
pub use stat::{PartitionStat, Stat, TableStat};
#[cfg(feature = "database")]
pub use verify::{Damage, DamageKind, Verified};
#[cfg(feature = "database")]
pub use writer::{StopError, Writer};
