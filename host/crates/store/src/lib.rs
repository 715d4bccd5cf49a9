//! The store: journal, partition state, decisions and outbox in one embedded ACID database, written only by commits.

mod commit;

pub use commit::{Change, Commit, DeadLetterRow, DecisionRow, JournalRow, OutboxRow, Table};
