//! The past: what the store knows, given to a new engine.

use anyhow::Result;
use engine::Engine;
use engine::rows::{self, PartitionRow};
use model::{Input, Instant};
use store::{Store, Table};

/// Records of the journal that are read again so that messages which a broker delivers once more are recognised. More
/// than any broker keeps in flight to one client.
const TAIL: usize = 8_192;

/// Everything that was committed, ready to be given to an engine.
pub(crate) struct Past {
    partitions: Vec<Partition>,
}

/// Table, key, value.
type Row = (Table, Box<[u8]>, Box<[u8]>);

struct Partition {
    sequence: u64,
    rows: Vec<Row>,
    tail: Vec<(Input, Instant)>,
    clock: Instant,
}

impl Past {
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn read(store: &Store) -> Result<Self> {
        let read = |number| -> Result<Partition> {
            let mut rows = Vec::new();
            let mut clock = Instant::default();
            let loaded = store.load(number, &mut |table, key, value| {
                if table == Table::Partition {
                    clock = rows::decode::<PartitionRow>("partition", value).map_or(clock, |row| row.clock);
                }
                rows.push((table, Box::from(key), Box::from(value)));
            })?;
            let entries = store.journal_tail(number, TAIL)?;
            let observed = entries.into_iter().filter(|entry| entry.observed);
            let tail = observed.filter_map(|entry| Some((rows::decode("journal", &entry.payload?).ok()?, entry.at)));
            Ok(Partition { sequence: loaded.sequence, rows, tail: tail.collect(), clock })
        };
        Ok(Self { partitions: (0..store.partitions()).map(read).collect::<Result<_>>()? })
    }

    /// The newest instant of any partition.
    pub(crate) fn clock(&self) -> Instant {
        self.partitions.iter().map(|partition| partition.clock).max().unwrap_or_default()
    }

    /// # Errors
    /// When a row was written by something else.
    pub(crate) fn give_to(self, engine: &mut Engine) -> Result<()> {
        for (number, partition) in (0_u16..).zip(self.partitions) {
            let rows = partition.rows.iter().map(|(table, key, value)| (*table, &**key, &**value));
            engine.restore(number, partition.sequence, rows)?;
            for (input, at) in partition.tail.iter().filter(|(input, _)| input.redelivery.is_some()) {
                engine.remember(number, input, *at);
            }
        }
        Ok(())
    }
}
