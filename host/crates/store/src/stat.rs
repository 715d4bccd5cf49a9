//! Counts and sizes of a store.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Instant, Name};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::books::End;
use crate::commit::Table;
use crate::{query, retention, schema};

/// How much a store holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stat {
    /// By number.
    pub partitions: Vec<PartitionStat>,
    /// Decisions with an effect or a refusal.
    pub decisions: u64,
    /// The last decisions of each (deployment, key) that have neither.
    pub quiet_decisions: u64,
    pub outbox: u64,
    pub dead_letters: u64,
    /// Of those that are kept, by reason.
    pub dead_letter_reasons: BTreeMap<Name, u64>,
    /// Dead letters that were removed because they were too old or too many.
    pub dead_letters_removed: u64,
    pub devices: u64,
    /// The database file, in bytes.
    pub file_bytes: u64,
    /// Of it, what is free for new rows.
    pub free_bytes: u64,
    /// The log file beside it.
    pub log_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartitionStat {
    pub partition: u16,
    /// The first sequence that is kept; 0 while the journal is empty.
    pub first: u64,
    /// The last sequence that was written; 0 when none ever was.
    pub last: u64,
    pub first_at: Option<Instant>,
    pub last_at: Option<Instant>,
    /// About what the kept rows take.
    pub journal_bytes: u64,
    /// Tables that hold a row.
    pub tables: Vec<TableStat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct TableStat {
    pub table: Table,
    pub rows: u64,
    /// Keys and values.
    pub bytes: u64,
}

pub(crate) fn stat(connection: &Connection, partitions: u16, path: &Path) -> rusqlite::Result<Stat> {
    let transaction = connection.unchecked_transaction()?;
    let count = |table: &str| -> rusqlite::Result<u64> {
        transaction.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).map(i64::cast_unsigned)
    };
    let page: u64 = pragma(&transaction, "page_size")?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Ok(Stat {
        partitions: (0..partitions).map(|p| partition(&transaction, p)).collect::<Result<_, _>>()?,
        decisions: count("decisions")?,
        quiet_decisions: count("recent")? + count("quiet")?,
        outbox: count("outbox")?,
        dead_letters: count("dead_letters")?,
        dead_letter_reasons: query::dead_letter_reasons(&transaction)?,
        dead_letters_removed: retention::dead_letters_removed(&transaction)?.cast_unsigned(),
        devices: count("devices")?,
        file_bytes: page * pragma(&transaction, "page_count")?,
        free_bytes: page * pragma(&transaction, "freelist_count")?,
        log_bytes: std::fs::metadata(log).map_or(0, |log| log.len()),
    })
}

fn partition(connection: &Connection, partition: u16) -> rusqlite::Result<PartitionStat> {
    let (anchor, tail) = (End::anchor(connection, partition)?, End::tail(connection, partition)?);
    let at = |sequence| {
        connection
            .query_row("SELECT at FROM journal WHERE place = ?1", [schema::place(partition, sequence)], |row| {
                row.get(0).map(Instant)
            })
            .optional()
    };
    let kept = tail.sequence > anchor.sequence;
    let mut tables = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT count(*), ifnull(sum(length(key) + length(value)), 0) FROM state WHERE partition = ?1 AND kind = ?2",
    )?;
    for table in Table::ALL {
        let (rows, bytes): (i64, i64) =
            statement.query_row(params![partition, table as u8], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if rows > 0 {
            tables.push(TableStat { table, rows: rows.cast_unsigned(), bytes: bytes.cast_unsigned() });
        }
    }
    Ok(PartitionStat {
        partition,
        first: if kept { anchor.sequence + 1 } else { 0 },
        last: tail.sequence,
        first_at: at(anchor.sequence + 1)?,
        last_at: at(tail.sequence)?,
        journal_bytes: u64::try_from(tail.extent - anchor.extent).unwrap_or(0),
        tables,
    })
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map(i64::cast_unsigned)
}
