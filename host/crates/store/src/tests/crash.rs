//! Crashes: whatever the files are at the moment, a committed prefix comes back, and all that was acknowledged.

use super::*;

const COMMITS: u64 = 40;

/// Opens what a crash left and checks that state, journal and chain are those of one moment. Returns its sequence.
fn check(folder: &Path) -> u64 {
    let store = open(folder);
    let (last, counted) = loaded(&store, 0);
    assert_eq!(last, counted, "state and journal are of one commit");
    let waiting: Vec<_> = store.outbox(usize::MAX).expect("reads").into_iter().map(|placed| placed.row).collect();
    assert_eq!(waiting.len() as u64, last, "the outbox is of the same commit");
    drop(store);
    let verified = Reader::open(folder).expect("opens").verify(0).expect("reads");
    assert_eq!((verified.present, verified.damaged), (last, 0));
    last
}

fn sending(sequence: u64) -> Commit {
    Commit { outbox: vec![outgoing(&sequence.to_string(), "a")], ..counting(0, sequence) }
}

#[test]
fn a_copy_of_the_files_after_each_commit_holds_all_that_was_acknowledged() {
    let folder = folder();
    let (writer, _reader) = start(folder.path());
    for sequence in 1..=COMMITS {
        commit(&writer, sending(sequence));
        let crashed = super::folder();
        copy_files(folder.path(), crashed.path());
        assert_eq!(check(crashed.path()), sequence);
    }
}

#[test]
fn a_log_cut_anywhere_leaves_a_committed_prefix() {
    let folder = folder();
    let (writer, _reader) = start(folder.path());
    for sequence in 1..=COMMITS {
        commit(&writer, sending(sequence));
    }
    let length = fs::metadata(log(folder.path())).expect("the log").len();
    // A fixed walk over the log: 1 to 64 KiB on each time, at odd places.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut cut, mut newest, mut cuts) = (length, COMMITS, 0);
    while cut > 0 {
        let crashed = super::folder();
        copy_files(folder.path(), crashed.path());
        fs::File::options().write(true).open(log(crashed.path())).and_then(|log| log.set_len(cut)).expect("cuts");
        // So early in the log there is no store yet: it is made anew.
        let last = check(crashed.path());
        assert!(last <= newest, "a shorter log at {cut} gave {last} after {newest}");
        newest = last;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        cut = cut.saturating_sub(1 + seed % (64 * 1024));
        cuts += 1;
    }
    assert!(cuts > 10 && newest < COMMITS / 4, "{cuts} cuts down to {newest}");
}

#[test]
fn a_page_of_the_log_that_was_torn_ends_the_prefix_there() {
    let folder = folder();
    let (writer, _reader) = start(folder.path());
    for sequence in 1..=COMMITS {
        commit(&writer, sending(sequence));
    }
    let crashed = super::folder();
    copy_files(folder.path(), crashed.path());
    let mut bytes = fs::read(log(crashed.path())).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(log(crashed.path()), bytes).expect("writes");
    let last = check(crashed.path());
    assert!(0 < last && last < COMMITS, "{last}");
}

#[test]
fn a_restart_goes_on_where_the_last_run_ended() {
    let folder = folder();
    for run in 0..3 {
        let (writer, reader) = start(folder.path());
        for sequence in 1..=5 {
            commit(&writer, sending(run * 5 + sequence));
        }
        writer.stop().expect("stops");
        assert_eq!(reader.verify(0).expect("reads").present, run * 5 + 5, "the chain goes on");
    }
    assert_eq!(check(folder.path()), 15);
}
