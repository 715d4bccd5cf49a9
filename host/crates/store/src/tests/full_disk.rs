//! A full disk: nothing is acknowledged, nothing is lost, and it goes on when there is room.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::*;
use crate::{Health, Medium, Stopped};

/// A commit that needs more pages than are left.
fn large(sequence: u64) -> Commit {
    let journal = vec![JournalRow { payload: vec![7; 64 * 1024].into(), ..row(sequence) }];
    Commit { journal, ..counting(0, sequence) }
}

fn start_on(folder: &Path, medium: &Medium) -> (Writer, Reader) {
    Store::open_on(folder, &OPTIONS, medium.clone()).expect("opens").into_writer()
}

fn numbered(sender: &SyncSender<u64>, number: u64) -> Done {
    let sender = sender.clone();
    Box::new(move || sender.send(number).expect("the test waits"))
}

#[test]
fn a_commit_waits_for_room_and_those_behind_it_keep_their_order() {
    let folder = folder();
    let medium = Medium::default();
    let (writer, reader) = start_on(folder.path(), &medium);
    commit(&writer, counting(0, 1));
    medium.page_limit.store(1, Ordering::Relaxed);
    let (sender, done) = sync_channel(8);
    writer.submit(vec![large(2)], numbered(&sender, 2)).expect("runs");
    let health = writer.health().wait_while(|health| !matches!(health, Health::Failing { attempts: 2.., .. }));
    let Health::Failing { reason, .. } = health else { panic!("{health:?}") };
    assert_eq!(&*reason, "failed to commit: database or disk is full");
    writer.submit(vec![large(3)], numbered(&sender, 3)).expect("runs");
    assert!(done.try_recv().is_err(), "nothing is acknowledged");
    assert_eq!(reader.journal(0, 1, 9).expect("reads").len(), 1);

    medium.page_limit.store(1 << 20, Ordering::Relaxed);
    assert_eq!((done.recv(), done.recv()), (Ok(2), Ok(3)));
    assert_eq!(writer.health().wait_while(|health| *health != Health::Healthy), Health::Healthy);
    assert_eq!(reader.verify(0).expect("reads").present, 3);
    assert_eq!(reader.rows(0, Table::Partition, b"last").expect("reads").len(), 1);
}

#[test]
fn a_stop_on_a_full_disk_gives_up_what_was_never_acknowledged() {
    let folder = folder();
    let medium = Medium::default();
    let (writer, reader) = start_on(folder.path(), &medium);
    commit(&writer, counting(0, 1));
    medium.page_limit.store(1, Ordering::Relaxed);
    let (sender, done) = sync_channel(8);
    writer.submit(vec![large(2)], numbered(&sender, 2)).expect("runs");
    let _ = writer.health().wait_while(|health| *health == Health::Healthy);
    writer.submit(vec![large(3)], numbered(&sender, 3)).expect("runs");
    let error = writer.stop().expect_err("it cannot write");
    assert_eq!(error.turns, 2);
    assert_eq!(
        error.to_string(),
        "failed to write 2 turns before the stop: failed to commit: database or disk is full"
    );
    drop(sender);
    assert_eq!(done.iter().count(), 0, "nothing is acknowledged");
    assert_eq!(writer.submit(vec![large(4)], Box::new(|| ())), Err(Stopped));
    assert_eq!(reader.journal(0, 1, 9).expect("reads").len(), 1);
    drop((writer, reader));
    assert_eq!(loaded(&open(folder.path()), 0), (1, 1));
}

#[test]
fn a_store_that_has_no_room_to_open_says_so_and_opens_once_there_is() {
    let folder = folder();
    let medium = Medium::default();
    medium.page_limit.store(3, Ordering::Relaxed);
    let full = Store::open_on(folder.path(), &OPTIONS, medium.clone()).map(drop).expect_err("no room for its tables");
    assert!(full.is_full(), "{full:?}");
    medium.page_limit.store(0, Ordering::Relaxed);
    let store = Store::open_on(folder.path(), &OPTIONS, medium).expect("opens");
    let again = Store::open(folder.path(), &OPTIONS).map(drop).expect_err("it is locked");
    assert!(!again.is_full(), "{again:?}");
    drop(store);
}

#[test]
fn a_commit_that_turns_out_to_be_on_disk_is_not_written_twice() {
    let folder = folder();
    let store = open(folder.path());
    let (writer, reader) = store.into_writer();
    commit(&writer, counting(0, 1));
    writer.stop().expect("stops");
    let connection = crate::connection::reading(&folder.path().join(FILE_NAME)).expect("opens");
    let books = crate::books::Books::load(&connection, 2).expect("loads");
    assert!(books.contain(&[counting(0, 1)]));
    assert!(!books.contain(&[counting(0, 2)]));
    assert!(!books.contain(&[Commit::default()]), "what carries no journal row may be written twice");
    drop(reader);
}
