//! Checkpoints: the state as it was before a commit, kept as long as the journal that it opens.

use super::*;
use crate::retention::CHUNK;
use crate::{ConfigurationRow, Retention, unpack};

fn checkpointing(partition: u16, sequence: u64) -> Commit {
    Commit { checkpoint: Some(second(sequence - 1)), ..counting(partition, sequence) }
}

fn unpacked(reader: &Reader, partition: u16, sequence: u64) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for part in reader.checkpoint_parts(partition, sequence).expect("reads") {
        unpack(&part, &mut |table, key, value| rows.push((table, key.to_vec(), value.to_vec()))).expect("unpacks");
    }
    rows
}

#[test]
fn a_checkpoint_is_the_state_before_its_commit() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    commit(&writer, counting(0, 1));
    commit(&writer, counting(0, 2));
    commit(&writer, checkpointing(0, 3));
    writer.stop().expect("stops");
    let found = reader.checkpoints(0).expect("reads");
    assert_eq!(found.iter().map(|c| (c.sequence, c.at, c.rows)).collect::<Vec<_>>(), [(2, second(2), 1)]);
    assert_eq!(unpacked(&reader, 0, 2), [(Table::Partition, b"last".to_vec(), 2_u64.to_be_bytes().to_vec())]);
    assert!(reader.checkpoints(1).expect("reads").is_empty());
}

#[test]
fn a_checkpoint_within_a_transaction_holds_what_came_before_it_alone() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let (sender, done) = sync_channel(1);
    let turns = vec![counting(0, 1), counting(0, 2), checkpointing(0, 3), counting(0, 4)];
    writer.submit(turns, signal(sender)).expect("the writer runs");
    done.recv().expect("the turns are committed");
    writer.stop().expect("stops");
    assert_eq!(unpacked(&reader, 0, 2), [(Table::Partition, b"last".to_vec(), 2_u64.to_be_bytes().to_vec())]);
    drop((writer, reader));
    assert_eq!(loaded(&open(folder.path()), 0), (4, 4));
}

#[test]
fn a_large_state_is_kept_in_parts() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let value = |number: u32| [number.to_be_bytes().to_vec(), vec![7; 60_000]].concat();
    let changes = (0..60_u32).map(|n| put(Table::State, &n.to_be_bytes(), &value(n))).collect();
    commit(&writer, Commit { changes, journal: vec![row(1)], ..Commit::default() });
    commit(&writer, checkpointing(0, 2));
    writer.stop().expect("stops");
    assert!(reader.checkpoint_parts(0, 1).expect("reads").len() > 3);
    let rows = unpacked(&reader, 0, 1);
    let expected = (0..60_u32).map(|n| (Table::State, n.to_be_bytes().to_vec(), value(n)));
    assert!(rows.into_iter().eq(expected));
}

#[test]
fn a_part_that_was_cut_or_changed_is_refused() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    commit(&writer, counting(0, 1));
    commit(&writer, checkpointing(0, 2));
    writer.stop().expect("stops");
    let part = reader.checkpoint_parts(0, 1).expect("reads").remove(0);
    assert!(unpack(&part[..part.len() - 1], &mut |_, _, _| ()).is_err());
    assert!(unpack(&zstd::bulk::compress(&[1, 0, 0, 0, 9, 1], 1).expect("compresses"), &mut |_, _, _| ()).is_err());
    assert!(
        unpack(&zstd::bulk::compress(&[99, 0, 0, 0, 0, 0, 0, 0, 0], 1).expect("compresses"), &mut |_, _, _| ())
            .is_err()
    );
}

type Rows = Vec<(Table, Vec<u8>, Vec<u8>)>;

fn rows_of(part: &[u8]) -> Result<Rows, crate::BadCheckpoint> {
    let mut rows = Vec::new();
    unpack(part, &mut |table, key, value| rows.push((table, key.to_vec(), value.to_vec()))).map(|()| rows)
}

#[test]
fn no_flipped_bit_of_a_part_becomes_another_state() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let changes = (0..40_u8).map(|n| put(Table::State, &[n], &[n; 20])).collect();
    commit(&writer, Commit { changes, journal: vec![row(1)], ..Commit::default() });
    commit(&writer, checkpointing(0, 2));
    writer.stop().expect("stops");
    let part = reader.checkpoint_parts(0, 1).expect("reads").remove(0);
    let whole = rows_of(&part).expect("unpacks");
    let mut refused = 0;
    for bit in 0..part.len() * 8 {
        let mut flipped = part.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Some bits of the format mean nothing.
        match rows_of(&flipped) {
            Ok(rows) => assert_eq!(rows, whole, "bit {bit}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > part.len() * 8 * 9 / 10, "{refused} of {} bits", part.len() * 8);
}

#[test]
fn a_part_without_a_checksum_as_older_stores_have_it_is_read() {
    let row = [&[Table::State as u8, 0, 0, 0, 1, 7, 0, 0, 0, 1][..], &[8]].concat();
    let old = zstd::bulk::compress(&row, 1).expect("compresses");
    assert_eq!(rows_of(&old).expect("unpacks"), [(Table::State, vec![7], vec![8])]);
}

#[test]
fn a_damaged_checkpoint_is_named_by_a_verification() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    commit(&writer, counting(0, 1));
    commit(&writer, checkpointing(0, 2));
    commit(&writer, checkpointing(0, 3));
    writer.stop().expect("stops");
    assert_eq!(reader.verify(0).expect("reads").damaged, 0);
    let mut body = reader.checkpoint_parts(0, 1).expect("reads").remove(0);
    let middle = body.len() / 2;
    body[middle] ^= 1;
    let connection = rusqlite::Connection::open(folder.path().join(crate::FILE_NAME)).expect("opens");
    let place = crate::schema::place(0, 1);
    connection.execute("UPDATE checkpoints SET body = ?1 WHERE place = ?2", (&body, place)).expect("writes");
    let damage = crate::Damage { sequence: 1, kind: crate::DamageKind::Checkpoint };
    assert_eq!(reader.verify(0).expect("reads").damage, [damage]);
    connection.execute("DELETE FROM checkpoints WHERE place = ?1", [place]).expect("writes");
    assert_eq!(reader.verify(0).expect("reads").damaged, 0);
    connection.execute("UPDATE checkpoints SET rows = rows + 1", []).expect("writes");
    assert_eq!(reader.verify(0).expect("reads").damage[0].sequence, 2, "one that lacks a row");
}

#[test]
fn the_journal_is_cut_only_up_to_a_checkpoint_and_older_ones_go() {
    let folder = folder();
    let retention = Retention { journal_age: Span::from_hours(1), ..OPTIONS.retention };
    let (writer, reader) = Store::open(folder.path(), &Options { retention, ..OPTIONS }).expect("opens").into_writer();
    let many = CHUNK + 500;
    for sequence in 1..=many {
        let due = [200, 900, CHUNK + 300].contains(&(sequence - 1));
        let checkpoint = due.then(|| second(sequence - 1));
        commit(&writer, Commit { checkpoint, ..counting(0, sequence) });
    }
    // Rows up to second 1 000 are too old now; the newest checkpoint among them is that after 900.
    let journal = vec![JournalRow { at: second(1_001 + 3_600), ..row(many + 1) }];
    commit(&writer, Commit { journal, ..Commit::default() });
    for _ in 0..100 {
        writer.number_devices(&["lamp".into()]).expect("the writer runs");
    }
    writer.stop().expect("stops");
    assert_eq!(reader.bounds(0).expect("reads"), Some((901, many + 1)));
    let kept: Vec<u64> = reader.checkpoints(0).expect("reads").iter().map(|c| c.sequence).collect();
    assert_eq!(kept, [900, CHUNK + 300]);
    assert_eq!(reader.verify(0).expect("reads").damaged, 0);
}

#[test]
fn checkpoints_count_in_what_the_journal_may_weigh() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    // What does not shrink.
    let noise =
        |n: u64| -> Vec<u8> { (0..2_000).flat_map(|m| model::Id::of(&[&[n as u8], &u32::to_be_bytes(m)]).0).collect() };
    for sequence in 1..=40 {
        let checkpoint = (sequence % 10 == 0).then(|| second(sequence - 1));
        let changes = vec![put(Table::State, b"noise", &noise(sequence))];
        commit(&writer, Commit { checkpoint, changes, journal: vec![row(sequence)], ..Commit::default() });
    }
    writer.stop().expect("stops");
    let journal: u64 = reader.stat().expect("reads").partitions.iter().map(|partition| partition.journal_bytes).sum();
    let found = reader.checkpoints(0).expect("reads");
    assert_eq!(found.iter().map(|found| found.sequence).collect::<Vec<_>>(), [9, 19, 29, 39]);
    let all: u64 = found.iter().map(|found| found.bytes).sum();
    drop((writer, reader));

    for (allowed, first) in [(journal + all, 1), (journal + all - 1, 10), (journal + all - found[0].bytes * 3 / 2, 30)]
    {
        let options = Options { retention: Retention { journal_bytes: allowed, ..OPTIONS.retention }, ..OPTIONS };
        let (writer, reader) = Store::open(folder.path(), &options).expect("opens").into_writer();
        commit(&writer, Commit::default());
        for _ in 0..100 {
            writer.number_devices(&["lamp".into()]).expect("the writer runs");
        }
        writer.stop().expect("stops");
        assert_eq!(reader.bounds(0).expect("reads").map(|bounds| bounds.0), Some(first), "{allowed} bytes allowed");
    }
}

#[test]
fn a_configuration_is_kept_once_under_its_digest() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    for sequence in 1..=2 {
        let configuration = Some(ConfigurationRow { digest: [7; 32], body: b"devices".as_slice().into() });
        commit(&writer, Commit { configuration, ..counting(0, sequence) });
    }
    writer.stop().expect("stops");
    assert_eq!(reader.configuration(&[7; 32]).expect("reads").as_deref(), Some(b"devices".as_slice()));
    assert_eq!(reader.configuration(&[8; 32]).expect("reads"), None);
}

#[test]
fn decisions_are_found_by_the_records_that_caused_them() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let decisions = (1..=5).map(|sequence| decision(sequence, true)).collect();
    commit(&writer, Commit { journal: (1..=5).map(row).collect(), decisions, ..Commit::default() });
    writer.stop().expect("stops");
    let found = reader.decisions_within(0, (2, 4)).expect("reads");
    assert_eq!(found.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2, 3, 4]);
}
