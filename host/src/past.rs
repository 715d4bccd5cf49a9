//! The past: what the store knows, given to a new engine.

use engine::Engine;
use engine::rows::{self, PartitionRow, RowError};
use model::{Input, Instant, limits};
use store::{JournalEntry, Store, Table};

/// Records of the journal, the newest of all partitions, that are read again so that messages which a broker delivers
/// once more are recognised.
const TAIL: usize = limits::REDELIVERIES;

/// Everything that was committed, ready to be given to an engine.
pub struct Past {
    partitions: Vec<Partition>,
    alive: Option<Instant>,
}

/// Table, key, value.
type Row = (Table, Box<[u8]>, Box<[u8]>);

struct Partition {
    sequence: u64,
    rows: Vec<Row>,
    tail: Vec<Input>,
    clock: Instant,
}

impl Past {
    /// # Errors
    /// When the store cannot be read.
    pub fn read(store: &Store) -> Result<Self, store::Error> {
        let tail = |number, count| store.journal_tail(number, count);
        let mut tails = newest(store.partitions(), |entry: &JournalEntry| entry.at, tail)?;
        let read = |number| -> Result<Partition, store::Error> {
            let mut rows = Vec::new();
            let mut clock = Instant::default();
            let loaded = store.load(number, &mut |table, key, value| {
                if table == Table::Partition {
                    clock = rows::decode::<PartitionRow>("partition", value).map_or(clock, |row| row.clock);
                }
                rows.push((table, Box::from(key), Box::from(value)));
            })?;
            let observed = std::mem::take(&mut tails[usize::from(number)]).into_iter().filter(|entry| entry.observed);
            let tail = observed.filter_map(|entry| rows::decode("journal", &entry.payload?).ok());
            Ok(Partition { sequence: loaded.sequence, rows, tail: tail.collect(), clock })
        };
        let partitions = (0..store.partitions()).map(read).collect::<Result<_, _>>()?;
        Ok(Self { partitions, alive: store.alive()? })
    }

    /// The newest instant at which the host is known to have run: that of any partition's last record, or the sign that
    /// it gives while nothing happens. None where it never ran.
    #[must_use]
    pub fn alive(&self) -> Option<Instant> {
        let clocks = self.partitions.iter().map(|partition| partition.clock);
        clocks.chain(self.alive).max().filter(|at| *at != Instant::default())
    }

    /// # Errors
    /// When a row was written by something else.
    pub fn give_to(self, engine: &mut Engine) -> Result<(), RowError> {
        for (number, partition) in (0_u16..).zip(self.partitions) {
            let rows = partition.rows.iter().map(|(table, key, value)| (*table, &**key, &**value));
            engine.restore(number, partition.sequence, rows)?;
            partition.tail.iter().for_each(|input| engine.remember(number, input));
        }
        Ok(())
    }
}

/// The ends of all partitions' journals, so far back that the newest [`TAIL`] records are among them. Most of them lie
/// in few partitions or evenly in all; so each end is read twice as long until that is sure.
fn newest<T>(
    partitions: u16,
    at: impl Fn(&T) -> Instant,
    tail: impl Fn(u16, usize) -> Result<Vec<T>, store::Error>,
) -> Result<Vec<Vec<T>>, store::Error> {
    let mut count = TAIL.div_ceil(usize::from(partitions).max(1));
    loop {
        let tails = (0..partitions).map(|number| tail(number, count)).collect::<Result<Vec<_>, _>>()?;
        // Of a journal that is longer than what was read, nothing is known before this.
        let known = tails.iter().filter(|tail| tail.len() >= count).filter_map(|tail| tail.first()).map(&at).max();
        let sure = tails.iter().flatten().filter(|entry| known.is_none_or(|known| at(entry) > known)).count();
        if known.is_none() || sure >= TAIL || count >= TAIL {
            return Ok(tails);
        }
        count = (count * 2).min(TAIL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the ends of these journals of instants, and checks that the newest of all are among them.
    #[track_caller]
    fn read(journals: &[Vec<i64>]) -> usize {
        let tail = |number: u16, count: usize| {
            let journal = &journals[usize::from(number)];
            Ok(journal[journal.len().saturating_sub(count)..].to_vec())
        };
        let partitions = u16::try_from(journals.len()).expect("few journals");
        let found: Vec<i64> = newest(partitions, |at| Instant(*at), tail).expect("nothing fails here").concat();
        let mut all = journals.concat();
        all.sort_unstable();
        let wanted = &all[all.len().saturating_sub(TAIL)..];
        let there: std::collections::BTreeSet<i64> = found.iter().copied().collect();
        assert!(wanted.iter().all(|at| there.contains(at)));
        found.len()
    }

    #[test]
    fn even_partitions_give_little_more_than_what_is_wanted() {
        let journals: Vec<Vec<i64>> = (0..4).map(|first| (0..20_000).map(|n| n * 4 + first).collect()).collect();
        assert_eq!(read(&journals), 2 * TAIL);
    }

    #[test]
    fn one_busy_partition_gives_all_that_is_wanted() {
        let quiet = (0..20_000).collect();
        let busy = (20_000..40_000).collect();
        assert_eq!(read(&[quiet, busy]), 2 * TAIL);
    }

    #[test]
    fn short_journals_are_read_whole() {
        assert_eq!(read(&[(0..10).collect(), Vec::new(), (10..5_000).collect()]), 5_000);
    }
}
