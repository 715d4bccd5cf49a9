//! Opening: one process at a time, versions, what survives from start to start.

use super::*;
use crate::{ConfigurationRow, OpenError, VERSION, chain};

#[test]
fn a_second_process_finds_the_store_locked() {
    let folder = folder();
    let first = open(folder.path());
    let second = Store::open(folder.path(), &OPTIONS).map(drop);
    assert!(matches!(second, Err(OpenError::Locked { .. })), "{second:?}");
    drop(first);
    let (writer, _reader) = start(folder.path());
    let third = Store::open(folder.path(), &OPTIONS).map(drop);
    assert!(matches!(third, Err(OpenError::Locked { .. })), "{third:?}");
    writer.stop().expect("stops");
    open(folder.path());
}

#[test]
fn a_store_of_a_newer_version_is_refused_with_both_versions() {
    let folder = folder();
    drop(open(folder.path()));
    tamper(folder.path(), "PRAGMA user_version = 3");
    let refused = Store::open(folder.path(), &OPTIONS).map(drop);
    assert!(matches!(refused, Err(OpenError::Newer { found: 3, supported: VERSION })), "{refused:?}");
    assert!(matches!(Reader::open(folder.path()).map(drop), Err(OpenError::Newer { found: 3, .. })));
}

#[test]
fn an_older_store_is_not_read_before_it_is_migrated() {
    let folder = folder();
    drop(open(folder.path()));
    tamper(folder.path(), "PRAGMA user_version = 0");
    assert!(matches!(Reader::open(folder.path()).map(drop), Err(OpenError::Older { found: 0, .. })));
    let refused = Store::open(folder.path(), &OPTIONS).map(drop);
    assert!(matches!(refused, Err(OpenError::NoMigration { found: 0, .. })), "{refused:?}");
}

#[test]
fn what_is_no_store_is_not_taken_for_one() {
    let folder = folder();
    assert!(matches!(Reader::open(folder.path()).map(drop), Err(OpenError::Missing { .. })));
    fs::write(folder.path().join(FILE_NAME), "no database at all, but long enough to hold a header".repeat(9))
        .expect("writes");
    let refused = Store::open(folder.path(), &OPTIONS).map(drop);
    assert!(matches!(refused, Err(OpenError::Database { .. })), "{refused:?}");
    fs::remove_file(folder.path().join(FILE_NAME)).expect("removes");
    tamper(folder.path(), "CREATE TABLE things (name TEXT)");
    let refused = Store::open(folder.path(), &OPTIONS).map(drop);
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
}

#[test]
fn a_file_that_a_crash_left_blank_becomes_a_store() {
    let folder = folder();
    fs::write(folder.path().join(FILE_NAME), "").expect("writes");
    assert_eq!(open(folder.path()).partitions(), 2);
    let blank = super::folder();
    tamper(blank.path(), "VACUUM");
    assert_eq!(open(blank.path()).partitions(), 2);
}

#[test]
fn every_start_has_its_own_number_and_the_partitions_stay() {
    let folder = folder();
    assert_eq!(open(folder.path()).start_number(), 1);
    let other = Options { partitions: 16, ..OPTIONS };
    let again = Store::open(folder.path(), &other).expect("opens");
    assert_eq!((again.start_number(), again.partitions()), (2, 2));
}

#[test]
fn devices_keep_their_numbers() {
    let folder = folder();
    let store = open(folder.path());
    let numbers = |names: &[&str], store: &Store| -> Vec<u32> {
        let names: Vec<_> = names.iter().map(|name| model::Name::from(*name)).collect();
        store.number_devices(&names).expect("numbers").iter().map(|number| number.0).collect()
    };
    assert_eq!(numbers(&["lamp", "door", "lamp"], &store), [1, 2, 1]);
    drop(store);
    let store = open(folder.path());
    assert_eq!(numbers(&["heater", "door"], &store), [3, 2]);
    let (writer, reader) = store.into_writer();
    assert_eq!(writer.number_devices(&["fan".into(), "lamp".into()]).expect("numbers")[0].0, 4);
    assert_eq!(reader.devices().expect("reads").len(), 4);
}

#[test]
fn a_partition_that_does_not_exist_is_named() {
    let folder = folder();
    let store = open(folder.path());
    assert!(store.load(1, &mut |_, _, _| ()).is_ok());
    let error = store.load(2, &mut |_, _, _| ()).expect_err("there are two");
    assert_eq!(error.to_string(), "partition 2 does not exist: the store has 2, counted from 0");
}

/// The tables as version 1 made them.
const VERSION_1: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE devices (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE state (
  partition INTEGER NOT NULL, kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
  PRIMARY KEY (partition, kind, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE journal (
  place INTEGER PRIMARY KEY,
  at INTEGER NOT NULL, observed INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT, key TEXT,
  extent INTEGER NOT NULL, digest BLOB NOT NULL, chain BLOB NOT NULL, payload BLOB,
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
INSERT INTO meta VALUES ('partitions', 2), ('starts', 7);
INSERT INTO devices VALUES (1, 'lamp');
INSERT INTO state VALUES (1, 1, x'6c617374', x'0000000000000003');
INSERT INTO decisions (partition, sequence, idx, at, deployment, key, effect, payload)
VALUES (1, 2, 0, 1700000002000000, 'cold-chain', 'fridge-1', x'00112233445566778899aabbccddeeff', x'010203');
INSERT INTO dead_letters (partition, sequence, at, deployment, key, reason, message, evidence)
VALUES (1, 3, 1700000003000000, 'cold-chain', 'fridge-1', 'trap', 'unreachable', x'09');
PRAGMA application_id = 1347310675;
PRAGMA user_version = 1;
";

/// A store that a program of version 1 left: three records in partition 1, a decision, a dead letter, a waiting effect.
fn version_1(folder: &Path) {
    let connection = rusqlite::Connection::open(folder.join(FILE_NAME)).expect("opens");
    connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL").expect("chosen");
    connection.execute_batch(VERSION_1).expect("the tables of version 1");
    let (mut chain, mut extent) = (chain::GENESIS, 0_i64);
    for row in (1..=3).map(row) {
        let digest = chain::digest(&row.payload);
        let header = chain::Header {
            partition: 1,
            sequence: row.sequence,
            at: row.at.0,
            observed: true,
            begins: false,
            kind: row.kind,
            subject: None,
            key: row.key.as_deref(),
        };
        chain = chain::link(&chain, &header, &digest);
        extent += 128;
        let place = (1_i64 << 47) | row.sequence.cast_signed();
        connection
            .execute(
                "INSERT INTO journal (place, at, observed, kind, subject, key, extent, digest, chain, payload)
                 VALUES (?1, ?2, 1, ?3, NULL, ?4, ?5, ?6, ?7, ?8)",
                rusqlite::params![place, row.at.0, row.kind, row.key.as_deref(), extent, digest, chain, row.payload],
            )
            .expect("a record");
    }
    let OutboxRow { outgoing, attempts, due } = outgoing("effect", "hook");
    let encoded = rmp_serde::to_vec_named(&outgoing).expect("plain data");
    connection
        .execute(
            "INSERT INTO outbox (effect, sink, partition, attempts, due, outgoing) VALUES (?1, 'hook', 1, ?2, ?3, ?4)",
            rusqlite::params![outgoing.effect.0, attempts, due.0, encoded],
        )
        .expect("a waiting effect");
}

#[test]
fn a_store_of_version_1_is_migrated_after_a_copy_and_goes_on() {
    let folder = folder();
    version_1(folder.path());
    assert!(matches!(Reader::open(folder.path()).map(drop), Err(OpenError::Older { found: 1, supported: VERSION })));
    let store = open(folder.path());
    assert_eq!((store.partitions(), store.start_number()), (2, 8));
    assert_eq!(loaded(&store, 1), (3, 3));
    let (writer, reader) = store.into_writer();

    let verified = |partition| {
        let verified = reader.verify(partition).expect("reads");
        (verified.present, verified.damaged)
    };
    assert_eq!(verified(1), (3, 0));
    let rows = reader.journal(1, 1, 10).expect("reads");
    assert!(rows.iter().all(|row| !row.begins), "where turns began was not kept");
    assert_eq!(rows[2].payload.as_deref(), Some(&b"payload 3"[..]));
    assert_eq!(reader.decisions_within(1, (2, 2)).expect("reads").len(), 1);
    assert_eq!(reader.devices().expect("reads"), [(model::DeviceNo(1), "lamp".into())]);
    assert_eq!(reader.dead_letters(10).expect("reads").len(), 1);
    let waiting: Vec<_> = reader.outbox(usize::MAX).expect("reads").into_iter().map(|placed| placed.row).collect();
    assert_eq!(waiting, [outgoing("effect", "hook")]);

    // What only version 2 can keep: where a turn begins, a checkpoint, a configuration.
    let begins = JournalRow { begins: true, ..row(4) };
    let configuration = Some(ConfigurationRow { digest: [5; 32], body: b"a configuration".as_slice().into() });
    let checkpoint = Some(second(3));
    let next = Commit { journal: vec![begins], checkpoint, configuration, ..counting(1, 4) };
    commit(&writer, next);
    assert_eq!(verified(1), (4, 0));
    assert!(reader.journal_row(1, 4).expect("reads").expect("kept").begins);
    assert_eq!(reader.checkpoints(1).expect("reads").len(), 1);
    assert_eq!(reader.configuration(&[5; 32]).expect("reads").as_deref(), Some(&b"a configuration"[..]));
    writer.stop().expect("stops");
    drop((writer, reader));

    let copy = rusqlite::Connection::open(folder.path().join(format!("{FILE_NAME}.v1.bak"))).expect("a copy");
    let version: u32 = copy.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    let records: u32 = copy.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).expect("records");
    assert_eq!((version, records), (1, 3));
    assert!(copy.prepare("SELECT begins FROM journal").is_err(), "the copy is the old version");
    assert_eq!(loaded(&open(folder.path()), 1), (4, 4));
}

/// Tables, columns and indexes; not in which order they were made.
#[test]
fn a_migrated_store_has_the_tables_of_a_new_one() {
    let (old, new) = (folder(), folder());
    version_1(old.path());
    drop((open(old.path()), open(new.path())));
    let shape = |folder: &Path| -> Vec<String> {
        let connection = rusqlite::Connection::open(folder.join(FILE_NAME)).expect("opens");
        let columns = "SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk
                       FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type = 'table'
                       UNION SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1";
        let mut statement = connection.prepare(columns).expect("a question");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("texts")
    };
    assert!(shape(old.path()).iter().any(|column| column.starts_with("journal.begins")));
    assert_eq!(shape(old.path()), shape(new.path()));
}
