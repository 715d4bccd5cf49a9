//! The past: a host's store, its packages, and where in a journal something stands.

use anyhow::Result;
use engine::rows::{self, PartitionRow};
use model::deployment::KeyKind;
use model::{Configuration, Device, Event, Instant, Name, limits};
use store::{JournalEntry, Reader, Table};

use super::Unanswerable;
use crate::journal::{Archive, Replayer, Stored, Traced, entry};

/// Rows of one read.
const PAGE: u64 = 500;

/// What can be known of a host's past.
pub(crate) struct Past {
    pub(super) stored: Stored,
    host: config::Host,
    pub(super) devices: Vec<Device>,
}

/// A place in a journal.
pub(super) type Place = (u16, u64);

impl Past {
    pub(crate) fn new(host: config::Host, reader: Reader, devices: Vec<Device>) -> Self {
        Self { stored: Stored::new(reader), host, devices }
    }

    pub(super) fn reader(&self) -> &Reader {
        self.stored.reader()
    }

    pub(super) fn device(&self, id: &str) -> Result<&Device, Unanswerable> {
        let unknown = || {
            let nearest = config::nearest(id, self.devices.iter().map(|device| &*device.id));
            Unanswerable::UnknownDevice { given: id.to_owned(), nearest }
        };
        self.devices.iter().find(|device| &*device.id == id).ok_or_else(unknown)
    }

    pub(super) fn archive(&self) -> Result<Archive> {
        Archive::open(&self.host)
    }

    /// Replays a partition and traces it from a record on, until it is enough.
    pub(super) fn replay(
        &self,
        from: Place,
        enough: &mut dyn FnMut(u64, Instant, &Traced) -> bool,
    ) -> Result<Replayer<'_>> {
        self.stored.past(self.archive()?, from, enough)
    }

    /// The last record of a partition at or before an instant; 0 when there is none.
    pub(super) fn last_at(&self, partition: u16, at: Instant) -> Result<u64> {
        let Some((mut low, mut high)) = self.reader().bounds(partition)? else { return Ok(0) };
        low -= 1;
        // All up to `low` are at or before the instant, all after `high` are after it.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.reader().journal_row(partition, middle)? {
                Some(row) if row.at > at => high = middle - 1,
                _ => low = middle,
            }
        }
        Ok(low)
    }

    /// The nearest record at or before a place that satisfies `wanted`.
    pub(super) fn back(
        &self,
        (partition, sequence): Place,
        mut wanted: impl FnMut(&JournalEntry) -> bool,
    ) -> Result<Option<JournalEntry>> {
        let end = sequence.saturating_sub(limits::WHY_SEARCHED);
        let mut last = sequence;
        while last > end {
            let first = last.saturating_sub(PAGE - 1).max(1);
            let count = usize::try_from(last + 1 - first).unwrap_or(usize::MAX);
            let rows = self.reader().journal(partition, first, count)?;
            let found = rows.into_iter().filter(|row| row.sequence <= last).rfind(&mut wanted);
            if found.is_some() {
                return Ok(found);
            }
            last = first - 1;
        }
        Ok(None)
    }

    /// The record of a derived event.
    pub(super) fn event(&self, place: Place, id: &str) -> Result<Option<(JournalEntry, Event)>> {
        let read = |row: &JournalEntry| {
            let payload = row.payload.as_deref().filter(|_| !row.observed)?;
            rows::decode::<Event>("journal", payload).ok().filter(|event| &*event.id == id)
        };
        let found = self.back(place, |row| read(row).is_some())?;
        Ok(found.and_then(|row| read(&row).map(|event| (row, event))))
    }

    /// The names of a deployment's triggers, as the store has it in force.
    pub(super) fn triggers_of(&self, deployment: &str) -> Result<Vec<Name>> {
        let all = self.configuration()?.map(|configuration| configuration.deployments).unwrap_or_default();
        let found = all.iter().find(|found| *found.name == *deployment);
        Ok(found.map(|found| found.triggers.iter().map(|trigger| trigger.name.clone()).collect()).unwrap_or_default())
    }

    /// The configuration that was in force last.
    fn configuration(&self) -> Result<Option<Configuration>> {
        let mut found = None;
        for partition in 0..self.reader().partitions() {
            if let Some(row) = self.reader().rows(partition, Table::Partition, b"partition")?.into_iter().next() {
                let row: PartitionRow = rows::decode("partition", &row.value)?;
                found = found.max(row.configuration.map(|digest| (row.clock, digest)));
            }
        }
        match found {
            Some((_, digest)) => self.stored.configuration(digest),
            None => Ok(None),
        }
    }

    /// What a record observed.
    pub(super) fn input(partition: u16, row: &JournalEntry) -> Option<model::Input> {
        entry(partition, row).ok()?.input
    }

    /// The partitions in which a device is seen: its home, and those of single keys.
    pub(super) fn partitions(&self, device: &Device) -> Result<Vec<u16>> {
        let count = self.reader().partitions();
        let mut all = vec![engine::partition_of_site(&device.site, count)];
        for found in self.configuration()?.into_iter().flat_map(|configuration| configuration.deployments) {
            let partition = engine::partition_of_one(&found.name, count);
            let binds = found.key == KeyKind::One && found.role_of(device.number).is_some();
            if binds && !all.contains(&partition) {
                all.push(partition);
            }
        }
        Ok(all)
    }
}

/// How many characters two names have in common from their beginnings.
pub(super) fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
