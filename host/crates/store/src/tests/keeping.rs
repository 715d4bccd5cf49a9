//! Retention: the oldest goes, in pieces; the chain goes on from the anchor.

use super::*;
use crate::quiet;
use crate::retention::CHUNK;
use crate::{Retention, Verified};

fn start_keeping(folder: &Path, retention: Retention) -> (Writer, Reader) {
    Store::open(folder, &Options { retention, ..OPTIONS }).expect("opens").into_writer()
}

/// Rows of one commit that lie one second apart.
fn rows(partition: u16, sequences: std::ops::RangeInclusive<u64>) -> Commit {
    let decisions = sequences.clone().map(|sequence| decision(sequence, true)).collect();
    Commit { partition, journal: sequences.map(row).collect(), decisions, ..Commit::default() }
}

/// A commit of one row at this second, long after the others.
fn late(partition: u16, sequence: u64, at: u64) -> Commit {
    let journal = vec![JournalRow { at: second(at), ..row(sequence) }];
    Commit { partition, journal, ..Commit::default() }
}

fn span(reader: &Reader, partition: u16) -> (u64, u64) {
    let stat = reader.stat().expect("reads");
    let partition = &stat.partitions[usize::from(partition)];
    (partition.first, partition.last)
}

/// Gives the writer an occasion for upkeep, until what is awaited has come. Every request is followed by a piece of it.
fn until(writer: &Writer, come: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if come() {
            return;
        }
        writer.number_devices(&["lamp".into()]).expect("the writer runs");
    }
    panic!("it never came");
}

#[test]
fn rows_beyond_their_age_are_cut_in_pieces_and_the_chain_goes_on() {
    let folder = folder();
    let retention = Retention { journal_age: Span::from_hours(1), ..OPTIONS.retention };
    let (writer, reader) = start_keeping(folder.path(), retention);
    let many = 2 * CHUNK + 100;
    commit(&writer, rows(0, 1..=many));
    commit(&writer, rows(1, 1..=10));
    // At this instant the row of second 2 000 is an hour old to the microsecond, and stays.
    commit(&writer, late(0, many + 1, 2_000 + 3_600));
    until(&writer, || span(&reader, 0).0 >= 2_000 && span(&reader, 1).0 >= 10);
    writer.stop().expect("stops");
    assert_eq!(span(&reader, 0), (2_000, many + 1));
    assert_eq!(span(&reader, 1), (10, 10), "the last row stays, whatever its age");
    let verified = Verified { present: many + 1 - 1_999, ..Verified::default() };
    assert_eq!(reader.verify(0).expect("reads"), verified);

    drop((writer, reader));
    let (writer, reader) = start_keeping(folder.path(), retention);
    commit(&writer, late(1, 11, 2_000 + 3_600));
    assert_eq!(reader.verify(1).expect("reads").damaged, 0);
    assert_eq!(reader.journal(0, 1, 1).expect("reads")[0].sequence, 2_000);
}

#[test]
fn a_journal_beyond_its_size_loses_its_oldest_rows() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    commit(&writer, rows(0, 1..=100));
    let bytes = reader.stat().expect("reads").partitions[0].journal_bytes;
    writer.stop().expect("stops");
    drop((writer, reader));

    // One more row in another partition is too much by that row.
    let retention = Retention { journal_bytes: bytes, ..OPTIONS.retention };
    let (writer, reader) = start_keeping(folder.path(), retention);
    commit(&writer, late(1, 1, 101));
    until(&writer, || span(&reader, 0).0 >= 2);
    writer.stop().expect("stops");
    assert_eq!((span(&reader, 0), span(&reader, 1)), ((2, 100), (1, 1)));
    let stat = reader.stat().expect("reads");
    assert!(stat.partitions.iter().map(|partition| partition.journal_bytes).sum::<u64>() <= bytes);
}

#[test]
fn a_journal_within_its_size_stays() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    commit(&writer, rows(0, 1..=100));
    let bytes = reader.stat().expect("reads").partitions[0].journal_bytes;
    writer.stop().expect("stops");
    drop((writer, reader));
    let retention = Retention { journal_bytes: bytes, ..OPTIONS.retention };
    let (writer, reader) = start_keeping(folder.path(), retention);
    commit(&writer, Commit::default());
    // The answer to the second request comes after the upkeep that follows the commit.
    writer.number_devices(&["lamp".into()]).expect("numbers");
    writer.stop().expect("stops");
    assert_eq!(span(&reader, 0), (1, 100));
}

#[test]
fn decisions_beyond_their_age_go() {
    let folder = folder();
    let retention = Retention { decisions_age: Span::from_hours(1), ..OPTIONS.retention };
    let (writer, reader) = start_keeping(folder.path(), retention);
    let many = CHUNK + 100;
    commit(&writer, rows(0, 1..=many));
    commit(&writer, late(0, many + 1, CHUNK + 50 + 3_600));
    until(&writer, || reader.stat().expect("reads").decisions <= 51);
    writer.stop().expect("stops");
    let kept = reader.decisions_about("cold-chain", "fridge-1", (Instant::MIN, Instant::MAX), 9_999).expect("reads");
    assert_eq!(kept.first().map(|placed| placed.row.sequence), Some(CHUNK + 50));
    assert_eq!(kept.len(), 51);
    assert_eq!(span(&reader, 0), (1, many + 1), "the journal has its own age");
}

#[test]
fn dead_letters_beyond_their_age_go_and_are_counted() {
    let folder = folder();
    let retention = Retention { decisions_age: Span::from_hours(1), ..OPTIONS.retention };
    let (writer, reader) = start_keeping(folder.path(), retention);
    let letters = Commit { dead_letters: (1..=20).map(dead_letter).collect(), ..rows(0, 1..=20) };
    commit(&writer, letters);
    commit(&writer, late(0, 21, 10 + 3_600));
    until(&writer, || reader.stat().expect("reads").dead_letters_removed > 0);
    writer.stop().expect("stops");
    let stat = reader.stat().expect("reads");
    assert_eq!((stat.dead_letters, stat.dead_letters_removed), (11, 9), "the one that is an hour old stays");
    assert_eq!(stat.dead_letter_reasons.get("trap"), Some(&11));
}

#[test]
fn as_many_dead_letters_are_kept_as_the_limit_says_and_no_more() {
    keeps_letters_up_to(model::limits::DEAD_LETTERS, || dead_letter(1));
}

#[test]
fn dead_letters_weigh_together_what_the_limit_says_and_no_more() {
    const CASE: usize = 1 << 20;
    let letter = || DeadLetterRow { case: vec![9; CASE].into(), ..dead_letter(1) };
    keeps_letters_up_to(model::limits::DEAD_LETTER_BYTES / CASE as u64, letter);
}

/// So many letters are kept, and one more costs the oldest.
fn keeps_letters_up_to(limit: u64, letter: impl Fn() -> DeadLetterRow) {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let letters = |count: u64| (0..count).map(|_| letter()).collect::<Vec<_>>();
    commit(&writer, Commit { dead_letters: letters(limit), ..rows(0, 1..=1) });
    commit(&writer, late(0, 2, 100));
    until(&writer, || reader.stat().expect("reads").partitions[0].last == 2);
    assert_eq!(reader.stat().expect("reads").dead_letters_removed, 0);
    commit(&writer, Commit { dead_letters: letters(1), ..late(0, 3, 200) });
    until(&writer, || reader.stat().expect("reads").dead_letters_removed == 1);
    writer.stop().expect("stops");
    assert_eq!(reader.stat().expect("reads").dead_letters, limit);
}

#[test]
fn a_large_log_is_moved_into_the_database_when_nobody_waits() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let before = reader.stat().expect("reads").file_bytes;
    let payload = vec![3_u8; 1 << 20];
    for sequence in 1..=10 {
        let journal = vec![JournalRow { payload: payload.clone().into(), ..row(sequence) }];
        commit(&writer, Commit { journal, ..Commit::default() });
    }
    // The file itself has grown: what the reader counts would include the log.
    let moved = || fs::metadata(folder.path().join(FILE_NAME)).expect("the database").len();
    until(&writer, || moved() > before + (8 << 20));
}

#[test]
fn space_of_cut_rows_is_given_back() {
    let folder = folder();
    let retention = Retention { journal_bytes: 1 << 20, ..OPTIONS.retention };
    let (writer, reader) = start_keeping(folder.path(), retention);
    let payload = vec![3_u8; 1 << 20];
    for sequence in 1..=40 {
        let journal = vec![JournalRow { payload: payload.clone().into(), at: second(sequence * 61), ..row(sequence) }];
        commit(&writer, Commit { journal, ..Commit::default() });
    }
    until(&writer, || reader.stat().expect("reads").file_bytes < 16 << 20);
    writer.stop().expect("stops");
    assert_eq!(span(&reader, 0), (40, 40));
}

fn quiet_of(key: &str, sequence: u64) -> DecisionRow {
    DecisionRow { key: key.into(), ..decision(sequence, false) }
}

/// The sequences of the quiet decisions about this key.
fn quiet_about(reader: &Reader, key: &str) -> Vec<u64> {
    let all = (Instant::MIN, Instant::MAX);
    let rows = reader.decisions_about("cold-chain", key, all, usize::MAX).expect("reads");
    rows.iter().map(|placed| placed.row.sequence).collect()
}

#[test]
fn a_key_seldom_heard_of_keeps_its_last_sixteen_quiet_decisions_and_a_busy_one_its_newest() {
    let folder = folder();
    let (writer, reader) = start(folder.path());
    let kept = u64::from(quiet::KEPT);
    // One has as many as are kept, the other one more; all of them are the oldest.
    let mut decisions: Vec<_> = (1..=kept).map(|sequence| quiet_of("at-limit", sequence)).collect();
    decisions.extend((1..=kept + 1).map(|sequence| quiet_of("past-limit", sequence)));
    let bound = quiet::ROWS_MIN + quiet::CHUNK;
    let busy = bound - 1 - decisions.len() as u64;
    decisions.extend((1..=busy).map(|sequence| quiet_of("busy", sequence)));
    commit(&writer, Commit { decisions, ..Commit::default() });
    writer.number_devices(&["lamp".into()]).expect("numbers");
    writer.stop().expect("stops");
    assert_eq!(reader.stat().expect("reads").quiet_decisions, bound - 1, "the bound is not passed");

    let (writer, reader) = start(folder.path());
    commit(&writer, Commit { decisions: vec![quiet_of("busy", busy + 1)], ..Commit::default() });
    until(&writer, || reader.stat().expect("reads").quiet_decisions < bound - 1);
    assert_eq!(quiet_about(&reader, "at-limit"), (1..=kept).collect::<Vec<_>>());
    assert_eq!(quiet_about(&reader, "past-limit"), (2..=kept + 1).collect::<Vec<_>>());
    let cut = quiet::CHUNK - 2 * kept - 1;
    assert_eq!(quiet_about(&reader, "busy"), (cut + 1..=busy + 1).collect::<Vec<_>>());

    // Later ones of a key take the place of its oldest in the ring.
    let mut decisions = vec![quiet_of("at-limit", kept + 1)];
    decisions.extend((busy + 2..=2 * bound + busy).map(|sequence| quiet_of("busy", sequence)));
    commit(&writer, Commit { decisions, ..Commit::default() });
    until(&writer, || reader.stat().expect("reads").quiet_decisions < bound);
    assert_eq!(quiet_about(&reader, "at-limit"), (2..=kept + 1).collect::<Vec<_>>());
}
