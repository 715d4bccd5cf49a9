//! Backup and restore.

use super::*;
use crate::{BackupError, RestoreError, backup, restore};

fn filled(folder: &Path) -> (Writer, Reader) {
    let (writer, reader) = start(folder);
    for sequence in 1..=20 {
        commit(&writer, counting(0, sequence));
    }
    (writer, reader)
}

#[test]
fn a_backup_taken_while_commits_go_on_is_restored() {
    let (folder, place, target) = (folder(), folder(), folder());
    let (writer, reader) = filled(folder.path());
    let file = place.path().join("hub.backup");
    let thread = std::thread::spawn(move || {
        for sequence in 21..=120 {
            commit(&writer, counting(0, sequence));
        }
    });
    backup(&reader, &file).expect("backs up");
    thread.join().expect("no panic");
    assert_eq!(fs::read_dir(place.path()).expect("lists").count(), 1, "one file and nothing beside it");

    let into = target.path().join("data");
    restore(&file, &into).expect("restores");
    let store = open(&into);
    let (last, counted) = loaded(&store, 0);
    assert!((20..=120).contains(&last) && last == counted, "{last} {counted}");
    assert!(store.start_number() > 1_000_000, "no run before the backup has this number");
    let (writer, reader) = store.into_writer();
    commit(&writer, counting(0, last + 1));
    assert_eq!(reader.verify(0).expect("reads").present, last + 1);
}

#[test]
fn a_backup_replaces_the_one_before() {
    let (folder, place, target) = (folder(), folder(), folder());
    let (writer, reader) = filled(folder.path());
    let file = place.path().join("hub.backup");
    backup(&reader, &file).expect("backs up");
    commit(&writer, counting(0, 21));
    fs::write(place.path().join("hub.backup.part"), "left by an interrupted one").expect("writes");
    backup(&reader, &file).expect("backs up again");
    restore(&file, target.path()).expect("restores");
    assert_eq!(loaded(&open(target.path()), 0), (21, 21));
}

#[test]
fn a_backup_that_cannot_be_written_leaves_nothing() {
    let (folder, place) = (folder(), folder());
    let (_writer, reader) = filled(folder.path());
    let refused = backup(&reader, &place.path().join("absent/hub.backup"));
    assert!(matches!(refused, Err(BackupError::Database { .. })), "{refused:?}");
    let taken = place.path().join("taken");
    fs::create_dir(&taken).expect("makes a folder");
    let refused = backup(&reader, &taken);
    assert!(matches!(refused, Err(BackupError::File { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(place.path()).expect("lists").count(), 1);
}

#[test]
fn a_restore_goes_into_an_empty_folder_only() {
    let (folder, place, target) = (folder(), folder(), folder());
    let (_writer, reader) = filled(folder.path());
    let file = place.path().join("hub.backup");
    backup(&reader, &file).expect("backs up");
    fs::write(target.path().join("note.txt"), "mine").expect("writes");
    let refused = restore(&file, target.path());
    assert!(matches!(&refused, Err(RestoreError::NotEmpty { entry, .. }) if entry == "note.txt"), "{refused:?}");
    assert!(!target.path().join(FILE_NAME).exists());
    let absent = restore(&place.path().join("absent"), target.path());
    assert!(matches!(absent, Err(RestoreError::Missing { .. })), "{absent:?}");
}

/// What a restore says of a backup whose bytes were changed like this.
fn restored(change: impl Fn(&mut Vec<u8>)) -> RestoreError {
    let (folder, place, target) = (folder(), folder(), folder());
    let (_writer, reader) = filled(folder.path());
    let file = place.path().join("hub.backup");
    backup(&reader, &file).expect("backs up");
    let sound = fs::read(&file).expect("reads");
    let mut bytes = sound.clone();
    change(&mut bytes);
    fs::write(&file, bytes).expect("writes");
    let refused = restore(&file, target.path()).expect_err("it is no sound backup");
    assert!(!target.path().join(FILE_NAME).exists(), "{refused}");
    fs::write(&file, sound).expect("writes");
    restore(&file, target.path()).expect("what failed does not stand in the way of the next try");
    refused
}

#[test]
fn a_restore_does_not_touch_a_folder_that_is_in_use() {
    let (folder, place, target) = (folder(), folder(), folder());
    let (_writer, reader) = filled(folder.path());
    let file = place.path().join("hub.backup");
    backup(&reader, &file).expect("backs up");
    let held = crate::lock::Lock::take(target.path()).ok().expect("nobody has it");
    let refused = restore(&file, target.path());
    assert!(matches!(refused, Err(RestoreError::Locked { .. })), "{refused:?}");
    drop(held);
    restore(&file, target.path()).expect("nobody has it any more");
}

#[test]
fn a_backup_that_is_damaged_or_not_ours_is_refused() {
    let damaged = restored(|bytes| bytes[4_096 * 4..4_096 * 5].fill(0xa5));
    assert!(matches!(damaged, RestoreError::Damaged { .. } | RestoreError::Unusable { .. }), "{damaged:?}");
    let short = restored(|bytes| bytes.truncate(4_096 * 3));
    assert!(matches!(short, RestoreError::Damaged { .. } | RestoreError::Unusable { .. }), "{short:?}");
    let random = unusable(&restored(|bytes| bytes.fill(7)));
    assert!(random.starts_with("failed to read the store"), "{random}");
    // Bytes 60 to 63 of the file are its version, 68 to 71 the mark of its program.
    let newer = unusable(&restored(|bytes| bytes[63] = 9));
    assert_eq!(newer, "the store has version 9, and this program knows versions up to 2: use a newer program");
    let foreign = unusable(&restored(|bytes| bytes[68] = 0));
    assert!(foreign.ends_with("is a database of another program"), "{foreign}");
}

fn unusable(error: &RestoreError) -> String {
    match error {
        RestoreError::Unusable { source, .. } => source.to_string(),
        other => panic!("{other:?}"),
    }
}
