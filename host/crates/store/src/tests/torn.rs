//! Torn writes: SQLite's own files cut, flipped and left half-written at frame borders and at random places. What
//! reopens is a committed prefix whose chain holds, and the writer goes on from there.

use super::*;

const COMMITS: u64 = 40;
/// The log's header, and the header of each frame, by SQLite's file format.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = 4_096;
const FRAME: usize = FRAME_HEADER + PAGE;

/// What a crash left: the database and its log as bytes.
#[derive(Clone)]
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Files {
    fn of(folder: &Path) -> Self {
        let read = |path| fs::read(path).expect("reads");
        Self { database: read(folder.join(FILE_NAME)), log: read(log(folder)) }
    }

    fn frames(&self) -> usize {
        (self.log.len() - LOG_HEADER) / FRAME
    }

    fn border(frame: usize) -> usize {
        LOG_HEADER + frame * FRAME
    }

    /// Opens these files as a store, checks that all of it is of one commit and that the writer goes on from there.
    /// Returns the last sequence.
    fn check(&self, what: &str) -> u64 {
        let folder = folder();
        fs::write(folder.path().join(FILE_NAME), &self.database).expect("writes");
        fs::write(log(folder.path()), &self.log).expect("writes");
        let store = open(folder.path());
        let (last, counted) = loaded(&store, 0);
        assert_eq!(last, counted, "{what}: state and journal are of one commit");
        assert_eq!(
            store.outbox(usize::MAX).expect("reads").len() as u64,
            last,
            "{what}: the outbox is of the same commit"
        );
        let (writer, reader) = store.into_writer();
        commit(&writer, sending(last + 1));
        writer.stop().expect("stops");
        let verified = reader.verify(0).expect("reads");
        assert_eq!((verified.present, verified.damaged), (last + 1, 0), "{what}: the chain holds and goes on");
        last
    }
}

fn sending(sequence: u64) -> Commit {
    Commit { outbox: vec![outgoing(&sequence.to_string(), "a")], ..counting(0, sequence) }
}

fn commits(writer: &Writer, from: u64, to: u64) {
    (from..=to).for_each(|sequence| commit(writer, sending(sequence)));
}

/// A log that holds everything: nothing was moved into the database yet.
fn fresh() -> Files {
    let folder = folder();
    let (writer, _reader) = start(folder.path());
    commits(&writer, 1, COMMITS);
    Files::of(folder.path())
}

/// Moves the log into the database and lets it begin anew, over its old frames.
fn restart_log(folder: &Path) {
    let connection = rusqlite::Connection::open(folder.join(FILE_NAME)).expect("opens");
    connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).expect("moves the log");
}

/// A log that was begun anew and still holds frames of before behind its own.
fn restarted() -> Files {
    let folder = folder();
    let (writer, _reader) = start(folder.path());
    commits(&writer, 1, COMMITS / 2);
    let before = fs::metadata(log(folder.path())).expect("the log").len();
    restart_log(folder.path());
    commits(&writer, COMMITS / 2 + 1, COMMITS / 2 + 8);
    let files = Files::of(folder.path());
    assert_eq!(files.log.len() as u64, before, "the old frames are still there");
    files
}

/// Numbers that look random and are the same each time.
struct Walk(u64);

impl Walk {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("below a usize")
    }
}

#[test]
fn a_log_cut_at_any_frame_border_leaves_a_committed_prefix() {
    let whole = fresh();
    let mut walk = Walk(0x5eed_0001);
    let (mut newest, mut found) = (COMMITS, std::collections::BTreeSet::new());
    let mut frame = whole.frames();
    while frame > 0 {
        // On the border, within the next frame's header, and right after that.
        for past in [FRAME_HEADER, 12, 1, 0] {
            let length = (Files::border(frame) + past).min(whole.log.len());
            let cut = Files { log: whole.log[..length].to_vec(), ..whole.clone() };
            let last = cut.check(&format!("cut at frame {frame} + {past}"));
            assert!(last <= newest, "a shorter log, at frame {frame} + {past}, gave {last} after {newest}");
            newest = last;
            found.insert(last);
        }
        frame = frame.saturating_sub(1 + walk.below(16));
    }
    assert!(found.len() > 15, "cuts met commits of every age: {found:?}");
}

#[test]
fn a_log_whose_end_was_allocated_and_never_written_leaves_a_committed_prefix() {
    let whole = fresh();
    let mut walk = Walk(0x5eed_0002);
    for _ in 0..24 {
        let from = LOG_HEADER + walk.below(whole.log.len() - LOG_HEADER);
        let mut files = whole.clone();
        files.log[from..].fill(0);
        let last = files.check(&format!("zeros from {from}"));
        assert!(last < COMMITS, "zeros from {from} cost nothing");
    }
}

#[test]
fn a_bit_flipped_anywhere_in_the_log_ends_the_prefix_before_it() {
    let whole = fresh();
    let mut walk = Walk(0x5eed_0003);
    let mut flip = |place: usize| {
        let mut files = whole.clone();
        files.log[place] ^= 1 << walk.below(8);
        let last = files.check(&format!("a bit at {place}"));
        assert!(last < COMMITS, "a flipped bit at {place} went unseen");
        // What was whole before the flipped frame is still there.
        let before = Files { log: whole.log[..place].to_vec(), ..whole.clone() };
        assert_eq!(last, before.check(&format!("cut at {place}")), "a flipped bit at {place}");
    };
    let mut places = Walk(0x5eed_0004);
    for _ in 0..12 {
        let border = Files::border(places.below(whole.frames()));
        // Page number, size after the commit, salts, checksums, first and last byte of the page.
        for field in [3, 7, 8, 15, 16, 23, FRAME_HEADER, FRAME - 1] {
            if places.below(3) == 0 {
                flip(border + field);
            }
        }
        flip(LOG_HEADER + places.below(whole.log.len() - LOG_HEADER));
    }
}

#[test]
fn a_log_whose_header_was_torn_is_as_if_it_were_not_there() {
    let whole = restarted();
    for place in [0, 5, 9, 17, 24, 31] {
        let mut files = whole.clone();
        files.log[place] ^= 0x10;
        assert_eq!(files.check(&format!("header byte {place}")), COMMITS / 2, "what was moved before is there");
    }
}

#[test]
fn frames_of_an_older_log_are_never_taken_for_newer_ones() {
    let whole = restarted();
    assert_eq!(whole.check("untouched"), COMMITS / 2 + 8);
    let mut walk = Walk(0x5eed_0005);
    for _ in 0..24 {
        let frame = walk.below(whole.frames());
        let place = Files::border(frame) + walk.below(FRAME);
        let mut files = whole.clone();
        files.log[place] ^= 0x80;
        let last = files.check(&format!("byte {place}"));
        assert!((COMMITS / 2..=COMMITS / 2 + 8).contains(&last), "{last} from byte {place}");
    }
}

#[test]
fn a_database_torn_while_the_log_was_moved_into_it_costs_nothing() {
    let folder = folder();
    let (writer, _reader) = start(folder.path());
    commits(&writer, 1, COMMITS / 2);
    restart_log(folder.path());
    commits(&writer, COMMITS / 2 + 1, COMMITS);
    let before = Files::of(folder.path());
    restart_log(folder.path());
    let after = Files::of(folder.path());
    assert!(after.database.len() > before.database.len(), "the move changes the database");
    let mut walk = Walk(0x5eed_0006);
    for _ in 0..16 {
        // Some pages have arrived, one is half there, the rest is as it was.
        let mut files = before.clone();
        files.database.resize(after.database.len(), 0);
        for page in 0..after.database.len() / PAGE {
            let part = match walk.below(4) {
                0 => walk.below(PAGE),
                1 => PAGE,
                _ => 0,
            };
            let range = page * PAGE..page * PAGE + part;
            files.database[range.clone()].copy_from_slice(&after.database[range]);
        }
        assert_eq!(files.check("a torn move"), COMMITS);
    }
}
