//! A host's own journal as the stream of a backtest: all partitions merged, from the checkpoints that lie far enough back.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, Result, anyhow, bail};
use backtest::{Backtest, Options, Part, Report, Results, warm_up};
use engine::rows::{self, PartitionRow};
use model::input::{Body, HostEvent};
use model::{Configuration, ConfigurationDigest, Instant, Span};
use store::{JournalEntry, Reader, Table};

use super::Set;
use super::recording::place;
use crate::journal::{Archive, Entry, Losses, SameInstant, Stored, entry, nearest_checkpoint, refuse_older};

#[cfg(test)]
mod tests;

/// Rows of one read transaction: a long reader would hold back the store's own checkpoints.
const PAGE: usize = 1_000;

/// The stream of one store.
pub(crate) struct Past {
    reader: Reader,
    stored: Stored,
    archive: Archive,
    range: (Option<Instant>, Option<Instant>),
    starts: Vec<Start>,
    warm: Span,
}

/// Where a partition's stream begins.
struct Start {
    partition: u16,
    /// The record before the first, and its instant: what the checkpoint holds. Zero at the beginning of a journal.
    sequence: u64,
    at: Instant,
    last: u64,
    rows: Vec<Row>,
}

/// Table, key and value.
type Row = (Table, Box<[u8]>, Box<[u8]>);

/// One partition's journal, page by page.
struct Cursor {
    partition: u16,
    page: VecDeque<JournalEntry>,
    next: u64,
}

/// The set that ran, as its records name it.
struct AsItRan {
    configuration: Configuration,
    digest: ConfigurationDigest,
}

impl Past {
    /// Finds the beginnings of all partitions: the nearest checkpoints before `from`, less what the sets look back.
    ///
    /// # Errors
    /// When the range is older than what is kept, or the store cannot be read.
    pub(crate) fn open(
        reader: Reader,
        archive: Archive,
        range: (Option<Instant>, Option<Instant>),
        warm: Span,
    ) -> Result<Self> {
        refuse_older(&reader, 0..reader.partitions(), range)?;
        let wanted = range.0.map_or(Instant::MIN, |from| from.before(warm));
        let mut starts = Vec::new();
        for partition in 0..reader.partitions() {
            if let Some((first, last)) = reader.bounds(partition)? {
                starts.push(Start::find(&reader, partition, (first, last), wanted)?);
            }
        }
        if starts.is_empty() {
            bail!("the journal is empty");
        }
        Ok(Self { stored: Stored::new(reader.clone()), reader, archive, range, starts, warm })
    }

    /// Records that will be read.
    pub(crate) fn records(&self) -> u64 {
        self.starts.iter().map(|start| start.last - start.sequence).sum()
    }

    /// Runs both sets over it; without an old one, what ran.
    ///
    /// # Errors
    /// When a record cannot be read, or a package or configuration of what ran is gone.
    pub(crate) fn run(
        mut self,
        mut old: Option<&mut Set>,
        new: &mut Set,
        options: Options,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Report> {
        let partitions = self.reader.partitions();
        let mut ran = match &old {
            Some(_) => None,
            None => Some(self.what_ran()?),
        };
        let setup = match (&old, &ran) {
            (Some(set), _) => set.setup(partitions),
            (None, Some(ran)) => self.archive.setup(ran.configuration.clone(), partitions)?,
            (None, None) => bail!("there is no old set"),
        };
        let mut run = Backtest::new(setup, new.setup(partitions), self.results()?, options)?;
        for start in &self.starts {
            start.give_to(&mut run, Part::Old, old.is_some())?;
            start.give_to(&mut run, Part::New, true)?;
        }
        let mut cursors = self.cursors()?;
        let mut done = 0;
        let mut same = SameInstant::default();
        let mut losses = Losses::default();
        while let Some((partition, row)) = next(&mut cursors, &self.reader)? {
            done += 1;
            if done % 1_024 == 0 {
                progress(done);
            }
            if self.range.1.is_some_and(|to| row.at >= to) {
                break;
            }
            if !row.observed {
                continue;
            }
            let found = match entry(partition, &row) {
                Ok(found) => found,
                Err(lost) => {
                    losses.add(lost);
                    continue;
                }
            };
            if found.input.as_ref().is_some_and(|input| same.took(found.at, input)) {
                continue;
            }
            if let Some(ran) = &mut ran {
                self.follow(&mut run, ran, &found)?;
            }
            if let Some(Body::Host(HostEvent::Joined(joined))) = found.input.as_ref().map(|input| &input.body) {
                let id = found.input.as_ref().map(|input| input.id.clone()).unwrap_or_default();
                if let Some(set) = old.as_deref_mut()
                    && let Some(setup) = set.joined(&joined.device, partitions)?
                {
                    run.reconfigure(Part::Old, setup, id.clone(), found.at)?;
                }
                if let Some(setup) = new.joined(&joined.device, partitions)? {
                    run.reconfigure(Part::New, setup, id, found.at)?;
                }
            }
            if let Some(input) = found.input.as_ref().filter(|input| is_fed(&input.body)) {
                run.take(input.clone(), found.at);
            }
        }
        let end = self.range.1.map(|to| Instant(to.0 - 1));
        let mut report = run.finish(end);
        report.unknown.extend(lost(&losses));
        report.unknown.extend(self.short_past());
        report.unknown.extend(unheard(old.as_deref(), ran.as_ref(), new));
        Ok(report)
    }

    /// The configuration in force where the stream begins.
    fn what_ran(&self) -> Result<AsItRan> {
        let mut first: Option<(Instant, ConfigurationDigest)> = None;
        for start in &self.starts {
            let named = match self.in_force(start)? {
                Some(digest) => Some(digest),
                None => self.first_start(start)?,
            };
            if let Some(digest) = named.filter(|_| first.is_none_or(|(at, _)| start.at < at)) {
                first = Some((start.at, digest));
            }
        }
        let (_, digest) = first.ok_or_else(|| {
            anyhow!("the journal does not say what was in force: it is older than that; give the old set with --old")
        })?;
        Ok(AsItRan { configuration: self.configuration(digest)?, digest })
    }

    fn configuration(&self, digest: ConfigurationDigest) -> Result<Configuration> {
        let found = self.stored.configuration(digest)?;
        found.ok_or_else(|| anyhow!("the configuration {digest} that the journal names is not kept"))
    }

    fn in_force(&self, start: &Start) -> Result<Option<ConfigurationDigest>> {
        let row = start.rows.iter().find(|(table, ..)| *table == Table::Partition);
        let row = row.map(|(.., value)| rows::decode::<PartitionRow>("partition", value)).transpose()?;
        Ok(row.and_then(|row| row.configuration))
    }

    /// What the first start in a journal without a checkpoint names.
    fn first_start(&self, start: &Start) -> Result<Option<ConfigurationDigest>> {
        let found = self.reader.journal_of_kind(start.partition, "host", start.sequence + 1, 1)?;
        let Some(row) = found.first() else { return Ok(None) };
        Ok(match entry(start.partition, row)?.input.map(|input| input.body) {
            Some(Body::Host(HostEvent::Started { configuration, .. })) => configuration,
            _ => None,
        })
    }

    /// Puts in force on the old side what a record says was in force from there on.
    fn follow(&mut self, run: &mut Backtest, ran: &mut AsItRan, found: &Entry) -> Result<()> {
        let Some(input) = &found.input else { return Ok(()) };
        let partitions = self.reader.partitions();
        match &input.body {
            Body::Host(HostEvent::Started { configuration: Some(digest), .. }) if *digest != ran.digest => {
                *ran = AsItRan { configuration: self.configuration(*digest)?, digest: *digest };
                run.switch(Part::Old, self.archive.setup(ran.configuration.clone(), partitions)?)?;
            }
            Body::Host(HostEvent::Switched { configuration: digest }) if *digest != ran.digest => {
                *ran = AsItRan { configuration: self.configuration(*digest)?, digest: *digest };
                let setup = self.archive.setup(ran.configuration.clone(), partitions)?;
                run.reconfigure(Part::Old, setup, input.id.clone(), found.at)?;
            }
            Body::Host(HostEvent::Joined(joined))
                if ran.configuration.devices.iter().all(|device| device.number != joined.device.number) =>
            {
                ran.configuration.join(joined);
                let setup = self.archive.setup(ran.configuration.clone(), partitions)?;
                run.reconfigure(Part::Old, setup, input.id.clone(), found.at)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// How many results of each effect and sink the journal holds.
    fn results(&self) -> Result<Results> {
        let mut found = HashMap::new();
        for start in &self.starts {
            let mut from = start.sequence + 1;
            loop {
                let page = self.reader.journal_of_kind(start.partition, "settled", from, PAGE)?;
                let Some(last) = page.last() else { break };
                from = last.sequence + 1;
                for row in &page {
                    // One that is lost is told of where the stream reaches it.
                    let read = entry(start.partition, row).ok().and_then(|entry| entry.input);
                    if let Some(place) = read.as_ref().and_then(place) {
                        *found.entry(place).or_default() += 1;
                    }
                }
            }
        }
        Ok(found)
    }

    fn cursors(&self) -> Result<Vec<Cursor>> {
        let cursor = |start: &Start| {
            let (partition, next) = (start.partition, start.sequence + 1);
            let mut cursor = Cursor { partition, page: VecDeque::new(), next };
            cursor.fill(&self.reader)?;
            Ok(cursor)
        };
        self.starts.iter().map(cursor).collect()
    }

    /// Where the journal does not reach as far back as the sets look.
    fn short_past(&self) -> Option<String> {
        let from = self.range.0?;
        let cut = self.starts.iter().filter(|start| start.sequence > 0).map(|start| start.at).max()?;
        let had = from.since(cut);
        (had < self.warm).then(|| {
            format!("What longer memory would have done: the sets look back {}, but the journal can be run only from {had} before {from} on.", self.warm)
        })
    }
}

impl Start {
    fn find(reader: &Reader, partition: u16, (first, last): (u64, u64), wanted: Instant) -> Result<Self> {
        let Some(found) = nearest_checkpoint(reader, partition, wanted)? else {
            if first > 1 {
                bail!("partition {partition}: the journal begins at record {first} and no checkpoint opens it");
            }
            return Ok(Self { partition, sequence: 0, at: Instant::MIN, last, rows: Vec::new() });
        };
        let mut rows = Vec::new();
        for part in reader.checkpoint_parts(partition, found.sequence)? {
            store::unpack(&part, &mut |table, key, value| rows.push((table, key.into(), value.into()))).with_context(
                || format!("partition {partition}: the checkpoint after record {} is damaged", found.sequence),
            )?;
        }
        Ok(Self { partition, sequence: found.sequence, at: found.at, last, rows })
    }

    /// State passes over by name, as at a switch. Another set is not held for what ran before it did.
    fn give_to(&self, run: &mut Backtest, part: Part, other: bool) -> Result<()> {
        if self.sequence == 0 {
            return Ok(());
        }
        let rows = self.rows.iter().filter(|(table, ..)| !(other && *table == Table::Quarantine));
        let rows = rows.map(|(table, key, value)| (*table, &**key, &**value));
        run.restore(part, self.partition, (self.sequence, self.at), rows)?;
        Ok(())
    }
}

impl Cursor {
    fn fill(&mut self, reader: &Reader) -> Result<(), store::Error> {
        self.page = reader.journal(self.partition, self.next, PAGE)?.into();
        if let Some(last) = self.page.back() {
            self.next = last.sequence + 1;
        }
        Ok(())
    }
}

/// The next record of all partitions, by (at, partition, sequence).
fn next(cursors: &mut [Cursor], reader: &Reader) -> Result<Option<(u16, JournalEntry)>> {
    let heads = cursors.iter_mut().filter(|cursor| !cursor.page.is_empty());
    let Some(cursor) = heads.min_by_key(|cursor| (cursor.page.front().map(|row| row.at), cursor.partition)) else {
        return Ok(None);
    };
    let row = cursor.page.pop_front();
    if cursor.page.is_empty() {
        cursor.fill(reader)?;
    }
    Ok(row.map(|row| (cursor.partition, row)))
}

/// Transfers are made again; a switch or a joined device was put in force by its own means.
fn is_fed(body: &Body) -> bool {
    !matches!(body, Body::Transfer(_) | Body::Host(HostEvent::Joined(_) | HostEvent::Switched { .. }))
}

/// What stood in records that are lost.
pub(super) fn lost(losses: &Losses) -> Option<String> {
    losses.told().map(|told| format!("What both sets would have made of what is lost of the journal: {told}."))
}

/// Topics that only the new set listens to: nothing of them was kept.
fn unheard(old: Option<&Set>, ran: Option<&AsItRan>, new: &Set) -> Option<String> {
    let mut heard = old.map(Set::filters).unwrap_or_default();
    let specs = ran.into_iter().flat_map(|ran| &ran.configuration.deployments);
    heard.extend(specs.flat_map(|spec| &spec.triggers).filter_map(|trigger| match &trigger.kind {
        model::trigger::Kind::Message { filter, .. } => Some(filter.clone()),
        _ => None,
    }));
    let unheard: Vec<String> =
        new.filters().iter().filter(|filter| !heard.contains(filter)).map(|filter| format!("`{filter}`")).collect();
    (!unheard.is_empty()).then(|| {
        format!(
            "What came on {}: only the new set listens there, so the journal has kept nothing of it.",
            unheard.join(", ")
        )
    })
}

/// How far back both sets look.
pub(crate) fn look_back(old: Option<&Set>, new: &Set) -> Span {
    warm_up(old.into_iter().flat_map(Set::specs).chain(new.specs()))
}
