//! What is written is read back, by each of its ways.

use super::*;
use crate::{Damage, DamageKind, Placed, StateRow, Verified};

#[test]
fn a_commit_is_read_back_whole() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let everything = Commit {
        partition: 1,
        journal: vec![JournalRow { subject: Some("p-1".into()), observed: false, ..row(1) }, row(2)],
        changes: vec![put(Table::Twin, b"a\0b", b"1"), put(Table::Twin, b"a\0c", b"2"), put(Table::Timer, b"a", b"3")],
        decisions: vec![decision(1, true), decision(2, false)],
        outbox: vec![outgoing("one", "mqtt:shop"), outgoing("two", "hook")],
        settled: vec![],
        retried: Vec::new(),
        dead_letters: vec![dead_letter(2)],
        ..Commit::default()
    };
    commit(&writer, everything.clone());

    let journal = reader.journal(1, 1, 10).expect("reads");
    assert_eq!(journal.len(), 2);
    assert_eq!((&journal[0].subject, journal[0].observed), (&Some("p-1".into()), false));
    assert_eq!(journal[1].payload, Some(everything.journal[1].payload.clone()));
    assert_eq!(reader.journal_tail(1, 1).expect("reads"), journal[1..]);
    assert_eq!(reader.journal_row(1, 2).expect("reads").as_ref(), journal.last());
    assert_eq!(reader.journal(0, 1, 10).expect("reads"), []);

    let twin = |key: &[u8], value: &[u8]| StateRow { key: key.into(), value: value.into() };
    assert_eq!(reader.rows(1, Table::Twin, b"a\0").expect("reads"), [twin(b"a\0b", b"1"), twin(b"a\0c", b"2")]);
    assert_eq!(reader.rows(1, Table::Twin, b"a\0c").expect("reads"), [twin(b"a\0c", b"2")]);
    assert_eq!(reader.rows(0, Table::Twin, b"").expect("reads"), []);

    let placed = |row| Placed { partition: 1, row };
    assert_eq!(reader.outbox(2).expect("reads"), everything.outbox.clone().map_placed());
    assert_eq!(reader.outbox(1).expect("reads"), everything.outbox[..1].to_vec().map_placed(), "the first of them");
    let last = &everything.outbox[1];
    let of_last = reader.outbox_of(last.outgoing.effect).expect("reads");
    assert_eq!(of_last, vec![last.clone()].map_placed());
    let effect = decision(1, true).effect.expect("it has one");
    assert_eq!(reader.decisions_on(effect).expect("reads"), [placed(decision(1, true))]);
    let about = |from, until, limit| {
        reader.decisions_about("cold-chain", "fridge-1", (second(from), second(until)), limit).expect("reads")
    };
    assert_eq!(about(1, 2, 9), [placed(decision(1, true)), placed(decision(2, false))]);
    assert_eq!(about(2, 9, 9), [placed(decision(2, false))]);
    assert_eq!(about(0, 9, 1), [placed(decision(2, false))], "the newest are kept when there are too many");
    let letters = reader.dead_letters(9).expect("reads");
    assert_eq!((letters.len(), letters[0].sequence, letters[0].partition), (1, 2, 1));
    assert_eq!(reader.dead_letter(letters[0].number).expect("reads"), Some(placed_letter()));
    assert_eq!(reader.dead_letter(99).expect("reads"), None);
}

fn placed_letter() -> Placed<DeadLetterRow> {
    Placed { partition: 1, row: dead_letter(2) }
}

trait MapPlaced {
    fn map_placed(self) -> Vec<Placed<OutboxRow>>;
}

impl MapPlaced for Vec<OutboxRow> {
    fn map_placed(self) -> Vec<Placed<OutboxRow>> {
        self.into_iter().map(|row| Placed { partition: 1, row }).collect()
    }
}

#[test]
fn rows_of_one_kind_come_in_order_from_where_they_are_asked_for() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let of_kind = |sequence: u64| JournalRow {
        kind: if sequence.is_multiple_of(3) { "settled" } else { "timer" },
        ..row(sequence)
    };
    commit(&writer, Commit { partition: 1, journal: (1..=9).map(of_kind).collect(), ..Commit::default() });
    commit(&writer, Commit { journal: vec![JournalRow { kind: "settled", ..row(1) }], ..Commit::default() });
    let found = |partition, kind, from, limit| -> Vec<u64> {
        let rows = reader.journal_of_kind(partition, kind, from, limit).expect("reads");
        rows.iter().map(|row| row.sequence).collect()
    };
    assert_eq!(found(1, "settled", 1, 9), [3, 6, 9]);
    assert_eq!(found(1, "settled", 3, 2), [3, 6], "the first that is asked for belongs to it");
    assert_eq!(found(1, "settled", 4, 9), [6, 9]);
    assert_eq!(found(1, "settled", 10, 9), [0; 0]);
    assert_eq!(found(0, "settled", 1, 9), [1], "another partition's rows are its own");
    assert_eq!(found(1, "settle", 1, 9), [0; 0]);
    assert!(reader.journal_of_kind(2, "settled", 1, 9).is_err(), "there is no such partition");
}

#[test]
fn later_changes_of_a_key_win_and_removed_rows_are_gone() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let remove = Change { value: None, ..put(Table::State, b"k", b"") };
    let changes = vec![put(Table::State, b"k", b"1"), put(Table::State, b"k", b"2"), put(Table::State, b"l", b"1")];
    commit(&writer, Commit { changes, ..counting(0, 1) });
    assert_eq!(*reader.rows(0, Table::State, b"k").expect("reads")[0].value, *b"2");
    commit(&writer, Commit { changes: vec![put(Table::State, b"k", b"3"), remove], ..counting(0, 2) });
    assert_eq!(reader.rows(0, Table::State, b"k").expect("reads"), []);
    assert_eq!(reader.rows(0, Table::State, b"").expect("reads").len(), 1);
}

#[test]
fn an_outbox_row_keeps_its_place_until_it_is_settled() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let (first, second_row, third) = (outgoing("one", "a"), outgoing("one", "b"), outgoing("two", "a"));
    commit(&writer, Commit { outbox: vec![first.clone(), second_row.clone(), third.clone()], ..Commit::default() });
    let retried = OutboxRow { attempts: 1, due: second(9), ..first };
    let settled = vec![(second_row.outgoing.effect, second_row.outgoing.sink.clone())];
    commit(&writer, Commit { outbox: vec![retried.clone()], settled, ..Commit::default() });
    let rows: Vec<_> = reader.outbox(usize::MAX).expect("reads").into_iter().map(|placed| placed.row).collect();
    assert_eq!(rows, [retried.clone(), third.clone()]);
    writer.stop().expect("stops");
    let rows: Vec<_> =
        open(folder.path()).outbox(usize::MAX).expect("reads").into_iter().map(|placed| placed.row).collect();
    assert_eq!(rows, [retried, third]);
}

#[test]
fn stat_counts_what_is_there() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let empty = reader.stat().expect("reads");
    assert_eq!((empty.partitions[1].first, empty.partitions[1].last), (0, 0));
    commit(&writer, Commit { decisions: vec![decision(1, true), decision(1, false)], ..counting(1, 1) });
    commit(&writer, Commit { outbox: vec![outgoing("one", "a")], ..counting(1, 2) });
    let stat = reader.stat().expect("reads");
    let partition = &stat.partitions[1];
    assert_eq!((partition.first, partition.last), (1, 2));
    assert_eq!((partition.first_at, partition.last_at), (Some(second(1)), Some(second(2))));
    assert_eq!((stat.decisions, stat.quiet_decisions, stat.outbox, stat.dead_letters), (1, 1, 1, 0));
    assert_eq!(partition.tables.len(), 1);
    assert_eq!(
        (partition.tables[0].table, partition.tables[0].rows, partition.tables[0].bytes),
        (Table::Partition, 1, 12)
    );
    assert!(stat.file_bytes > 0 && stat.log_bytes > 0);
}

/// Twelve rows of which something is done to the fifth, and what `verify` says.
fn verified_after(sql: &str) -> Verified {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    for sequence in 1..=12 {
        commit(&writer, counting(1, sequence));
    }
    let sound = reader.verify(1).expect("reads");
    assert_eq!(sound, Verified { present: 12, ..Verified::default() });
    assert_eq!(tamper(folder.path(), sql), 1);
    reader.verify(1).expect("reads")
}

#[test]
fn a_row_that_was_changed_is_found_and_not_its_neighbours() {
    let fifth = |kind| Verified { present: 11, deleted: 0, damaged: 1, damage: vec![Damage { sequence: 5, kind }] };
    let change = |set: &str| verified_after(&format!("UPDATE journal SET {set} WHERE sequence = 5"));
    assert_eq!(change("chain = randomblob(32)"), fifth(DamageKind::Chain));
    assert_eq!(change("digest = randomblob(32), payload = NULL"), fifth(DamageKind::Chain));
    assert_eq!(change("at = at + 1"), fifth(DamageKind::Chain));
    assert_eq!(change("observed = 0"), fifth(DamageKind::Chain));
    assert_eq!(change("kind = 'timer'"), fifth(DamageKind::Chain));
    assert_eq!(change("subject = ''"), fifth(DamageKind::Chain));
    assert_eq!(change("key = NULL"), fifth(DamageKind::Chain));
    assert_eq!(change("payload = x'00'"), fifth(DamageKind::Payload));
}

#[test]
fn a_deleted_payload_is_counted_and_breaks_nothing() {
    let deleted = verified_after("UPDATE journal SET payload = NULL WHERE sequence = 5");
    assert_eq!(deleted, Verified { present: 11, deleted: 1, ..Verified::default() });
}

#[test]
fn a_row_that_is_gone_is_damage() {
    let gone = verified_after("DELETE FROM journal WHERE sequence = 5");
    let damage = vec![Damage { sequence: 5, kind: DamageKind::Missing }];
    assert_eq!(gone, Verified { present: 11, deleted: 0, damaged: 1, damage });
}
