//! Opening: one process at a time, versions, what survives from start to start.

use super::*;
use crate::{OpenError, VERSION};

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
