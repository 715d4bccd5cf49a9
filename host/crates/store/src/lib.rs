//! The store: journal, partition state, decisions and outbox in one embedded ACID database, written only by commits.
//!
//! A process opens a [`Store`], loads its partitions from it, and turns it into a [`Writer`] and a [`Reader`]. One
//! thread writes: it takes the turns of all engine threads that wait, commits them together and then calls each turn's
//! `done`. Whatever was acknowledged is on disk; whatever was not is nowhere. The store knows no rules, no network and
//! no clock: retention goes by the newest `at` of the journal.

mod apply;
mod backup;
mod books;
mod chain;
mod checkpoint;
mod commit;
mod connection;
mod entry;
mod error;
mod health;
mod lock;
mod migrate;
mod open;
mod options;
mod query;
mod queue;
mod quiet;
mod reader;
mod restore;
mod retention;
mod schema;
mod stat;
#[cfg(test)]
mod tests;
mod upkeep;
mod verify;
mod writer;

pub use backup::{BackupError, backup};
pub use checkpoint::{BadCheckpoint, unpack};
pub use commit::{Change, Commit, ConfigurationRow, DeadLetterRow, DecisionRow, JournalRow, OutboxRow, Retry, Table};
pub use connection::Medium;
pub use entry::{Checkpoint, DeadLetterHead, JournalEntry, Loaded, Placed, StateRow, Visit};
pub use error::Error;
pub use health::{Health, HealthWatch};
pub use open::{OpenError, Store};
pub use options::{Options, Retention};
pub use queue::{Done, Stopped};
pub use reader::Reader;
pub use restore::{RestoreError, restore};
pub use schema::{FILE_NAME, VERSION};
pub use stat::{PartitionStat, Stat, TableStat};
pub use verify::{Damage, DamageKind, Verified};
pub use writer::{StopError, Writer};
