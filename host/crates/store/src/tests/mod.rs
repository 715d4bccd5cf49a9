//! Tests of the whole store over real files.

mod checkpoints;
mod crash;
mod faults;
mod full_disk;
mod keeping;
mod opening;
mod reading;
mod saving;
mod torn;
mod writing;

use std::fs;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use model::outgoing::{Outgoing, OutgoingBody};
use model::{Id, Instant, Span};
use tempfile::TempDir;

use crate::{
    Change, Commit, DeadLetterRow, DecisionRow, Done, FILE_NAME, JournalRow, Options, OutboxRow, Reader, Retry, Store,
    Table, Writer,
};

const OPTIONS: Options = Options {
    partitions: 2,
    retention: crate::Retention {
        journal_age: Span::from_days(30),
        journal_bytes: 4 << 30,
        decisions_age: Span::from_days(90),
    },
};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(folder: &Path) -> Store {
    Store::open(folder, &OPTIONS).expect("the store opens")
}

fn start(folder: &Path) -> (Writer, Reader) {
    open(folder).into_writer()
}

/// Hands over one turn and waits until it is on disk.
fn commit(writer: &Writer, commit: Commit) {
    let (sender, done) = sync_channel(1);
    writer.submit(vec![commit], signal(sender)).expect("the writer runs");
    done.recv().expect("the turn is committed");
}

fn signal(sender: std::sync::mpsc::SyncSender<()>) -> Done {
    Box::new(move || sender.send(()).expect("the test waits"))
}

fn row(sequence: u64) -> JournalRow {
    JournalRow {
        sequence,
        at: second(sequence),
        observed: true,
        begins: false,
        kind: "observation",
        subject: None,
        key: Some("fridge-1".into()),
        payload: format!("payload {sequence}").into_bytes().into(),
    }
}

fn second(number: u64) -> Instant {
    Instant(1_700_000_000_000_000) + Span::from_secs(number)
}

/// A commit of one row that also counts in the state, so that state and journal can be compared.
fn counting(partition: u16, sequence: u64) -> Commit {
    Commit {
        partition,
        journal: vec![row(sequence)],
        changes: vec![put(Table::Partition, b"last", &sequence.to_be_bytes())],
        ..Commit::default()
    }
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Change {
    Change { table, key: key.into(), value: Some(value.into()) }
}

fn outgoing(name: &str, sink: &str) -> OutboxRow {
    let body = OutgoingBody::Publish {
        topic: "a/b".into(),
        payload: vec![0, 255].into(),
        content_type: None,
        retained: false,
    };
    let outgoing = Outgoing {
        effect: Id::of(&[name.as_bytes()]),
        sink: sink.into(),
        target: "a/b".into(),
        committed_at: second(1),
        expires_at: Some(second(301)),
        body,
    };
    OutboxRow { outgoing, attempts: 0, due: second(1) }
}

fn decision(sequence: u64, notable: bool) -> DecisionRow {
    DecisionRow {
        sequence,
        index: 0,
        at: second(sequence),
        deployment: "cold-chain".into(),
        key: "fridge-1".into(),
        effect: notable.then(|| Id::of(&[&sequence.to_be_bytes()])),
        notable,
        payload: vec![1, 2, 3].into(),
    }
}

fn dead_letter(sequence: u64) -> DeadLetterRow {
    DeadLetterRow {
        sequence,
        at: second(sequence),
        deployment: "cold-chain".into(),
        key: "fridge-1".into(),
        reason: "trap".into(),
        message: "unreachable".into(),
        case: vec![9].into(),
    }
}

/// The last sequence and what the state says it is.
fn loaded(store: &Store, partition: u16) -> (u64, u64) {
    let mut counted = 0;
    let loaded = store
        .load(partition, &mut |table, key, value| {
            assert_eq!((table, key), (Table::Partition, &b"last"[..]));
            counted = u64::from_be_bytes(value.try_into().expect("8 bytes"));
        })
        .expect("the partition loads");
    (loaded.sequence, counted)
}

/// What a crash at this moment would leave: the database and its log, nothing that is in memory only.
fn copy_files(from: &Path, to: &Path) {
    fs::copy(from.join(FILE_NAME), to.join(FILE_NAME)).expect("copies the database");
    fs::copy(log(from), log(to)).expect("copies the log");
}

fn log(folder: &Path) -> std::path::PathBuf {
    folder.join(format!("{FILE_NAME}-wal"))
}

/// A second hand on the database, for what the store itself would never do to it.
fn tamper(folder: &Path, sql: &str) -> usize {
    let connection = rusqlite::Connection::open(folder.join(FILE_NAME)).expect("opens");
    connection.execute(sql, []).expect("the statement runs")
}
