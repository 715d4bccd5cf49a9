//! The writer: one transaction for all, in order, bounded, and nothing that does not follow.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::queue::{BYTES_MAX, Queue, ROWS_MAX, TURNS_MAX, Turn};
use crate::{Error, Health, Stopped};

#[test]
fn turns_of_all_threads_are_committed_and_acknowledged_in_order() {
    const TURNS: u64 = 200;
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = [0, 1]
        .map(|partition| {
            let (writer, order) = (writer.clone(), Arc::clone(&order));
            thread::spawn(move || {
                for sequence in 1..=TURNS {
                    let order = Arc::clone(&order);
                    let done = Box::new(move || order.lock().expect("no panic").push((partition, sequence)));
                    writer.submit(vec![counting(partition, sequence)], done).expect("the writer runs");
                }
            })
        })
        .into_iter()
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    writer.stop().expect("stops");
    let order = order.lock().expect("no panic").clone();
    for partition in [0, 1] {
        let mine: Vec<u64> = order.iter().filter(|(p, _)| *p == partition).map(|(_, s)| *s).collect();
        assert_eq!(mine, (1..=TURNS).collect::<Vec<_>>());
        assert_eq!(reader.verify(partition).expect("reads").present, TURNS);
    }
    drop((writer, reader));
    let store = open(folder.path());
    assert_eq!(loaded(&store, 0), (TURNS, TURNS));
    assert_eq!(loaded(&store, 1), (TURNS, TURNS));
}

#[test]
fn of_a_row_that_changes_several_times_in_a_transaction_the_last_change_stands() {
    let folder = folder();
    let (writer, _) = start(folder.path());
    let gone = |key: &[u8]| Change { table: Table::State, key: key.into(), value: None };
    let is = |key: &[u8], value: u8| put(Table::State, key, &[value]);
    let first = Commit { changes: vec![is(b"a", 1), is(b"b", 1), is(b"c", 1), is(b"d", 1)], ..Commit::default() };
    let second = Commit { changes: vec![is(b"d", 2), gone(b"a"), gone(b"b"), is(b"d", 3)], ..Commit::default() };
    let third = Commit { changes: vec![is(b"b", 4), put(Table::Timer, b"a", &[9])], ..Commit::default() };
    let other = Commit { partition: 1, changes: vec![gone(b"c"), is(b"a", 7)], ..Commit::default() };
    let (sender, done) = sync_channel(1);
    writer.submit(vec![first, second, third, other], signal(sender)).expect("the writer runs");
    done.recv().expect("the turn is committed");
    writer.stop().expect("stops");
    drop(writer);
    let store = open(folder.path());
    let state = |partition| {
        let mut rows = Vec::new();
        let visit = &mut |table, key: &[u8], value: &[u8]| rows.push((table, key[0], value[0]));
        store.load(partition, visit).expect("the partition loads");
        rows
    };
    let kept = [(Table::State, b'b', 4), (Table::State, b'c', 1), (Table::State, b'd', 3), (Table::Timer, b'a', 9)];
    assert_eq!(state(0), kept);
    assert_eq!(state(1), [(Table::State, b'a', 7)]);
}

#[test]
fn an_attempt_is_kept_in_its_row_and_makes_none() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let row = outgoing("effect", "hook");
    let (effect, sink) = (row.outgoing.effect, row.outgoing.sink.clone());
    commit(&writer, Commit { outbox: vec![row.clone()], ..counting(0, 1) });
    let tried = Retry { effect, sink, attempts: 4, due: second(99) };
    let nobody = Retry { effect: model::Id([9; 16]), ..tried.clone() };
    commit(&writer, Commit { retried: vec![tried, nobody], ..counting(0, 2) });
    let kept: Vec<_> = reader.outbox(usize::MAX).expect("reads").into_iter().map(|placed| placed.row).collect();
    assert_eq!(kept, [OutboxRow { attempts: 4, due: second(99), ..row }]);
    writer.stop().expect("stops");
}

#[test]
fn the_newest_sign_of_life_is_kept_beside_the_journal() {
    let folder = folder();
    assert_eq!(open(folder.path()).alive().expect("reads"), None);
    let (writer, _reader) = start(folder.path());
    for at in [second(7), second(9), second(8)] {
        commit(&writer, Commit { alive: Some(at), ..Commit::default() });
    }
    writer.stop().expect("stops");
    drop(writer);
    assert_eq!(open(folder.path()).alive().expect("reads"), Some(second(9)));
}

#[test]
fn rows_that_do_not_follow_are_refused_before_anything_is_written() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    commit(&writer, counting(0, 1));
    for broken in [counting(0, 1), counting(0, 3), counting(2, 1)] {
        let panicked = catch_unwind(AssertUnwindSafe(|| writer.submit(vec![broken.clone()], Box::new(|| ()))));
        assert!(panicked.is_err(), "{broken:?}");
    }
    commit(&writer, counting(0, 2));
    assert_eq!(writer.health().get(), Health::Healthy);
    assert_eq!(reader.journal(0, 1, 10).expect("reads").len(), 2);
}

#[test]
fn a_stopped_writer_takes_nothing_more() {
    let folder = folder();
    let (writer, _reader) = start(folder.path());
    writer.stop().expect("stops");
    writer.stop().expect("a second stop does nothing");
    assert_eq!(writer.submit(vec![counting(0, 1)], Box::new(|| ())), Err(Stopped));
    assert!(matches!(writer.number_devices(&["lamp".into()]), Err(Error::Stopped)));
}

#[test]
fn the_last_clone_writes_what_waits_before_it_goes() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    for sequence in 1..=50 {
        writer.submit(vec![counting(1, sequence)], Box::new(|| ())).expect("runs");
    }
    drop(writer);
    assert_eq!(reader.journal(1, 1, 100).expect("reads").len(), 50);
}

fn turn(rows: std::ops::RangeInclusive<u64>, bytes: usize) -> Turn {
    let mut journal: Vec<_> = rows.map(|s| JournalRow { payload: Box::default(), ..row(s) }).collect();
    if let Some(first) = journal.first_mut() {
        first.payload = vec![0; bytes].into();
    }
    Turn::new(vec![Commit { partition: 0, journal, ..Commit::default() }], Box::new(|| ()))
}

/// How many turns the first take gives of these.
fn taken(turns: Vec<Turn>) -> usize {
    let queue = Queue::new(vec![1]);
    turns.into_iter().for_each(|turn| queue.push(turn).expect("not stopped"));
    queue.take().expect("work").turns.len()
}

#[test]
fn a_transaction_closes_at_its_rows_and_at_its_bytes() {
    let max = ROWS_MAX as u64;
    assert_eq!(taken(vec![turn(1..=max - 1, 0), turn(max..=max, 0)]), 2);
    assert_eq!(taken(vec![turn(1..=max - 1, 0), turn(max..=max + 1, 0)]), 1);
    // Every commit counts for one byte more than it carries.
    assert_eq!(taken(vec![turn(1..=1, BYTES_MAX - 3), turn(2..=2, 1)]), 2);
    assert_eq!(taken(vec![turn(1..=1, BYTES_MAX - 3), turn(2..=2, 2)]), 1);
    assert_eq!(taken(vec![turn(1..=max * 2, BYTES_MAX * 2)]), 1, "a turn is never split");
}

#[test]
fn a_full_queue_holds_the_next_turn_back() {
    let queue = Arc::new(Queue::new(vec![1]));
    for sequence in 1..=TURNS_MAX as u64 {
        queue.push(turn(sequence..=sequence, 0)).expect("there is room");
    }
    let (sender, pushed) = sync_channel(1);
    let (other, next) = (Arc::clone(&queue), TURNS_MAX as u64 + 1);
    let thread = thread::spawn(move || {
        other.push(turn(next..=next, 0)).expect("not stopped");
        sender.send(()).expect("the test waits");
    });
    assert!(pushed.try_recv().is_err());
    assert_eq!(queue.take().expect("work").turns.len(), TURNS_MAX);
    pushed.recv().expect("the turn goes in when there is room");
    thread.join().expect("no panic");
}
