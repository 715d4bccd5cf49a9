//! The tables, and where a journal row lies in its table.

use std::ops::RangeInclusive;

/// The database's name inside the data folder.
pub const FILE_NAME: &str = "pointsman.db";
/// The version of the tables that this program writes.
pub const VERSION: u32 = 2;
/// Marks the file as ours: `PNTS` in ASCII.
pub(crate) const APPLICATION_ID: i32 = 0x504e_5453;
/// Bits of a journal row's place that hold the sequence; the partition stands above them.
const SEQUENCE_BITS: u32 = 47;
/// The last sequence that a partition can have: a million a second for four years.
pub(crate) const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;

/// The tables of version 2.
///
/// A journal row's place is one number, `partition << 47 | sequence`, so that a partition's rows lie side by side in
/// one tree and are appended at its end; `extent` is the number of bytes of the partition's journal up to and with that
/// row, so that the size between two rows is one subtraction. A payload that was deleted is null. `anchors` holds, for
/// each partition whose oldest rows were cut, the last row that was cut. `recent` and `quiet` hold
/// decisions without effect or refusal. `checkpoints` holds a partition's state as it was after a record, in parts that
/// are compressed each by itself; `configurations` what the journal names by its digest.
pub(crate) const TABLES: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE devices (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE state (
  partition INTEGER NOT NULL, kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (partition, kind, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
  place INTEGER PRIMARY KEY,
  at INTEGER NOT NULL, observed INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT, key TEXT,
  extent INTEGER NOT NULL, digest BLOB NOT NULL, chain BLOB NOT NULL, payload BLOB, begins INTEGER NOT NULL DEFAULT 0,
  partition INTEGER GENERATED ALWAYS AS (place >> 47) VIRTUAL,
  sequence INTEGER GENERATED ALWAYS AS (place & 140737488355327) VIRTUAL
) STRICT;
CREATE TABLE anchors (
  partition INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, extent INTEGER NOT NULL, chain BLOB NOT NULL
) STRICT;
CREATE TABLE decisions (
  place INTEGER PRIMARY KEY,
  partition INTEGER NOT NULL, sequence INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL,
  deployment TEXT NOT NULL, key TEXT NOT NULL, effect BLOB, payload BLOB NOT NULL
) STRICT;
CREATE INDEX decisions_by_effect ON decisions (effect) WHERE effect IS NOT NULL;
CREATE INDEX decisions_by_key ON decisions (deployment, key, at);
CREATE INDEX decisions_by_record ON decisions (partition, sequence);
CREATE TABLE recent (
  place INTEGER PRIMARY KEY,
  partition INTEGER NOT NULL, sequence INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL,
  deployment TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE TABLE quiet (
  deployment TEXT NOT NULL, key TEXT NOT NULL, slot INTEGER NOT NULL,
  partition INTEGER NOT NULL, sequence INTEGER NOT NULL, idx INTEGER NOT NULL, at INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (deployment, key, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
  place INTEGER PRIMARY KEY,
  effect BLOB NOT NULL, sink TEXT NOT NULL, partition INTEGER NOT NULL, attempts INTEGER NOT NULL,
  due INTEGER NOT NULL, outgoing BLOB NOT NULL,
  UNIQUE (effect, sink)
) STRICT;
CREATE TABLE dead_letters (
  place INTEGER PRIMARY KEY,
  partition INTEGER NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, deployment TEXT NOT NULL,
  key TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, evidence BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoints (
  place INTEGER NOT NULL, part INTEGER NOT NULL, at INTEGER NOT NULL, rows INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (place, part)
) STRICT;
CREATE TABLE configurations (digest BLOB PRIMARY KEY, body BLOB NOT NULL) STRICT;
";

/// What version 2 has and version 1 had not.
pub(crate) const FROM_1_TO_2: &str = "
ALTER TABLE journal ADD COLUMN begins INTEGER NOT NULL DEFAULT 0;
CREATE TABLE checkpoints (
  place INTEGER NOT NULL, part INTEGER NOT NULL, at INTEGER NOT NULL, rows INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (place, part)
) STRICT;
CREATE TABLE configurations (digest BLOB PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE INDEX decisions_by_record ON decisions (partition, sequence);
";

/// Where the row of this partition and sequence lies.
pub(crate) fn place(partition: u16, sequence: u64) -> i64 {
    let sequence = i64::try_from(sequence.min(SEQUENCE_MAX)).expect("47 bits fit");
    (i64::from(partition) << SEQUENCE_BITS) | sequence
}

/// The sequence of the row at this place.
pub(crate) fn sequence(place: i64) -> u64 {
    place.cast_unsigned() & SEQUENCE_MAX
}

/// The places of a partition's rows from one sequence on.
pub(crate) fn places(partition: u16, from: u64) -> RangeInclusive<i64> {
    place(partition, from)..=place(partition, SEQUENCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_neighbouring_partitions_do_not_meet() {
        assert!(place(0, SEQUENCE_MAX) < place(1, 0));
        assert_eq!(place(0, SEQUENCE_MAX + 1), place(0, SEQUENCE_MAX));
        assert_eq!(sequence(place(u16::MAX, SEQUENCE_MAX)), SEQUENCE_MAX);
        assert_eq!(sequence(place(7, 42)), 42);
        assert_eq!(places(u16::MAX, 1).end(), &i64::MAX);
    }
}
