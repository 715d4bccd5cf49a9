//! Checkpoints: a partition's state as it was after one of its records, so that replay need not start at the beginning.
//!
//! A checkpoint is a copy of the partition's rows, made in the transaction of the commit that follows it. It lies in
//! parts of about a mebibyte, each compressed by itself, with a checksum of its content: a flipped bit must not become
//! another state. Checkpoints of stores before that have none. Before compression a part is its rows one after the other:
//!
//! ```text
//! 1 table   4 length of the key   key   4 length of the value   value        numbers big-endian
//! ```

use model::Instant;
use rusqlite::{Connection, Statement, params};

use crate::commit::Table;
use crate::entry::{Checkpoint, Visit};
use crate::schema;

/// Bytes of rows after which a part is closed, so that neither writing nor reading holds more in memory.
const PART_BYTES: usize = 1024 * 1024;
/// Fast; state shrinks to about a quarter.
const LEVEL: i32 = 1;

/// The statements that make a checkpoint.
pub(crate) struct Checkpoints<'c> {
    rows: Statement<'c>,
    part: Statement<'c>,
}

/// A part of a checkpoint that does not read back.
#[derive(Debug, thiserror::Error)]
pub enum BadCheckpoint {
    #[error("failed to decompress a part of a checkpoint")]
    Compressed(#[source] std::io::Error),
    #[error("a part of a checkpoint ends in the middle of a row")]
    Cut,
    #[error("a checkpoint holds a row of an unknown table {0}")]
    Table(u8),
}

impl<'c> Checkpoints<'c> {
    pub(crate) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            rows: connection.prepare("SELECT kind, key, value FROM state WHERE partition = ?1 ORDER BY kind, key")?,
            part: connection.prepare(
                "INSERT OR REPLACE INTO checkpoints (place, part, at, rows, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?,
        })
    }

    /// Keeps the state of a partition as it stands, as that after `sequence`.
    pub(crate) fn keep(&mut self, partition: u16, sequence: u64, at: Instant) -> rusqlite::Result<()> {
        let place = schema::place(partition, sequence);
        let mut part = Part::default();
        let mut number = 0;
        let mut rows = self.rows.query([partition])?;
        while let Some(row) = rows.next()? {
            part.add(row.get(0)?, row.get_ref(1)?.as_blob()?, row.get_ref(2)?.as_blob()?);
            if part.bytes.len() >= PART_BYTES {
                self.part.execute(params![place, number, at.0, part.rows, part.close()])?;
                part = Part::default();
                number += 1;
            }
        }
        if part.rows > 0 || number == 0 {
            self.part.execute(params![place, number, at.0, part.rows, part.close()])?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    rows: u32,
}

impl Part {
    fn add(&mut self, table: u8, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.bytes.push(table);
        for field in [key, value] {
            let length = u32::try_from(field.len()).expect("a row of state is far smaller than 4 GiB");
            self.bytes.extend(length.to_be_bytes());
            self.bytes.extend(field);
        }
    }

    fn close(&self) -> Vec<u8> {
        let compressed = zstd::bulk::Compressor::new(LEVEL).and_then(|mut compressor| {
            compressor.include_checksum(true)?;
            compressor.compress(&self.bytes)
        });
        compressed.expect("compression into memory does not fail")
    }
}

/// Shows every row of one part, as [`crate::Reader::checkpoint_parts`] gives them.
///
/// # Errors
/// When the part is not what was written.
pub fn unpack(part: &[u8], row: &mut Visit<'_>) -> Result<(), BadCheckpoint> {
    let bytes = zstd::stream::decode_all(part).map_err(BadCheckpoint::Compressed)?;
    let mut rest = &*bytes;
    while let Some((number, after)) = rest.split_first() {
        let table =
            Table::ALL.into_iter().find(|table| *table as u8 == *number).ok_or(BadCheckpoint::Table(*number))?;
        let (key, after) = field(after).ok_or(BadCheckpoint::Cut)?;
        let (value, after) = field(after).ok_or(BadCheckpoint::Cut)?;
        row(table, key, value);
        rest = after;
    }
    Ok(())
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// A partition's checkpoints, the oldest first.
pub(crate) fn list(connection: &Connection, partition: u16) -> rusqlite::Result<Vec<Checkpoint>> {
    let places = schema::places(partition, 0);
    let mut statement = connection.prepare_cached(
        "SELECT place, max(at), sum(rows), sum(length(body)) FROM checkpoints
         WHERE place BETWEEN ?1 AND ?2 GROUP BY place ORDER BY place",
    )?;
    let rows = statement.query_map(params![places.start(), places.end()], |row| {
        Ok(Checkpoint {
            sequence: schema::sequence(row.get(0)?),
            at: Instant(row.get(1)?),
            rows: row.get::<_, i64>(2)?.cast_unsigned(),
            bytes: row.get::<_, i64>(3)?.cast_unsigned(),
        })
    })?;
    rows.collect()
}

/// What the checkpoints of all partitions weigh.
pub(crate) fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let sum: i64 =
        connection.query_row("SELECT ifnull(sum(length(body)), 0) FROM checkpoints", [], |row| row.get(0))?;
    Ok(sum.cast_unsigned())
}

/// The parts of the checkpoint after this record, in order.
pub(crate) fn parts(connection: &Connection, partition: u16, sequence: u64) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT body FROM checkpoints WHERE place = ?1 ORDER BY part")?;
    let rows = statement.query_map([schema::place(partition, sequence)], |row| row.get(0))?;
    rows.collect()
}

/// The records after which a checkpoint does not read back, or not with all its rows.
pub(crate) fn damaged(connection: &Connection, partition: u16) -> rusqlite::Result<Vec<u64>> {
    let places = schema::places(partition, 0);
    let mut statement = connection.prepare_cached(
        "SELECT place, part, rows, body FROM checkpoints WHERE place BETWEEN ?1 AND ?2 ORDER BY place, part",
    )?;
    let mut parts = statement.query(params![places.start(), places.end()])?;
    let mut found = Vec::new();
    let mut due = (0, 0);
    while let Some(row) = parts.next()? {
        let (place, part): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (written, mut rows): (i64, i64) = (row.get(2)?, 0);
        let read = unpack(row.get_ref(3)?.as_blob()?, &mut |_, _, _| rows += 1);
        let expected = if place == due.0 { due.1 } else { 0 };
        due = (place, part + 1);
        let sequence = schema::sequence(place);
        if (read.is_err() || rows != written || part != expected) && found.last() != Some(&sequence) {
            found.push(sequence);
        }
    }
    Ok(found)
}

/// Forgets the checkpoints in front of this record: what they open has been cut.
pub(crate) fn forget_before(connection: &Connection, partition: u16, sequence: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM checkpoints WHERE place >= ?1 AND place < ?2")?
        .execute([schema::place(partition, 0), schema::place(partition, sequence)])?;
    Ok(())
}
