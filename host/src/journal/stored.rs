//! A journal in its store.

use std::ops::Range;

use anyhow::{Result, anyhow, bail};
use engine::{configuration, digest};
use model::{Configuration, ConfigurationDigest, Instant};
use store::{Checkpoint, JournalEntry, Reader};

use super::lost::{Lost, decision, observed};
use super::{Archive, Entry, Replayed, Replayer};
use crate::journal::exact::{Traced, Watcher};

/// Rows of one read transaction: a long reader would hold back the store's own checkpoints.
const PAGE: usize = 1_000;

/// Reads journals of one store.
pub(crate) struct Stored {
    reader: Reader,
}

impl Stored {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// Replays all partitions exactly, from the nearest checkpoint before `from` up to `to`.
    ///
    /// # Errors
    /// Where the replay parts from the journal, or something that it needs is not kept.
    pub(crate) fn replay(
        &self,
        archive: Archive,
        (from, to): (Option<Instant>, Option<Instant>),
        watcher: Watcher<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Replayed> {
        refuse_older(&self.reader, 0..self.reader.partitions(), (from, to))?;
        let find = Box::new(|digest| self.configuration(digest));
        let mut replayer = Replayer::new(archive, self.reader.partitions(), find, watcher);
        let mut done = 0;
        for partition in 0..self.reader.partitions() {
            let mut next = self.begin(&mut replayer, partition, from)?;
            loop {
                let page = self.reader.journal(partition, next, PAGE)?;
                let wanted = page.iter().take_while(|row| to.is_none_or(|to| row.at < to));
                let rows: Vec<&JournalEntry> = wanted.collect();
                let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
                let (range, ended) = ((first.sequence, last.sequence), rows.len() < page.len());
                for row in rows {
                    let entry = entry(partition, row).map_err(|lost| self.goes_on_after(lost))?;
                    replayer.take(&entry)?;
                }
                for row in self.reader.decisions_within(partition, range)? {
                    replayer.recorded(partition, digest::line(&decision(partition, &row)?))?;
                }
                done += range.1 + 1 - range.0;
                progress(done);
                if ended {
                    break;
                }
                next = range.1 + 1;
            }
        }
        replayer.finish()
    }

    /// Replays one partition from the nearest checkpoint and traces from record `from` on, until `enough` says so after a
    /// record or the journal ends. With `enough` saying so at once, it stands before `from`.
    ///
    /// # Errors
    /// Where the replay parts from the journal, or something that it needs is not kept.
    pub(crate) fn past<'a>(
        &'a self,
        archive: Archive,
        (partition, from): (u16, u64),
        enough: &mut dyn FnMut(u64, Instant, &Traced) -> bool,
    ) -> Result<Replayer<'a>> {
        let find = Box::new(|digest| self.configuration(digest));
        let mut replayer = Replayer::new(archive, self.reader.partitions(), find, Box::new(|_, _| Ok(())));
        let mut next = self.begin_before(&mut replayer, partition, from)?;
        if from <= next {
            replayer.trace();
        }
        loop {
            let page = self.reader.journal(partition, next, PAGE)?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else {
                replayer.stand(partition)?;
                return Ok(replayer);
            };
            let range = (first.sequence, last.sequence);
            let mut recorded = self.reader.decisions_within(partition, range)?.into_iter().peekable();
            for row in &page {
                if row.sequence == from {
                    replayer.trace();
                }
                if row.sequence >= from && enough(row.sequence, row.at, replayer.traced()) {
                    replayer.stand(partition)?;
                    return Ok(replayer);
                }
                replayer.take(&entry(partition, row)?)?;
                while let Some(row) = recorded.next_if(|decision| decision.sequence <= row.sequence) {
                    replayer.recorded(partition, digest::line(&decision(partition, &row)?))?;
                }
            }
            next = range.1 + 1;
        }
    }

    /// Replays every partition from its nearest checkpoint, and stands before these records of theirs.
    ///
    /// # Errors
    /// Where the replay parts from the journal, or something that it needs is not kept.
    pub(crate) fn before(&self, archive: Archive, places: &[(u16, u64)]) -> Result<Replayer<'_>> {
        let find = Box::new(|digest| self.configuration(digest));
        let mut replayer = Replayer::new(archive, self.reader.partitions(), find, Box::new(|_, _| Ok(())));
        for (partition, end) in places {
            let mut next = self.begin_before(&mut replayer, *partition, *end)?;
            while next < *end {
                let page = self.reader.journal(*partition, next, PAGE)?;
                let rows: Vec<&JournalEntry> = page.iter().take_while(|row| row.sequence < *end).collect();
                let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
                let range = (first.sequence, last.sequence);
                for row in rows {
                    replayer.take(&entry(*partition, row)?)?;
                }
                for row in self.reader.decisions_within(*partition, range)? {
                    replayer.recorded(*partition, digest::line(&decision(*partition, &row)?))?;
                }
                next = range.1 + 1;
            }
            replayer.stand(*partition)?;
        }
        Ok(replayer)
    }

    fn begin_before(&self, replayer: &mut Replayer<'_>, partition: u16, from: u64) -> Result<u64> {
        let first = self.reader.bounds(partition)?.map_or(1, |(first, _)| first);
        let checkpoints = self.reader.checkpoints(partition)?;
        match checkpoints.iter().rfind(|found| found.sequence < from && found.sequence + 1 >= first) {
            Some(found) => {
                replayer.begin(partition, found.sequence, &self.reader.checkpoint_parts(partition, found.sequence)?)?;
                Ok(found.sequence + 1)
            }
            None if first == 1 => Ok(1),
            None => bail!("partition {partition}: the journal begins at record {first} and no checkpoint opens it"),
        }
    }

    /// Says from where on the journal can be replayed in spite of a lost record: the next checkpoint after it.
    pub(crate) fn goes_on_after(&self, lost: Lost) -> anyhow::Error {
        let checkpoints = self.reader.checkpoints(lost.partition).unwrap_or_default();
        match checkpoints.iter().find(|checkpoint| checkpoint.sequence >= lost.sequence) {
            Some(Checkpoint { at, .. }) => {
                anyhow!("{lost}; later records can be replayed with --from {}", Instant(at.0 + 1))
            }
            None => lost.into(),
        }
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    fn begin(&self, replayer: &mut Replayer<'_>, partition: u16, from: Option<Instant>) -> Result<u64> {
        let Some((first, _)) = self.reader.bounds(partition)? else { return Ok(1) };
        let found = nearest_checkpoint(&self.reader, partition, from.unwrap_or(Instant::MIN))?;
        match found {
            Some(found) => {
                replayer.begin(partition, found.sequence, &self.reader.checkpoint_parts(partition, found.sequence)?)?;
                Ok(found.sequence + 1)
            }
            None if first == 1 => Ok(1),
            None => bail!("partition {partition}: the journal begins at record {first} and no checkpoint opens it"),
        }
    }

    /// The configuration that the journal names by this digest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn configuration(&self, digest: ConfigurationDigest) -> Result<Option<Configuration>> {
        let body = self.reader.configuration(&digest.0)?;
        Ok(body.map(|body| configuration::decode(&body)).transpose()?)
    }
}

/// Refuses a range that begins before what is kept can be run, or ends before it begins. A journal that was never cut
/// may be asked for a time before its first record.
///
/// # Errors
/// Then, and when the store cannot be read.
pub(crate) fn refuse_older(
    reader: &Reader,
    partitions: Range<u16>,
    (from, to): (Option<Instant>, Option<Instant>),
) -> Result<()> {
    let (mut begins, mut reached) = (None::<Instant>, None::<Instant>);
    for partition in partitions {
        let Some((first, _)) = reader.bounds(partition)? else { continue };
        let at = reader.journal_row(partition, first)?.map(|row| row.at);
        begins = at.into_iter().chain(begins).min();
        if first > 1 {
            let opened = nearest_checkpoint(reader, partition, Instant::MIN)?.map(|found| found.at);
            reached = opened.or(at).into_iter().chain(reached).max();
        }
    }
    if let (Some(from), Some(reached)) = (from, reached)
        && from <= reached
    {
        bail!("--from {from} is older than what is kept: the journal can be run from {reached} on");
    }
    if let (Some(to), Some(begins)) = (to, begins)
        && to <= begins
    {
        bail!("--to {to} is older than what is kept: the journal begins at {begins}");
    }
    Ok(())
}

/// The newest checkpoint of a partition that lies before an instant, else the oldest where the journal was cut.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn nearest_checkpoint(reader: &Reader, partition: u16, from: Instant) -> Result<Option<Checkpoint>> {
    let first = reader.bounds(partition)?.map_or(1, |(first, _)| first);
    let found = reader.checkpoints(partition)?;
    let usable = || found.iter().filter(|checkpoint| checkpoint.sequence + 1 >= first);
    let before = usable().rfind(|checkpoint| checkpoint.at < from);
    Ok(before.or_else(|| usable().next().filter(|_| first > 1)).copied())
}

/// A row as a replay takes it.
///
/// # Errors
/// When what it observed is lost.
pub(crate) fn entry(partition: u16, row: &JournalEntry) -> Result<Entry, Lost> {
    let input = observed(partition, row)?;
    Ok(Entry {
        partition,
        sequence: row.sequence,
        at: row.at,
        begins: row.begins,
        kind: row.kind.clone(),
        input,
        digest: row.digest,
    })
}
