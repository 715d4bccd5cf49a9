//! Journal, decisions and state as a disk may give them back: any bytes, and our own with a few changed, are read or
//! refused, never a panic.

use std::sync::OnceLock;

use proptest::prelude::*;
use store::Table;

use super::exact::{run, set};
use super::*;
use crate::rows::{PartitionRow, decode};
use crate::{Exact, configuration};

/// Table, key, value.
type Row = (Table, Box<[u8]>, Box<[u8]>);

/// What a run has written.
struct Written {
    /// Payloads of the journal, of decisions, and rows of state.
    payloads: Vec<Box<[u8]>>,
    rows: Vec<Row>,
}

fn written() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let bench = run(1);
        let commits = || bench.turns.iter().flat_map(|turn| &turn.commits);
        let journal = commits().flat_map(|commit| &commit.journal).map(|row| row.payload.clone());
        let decisions = commits().flat_map(|commit| &commit.decisions).map(|row| row.payload.clone());
        let mut rows = BTreeMap::new();
        for change in commits().flat_map(|commit| &commit.changes) {
            match &change.value {
                Some(value) => rows.insert((change.table, change.key.clone()), value.clone()),
                None => rows.remove(&(change.table, change.key.clone())),
            };
        }
        let rows: Vec<_> = rows.into_iter().map(|((table, key), value)| (table, key, value)).collect();
        let payloads = journal.chain(decisions).chain(rows.iter().map(|row| row.2.clone())).collect();
        Written { payloads, rows }
    })
}

/// Reads bytes as everything that the engine reads.
fn read(bytes: &[u8]) {
    let refused =
        |error: crate::rows::RowError| assert!(error.to_string().starts_with("failed to read a row of table"));
    let _ = decode::<Input>("journal", bytes).map_err(refused);
    let _ = decode::<Decision>("decisions", bytes).map_err(refused);
    let _ = decode::<PartitionRow>("partition", bytes).map_err(refused);
    let _ = configuration::decode(bytes).map_err(refused);
    let _ = decode::<model::deployment::Deployment>("deployment", bytes).map_err(refused);
}

/// A few bytes changed, and perhaps the end cut off.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    (changes, prop::option::weighted(0.3, any::<prop::sample::Index>()))
}

fn damaged(bytes: &[u8], changes: &[(prop::sample::Index, u8)], cut: Option<&prop::sample::Index>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1)));
    bytes
}

fn restore<'a>(rows: impl Iterator<Item = (Table, &'a [u8], &'a [u8])>) -> Result<(), crate::rows::RowError> {
    Exact::new(0, setup(1, set())).expect("a setup").restore(1, rows)
}

#[test]
fn what_a_run_has_written_is_read() {
    let Written { rows, payloads } = written();
    assert!(rows.len() > 10 && payloads.len() > 500, "{} rows, {} payloads", rows.len(), payloads.len());
    restore(rows.iter().map(|(table, key, value)| (*table, &**key, &**value))).expect("our own rows");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&bytes);
        for table in Table::ALL {
            let _ = restore([(table, &b"key"[..], &*bytes), (table, &*bytes, &b"\x90"[..])].into_iter());
        }
    }

    #[test]
    fn a_damaged_payload_is_read_or_refused(which: prop::sample::Index, (changes, cut) in damage()) {
        let payloads = &written().payloads;
        read(&damaged(&payloads[which.index(payloads.len())], &changes, cut.as_ref()));
    }

    #[test]
    fn damaged_state_is_restored_or_refused(which: prop::sample::Index, key: bool, (changes, cut) in damage()) {
        let rows = &written().rows;
        let place = which.index(rows.len());
        let (table, of_key, of_value) = &rows[place];
        let bad = damaged(if key { of_key } else { of_value }, &changes, cut.as_ref());
        let bad = if key { (*table, &*bad, &**of_value) } else { (*table, &**of_key, &*bad) };
        let others = rows.iter().enumerate().filter(|(index, _)| *index != place).map(|(_, row)| row);
        let _ = restore(others.map(|(table, key, value)| (*table, &**key, &**value)).chain([bad]));
    }
}
