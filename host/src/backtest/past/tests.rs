//! Where a stream begins, how partitions are merged, and which ranges are refused: over real stores.

use std::path::Path;

use store::{Change, Commit, JournalRow, Options, Retention, Store, Writer};

use super::*;

const OPTIONS: Options = Options {
    partitions: 2,
    retention: Retention {
        journal_age: Span::from_days(30),
        journal_bytes: 4 << 30,
        decisions_age: Span::from_days(90),
    },
};

fn second(number: u64) -> Instant {
    Instant(1_700_000_000_000_000) + Span::from_secs(number)
}

fn row(sequence: u64, at: u64) -> JournalRow {
    JournalRow {
        sequence,
        at: second(at),
        observed: true,
        begins: false,
        kind: "host",
        subject: None,
        key: None,
        payload: [].into(),
    }
}

/// One commit a row, each of which also changes the state. The state before a row of `checkpoints` is kept.
fn write(folder: &Path, retention: Retention, partitions: &[&[u64]], checkpoints: &[u64]) -> (Writer, Reader) {
    let store = Store::open(folder, &Options { retention, ..OPTIONS }).expect("a new store");
    let (writer, reader) = store.into_writer();
    let mut commits = Vec::new();
    for (partition, instants) in (0..).zip(partitions) {
        for (sequence, at) in (1..).zip(instants.iter()) {
            let value = Some(Box::from(&at.to_be_bytes()[..]));
            let checkpoint = checkpoints.contains(at).then(|| second(at - 1));
            let changes = vec![Change { table: Table::Twin, key: Box::from(&b"last"[..]), value }];
            let journal = vec![row(sequence, *at)];
            commits.push(Commit { partition, journal, changes, checkpoint, ..Commit::default() });
        }
    }
    let (sender, done) = std::sync::mpsc::sync_channel(1);
    writer.submit(commits, Box::new(move || sender.send(()).expect("the test waits"))).expect("the writer runs");
    done.recv().expect("all is written");
    (writer, reader)
}

fn merged(reader: &Reader, partitions: u16) -> Vec<(u16, u64)> {
    let cursor = |partition| {
        let mut cursor = Cursor { partition, page: VecDeque::new(), next: 1 };
        cursor.fill(reader).expect("reads");
        cursor
    };
    let mut cursors: Vec<Cursor> = (0..partitions).map(cursor).collect();
    std::iter::from_fn(|| next(&mut cursors, reader).expect("reads")).map(|(at, row)| (at, row.sequence)).collect()
}

#[test]
fn partitions_are_merged_by_instant_then_partition_then_sequence() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_writer, reader) = write(folder.path(), OPTIONS.retention, &[&[1, 4, 4, 9], &[2, 4, 10]], &[]);
    assert_eq!(merged(&reader, 2), [(0, 1), (1, 1), (0, 2), (0, 3), (1, 2), (0, 4), (1, 3)]);
}

#[test]
fn a_journal_longer_than_a_page_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let many: Vec<u64> = (1..=2 * PAGE as u64 + 1).collect();
    let (_writer, reader) = write(folder.path(), OPTIONS.retention, &[&many, &[5]], &[]);
    let found = merged(&reader, 2);
    assert_eq!(found.len(), many.len() + 1);
    assert_eq!(found[4..7], [(0, 5), (1, 1), (0, 6)]);
    assert!(found.iter().filter(|(partition, _)| *partition == 0).map(|(_, sequence)| *sequence).eq(many));
}

#[test]
fn a_stream_begins_at_the_newest_checkpoint_before_what_is_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_writer, reader) = write(folder.path(), OPTIONS.retention, &[&[1, 10, 20, 30]], &[10, 30]);
    let find = |wanted| Start::find(&reader, 0, (1, 4), wanted).expect("a beginning");
    let first = find(Instant::MIN);
    assert_eq!((first.sequence, first.at, first.rows.len()), (0, Instant::MIN, 0), "nothing was cut");
    assert_eq!(find(second(9)).sequence, 0, "the checkpoint of that very instant is not before it");
    let opened = find(second(10));
    assert_eq!((opened.sequence, opened.at, opened.last), (1, second(9), 4));
    let rows: Vec<Row> = vec![(Table::Twin, Box::from(&b"last"[..]), Box::from(&1_u64.to_be_bytes()[..]))];
    assert_eq!(opened.rows, rows);
    assert_eq!(find(second(99)).sequence, 3);
}

#[test]
fn a_lost_record_is_told_with_the_instant_from_which_the_rest_can_be_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_writer, reader) = write(folder.path(), OPTIONS.retention, &[&[1, 10, 20, 30]], &[10, 30]);
    let told = |sequence| {
        let row = reader.journal_row(0, sequence).expect("reads").expect("a row");
        let lost = entry(0, &row).expect_err("no input has no bytes at all");
        Stored::new(reader.clone()).goes_on_after(lost).to_string()
    };
    let from = Instant(second(29).0 + 1);
    assert_eq!(nearest_checkpoint(&reader, 0, from).expect("reads").map(|found| found.sequence), Some(3));
    let expected = "partition 0: the content of record 2 does not read back; later records can be replayed with --from";
    assert_eq!(told(2), format!("{expected} {from}"));
    assert_eq!(told(4), "partition 0: the content of record 4 does not read back", "no checkpoint comes after it");
}

#[test]
fn a_journal_that_no_checkpoint_opens_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_writer, reader) = write(folder.path(), OPTIONS.retention, &[&[1, 10]], &[]);
    let refused = Start::find(&reader, 0, (2, 2), second(5)).err().expect("refused").to_string();
    assert_eq!(refused, "partition 0: the journal begins at record 2 and no checkpoint opens it");
}

#[test]
fn a_range_older_than_what_is_kept_is_refused_at_its_border() {
    let folder = tempfile::tempdir().expect("a folder");
    let retention = Retention { journal_age: Span::from_secs(100), ..OPTIONS.retention };
    let (writer, reader) = write(folder.path(), retention, &[&[10, 20, 30, 40, 500], &[15]], &[30]);
    // Every request is followed by a piece of the upkeep that cuts.
    let cut = || reader.bounds(0).expect("reads").is_some_and(|(first, _)| first == 3);
    for _ in 0..10_000 {
        if cut() {
            break;
        }
        writer.number_devices(&["lamp".into()]).expect("the writer runs");
    }
    assert!(cut(), "it was never cut");
    let check = |from: Option<Instant>, to: Option<Instant>| {
        refuse_older(&reader, 0..2, (from, to)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    // The checkpoint before the row of second 30.
    let reached = second(29);
    let refused = check(Some(reached), None);
    assert_eq!(
        refused,
        format!("--from {reached} is older than what is kept: the journal can be run from {reached} on")
    );
    assert_eq!(check(Some(Instant(reached.0 + 1)), None), "");
    assert_eq!(check(None, None), "");
    let refused = check(None, Some(second(15)));
    assert_eq!(refused, format!("--to {0} is older than what is kept: the journal begins at {0}", second(15)));
    assert_eq!(check(None, Some(Instant(second(15).0 + 1))), "");
    let uncut = refuse_older(&reader, 1..2, (Some(second(1)), None));
    assert!(uncut.is_ok(), "what was never cut begins where it began");
}
