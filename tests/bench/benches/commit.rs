//! Turns whose commit reaches the disk before the next one begins, and the same number of rows by SQLite alone.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bench::installation::{Feed, Size};
use divan::Bencher;
use divan::counter::ItemsCount;
use engine::Persistence;
use rusqlite::Connection;
use store::{Options, Store, Writer};

/// Turns that may wait for the disk at once where the engine does not wait for each.
const AHEAD: usize = 64;
/// About what the journal keeps of one event of three readings.
const ROW_BYTES: usize = 400;

fn main() {
    divan::main();
}

/// Each turn waits until it is on disk: what one source sees that sends its next message after the acknowledgement.
#[divan::bench(args = [1, 16, 256], sample_count = 50)]
fn turn_by_turn(bencher: Bencher<'_, '_>, events: usize) {
    let mut host = Host::new(1);
    bencher.counter(ItemsCount::new(events)).bench_local(|| host.turn(events));
}

/// Turns follow each other while the disk writes, as the host's engine threads work: the store groups them.
#[divan::bench(args = [1, 16, 256], sample_count = 50)]
fn turns_in_flight(bencher: Bencher<'_, '_>, events: usize) {
    let mut host = Host::new(AHEAD);
    bencher.counter(ItemsCount::new(events * AHEAD)).bench_local(|| (0..AHEAD).for_each(|_| host.turn(events)));
}

/// The baseline: one row for each event and one transaction for each turn, with the journal's mode and nothing else.
#[divan::bench(args = [1, 16, 256], sample_count = 50)]
fn sqlite_alone(bencher: Bencher<'_, '_>, events: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut connection = open(&folder.path().join("rows.db")).expect("a database");
    bencher
        .counter(ItemsCount::new(events))
        .bench_local(|| insert(&mut connection, events).expect("the disk has room"));
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE rows (sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL);",
    )?;
    Ok(connection)
}

fn insert(connection: &mut Connection, events: usize) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached("INSERT INTO rows (payload) VALUES (?1)")?;
        for _ in 0..events {
            statement.execute([&[7_u8; ROW_BYTES][..]])?;
        }
    }
    transaction.commit()
}

/// An engine and its store, in the way in which the host runs them.
struct Host {
    feed: Feed,
    writer: Writer,
    written: (SyncSender<()>, Receiver<()>),
    waiting: usize,
    ahead: usize,
    _folder: tempfile::TempDir,
}

impl Host {
    /// At most `ahead` turns are on their way to the disk at once.
    fn new(ahead: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path(), &Options::default()).expect("a new store");
        let (writer, _) = store.into_writer();
        let feed = Feed::cold(Size { persistence: Persistence::Store, ..Size::default() });
        Self { feed, writer, written: sync_channel(ahead), waiting: 0, ahead, _folder: folder }
    }

    fn turn(&mut self, events: usize) {
        let turn = self.feed.turn(events);
        let written = self.written.0.clone();
        let done = Box::new(move || _ = written.send(()));
        self.writer.submit(turn.commits, done).expect("the store runs");
        self.waiting += 1;
        while self.waiting >= self.ahead {
            self.written.1.recv().expect("the turn is written");
            self.waiting -= 1;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.writer.stop().expect("all turns are written");
    }
}
