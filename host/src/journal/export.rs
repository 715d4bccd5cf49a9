//! The journal as a file: a recording that people read, with all that its exact replay on another machine needs.

use std::collections::{HashSet, VecDeque};

use anyhow::{Context as _, Result};
use engine::{configuration, digest, rows};
use ingest::recorded::{
    Bytes, EXPORT_VERSION, Entry, Export, Hash, JournalPart, Timed, to_bare_line, to_journal_line, to_line, to_raw_line,
};
use model::device::Devices;
use model::input::{Body, HostEvent};
use model::{ConfigurationDigest, Name};
use serde_json::value::to_raw_value;
use server::state::Range;
use store::{DecisionRow, JournalEntry, Reader, Table};

use super::lost::{Losses, Lost, decision, loss, observed};
use super::same_instant::SameInstant;
use super::stored::{nearest_checkpoint, refuse_older};
use crate::kebab;

/// Rows of one read transaction: a long reader would hold back the store's own checkpoints.
const PAGE: usize = 1_000;

/// Gives the lines of an export to `send`, in order of time over all partitions, until it returns false.
///
/// With `range.observed` it is what was observed, each input once. Else it is everything, from the checkpoint before
/// `range.from` on. What is lost is a line that says so, and the rest follows.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn export(
    reader: &Reader,
    devices: &Devices,
    range: &Range,
    send: impl FnMut(String) -> bool,
) -> Result<Losses> {
    let partitions = partitions(reader, range);
    let mut writer = Writer { reader, devices, send, told: HashSet::new(), losses: Losses::default() };
    let mut cursors = Vec::new();
    if !range.observed && !writer.head()? {
        return Ok(writer.losses);
    }
    for partition in partitions {
        let from = if range.observed { 1 } else { writer.open(partition, range)? };
        cursors.push(Cursor::new(reader, partition, from, !range.observed)?);
    }
    let mut same = SameInstant::default();
    let first = |cursors: &[Cursor]| {
        let heads = cursors.iter().enumerate().filter_map(|(index, cursor)| Some((cursor.head()?.at, index)));
        heads.min().map(|(_, index)| index)
    };
    while let Some(next) = first(&cursors) {
        let partition = cursors[next].partition;
        let Some((row, decisions)) = cursors[next].take(reader)? else { break };
        if range.to.is_some_and(|to| row.at >= to) {
            break;
        }
        let goes_on = if range.observed {
            let wanted = row.observed && range.from.is_none_or(|from| row.at >= from);
            !wanted || writer.observed(partition, &row, &mut same)
        } else {
            writer.record(partition, &row, &decisions)?
        };
        if !goes_on {
            break;
        }
    }
    Ok(writer.losses)
}

/// Refuses a range that is older than what is kept.
///
/// # Errors
/// Then, and when the store cannot be read.
pub(crate) fn refuse(reader: &Reader, range: &Range) -> Result<()> {
    refuse_older(reader, partitions(reader, range), (range.from, range.to))
}

fn partitions(reader: &Reader, range: &Range) -> std::ops::Range<u16> {
    range.partition.map_or(0..reader.partitions(), |partition| partition..partition + 1)
}

struct Writer<'a, S> {
    reader: &'a Reader,
    devices: &'a Devices,
    send: S,
    /// Configurations that stand in the file already.
    told: HashSet<ConfigurationDigest>,
    losses: Losses,
}

impl<S: FnMut(String) -> bool> Writer<'_, S> {
    fn head(&mut self) -> Result<bool> {
        let partitions = self.reader.partitions();
        let export = Export { version: EXPORT_VERSION, engine: Name::from(env!("CARGO_PKG_VERSION")), partitions };
        let part = JournalPart { export: Some(export), ..JournalPart::default() };
        let at = (0..partitions).filter_map(|partition| {
            let first = self.reader.bounds(partition).ok()??.0;
            Some(self.reader.journal_row(partition, first).ok()??.at)
        });
        let line = to_bare_line(Timed { sequence: None, at: at.min().unwrap_or_default() });
        Ok((self.send)(to_journal_line(line, &part)))
    }

    /// Writes the state from which a partition is replayed, and returns the first sequence after it.
    fn open(&mut self, partition: u16, range: &Range) -> Result<u64> {
        let from = range.from.unwrap_or(model::Instant::MIN);
        let Some(found) = nearest_checkpoint(self.reader, partition, from)? else { return Ok(1) };
        let timed = Timed { sequence: Some(found.sequence), at: found.at };
        for part in self.reader.checkpoint_parts(partition, found.sequence)? {
            let mut named = None;
            store::unpack(&part, &mut |table, _, value| {
                if table == Table::Partition {
                    named =
                        rows::decode::<rows::PartitionRow>("partition", value).ok().and_then(|row| row.configuration);
                }
            })
            .with_context(|| {
                format!("partition {partition}: the checkpoint after record {} is damaged", found.sequence)
            })?;
            if let Some(named) = named {
                self.configuration(named, timed)?;
            }
            let part = JournalPart { partition, checkpoint: Some(Bytes(part.into())), ..JournalPart::default() };
            (self.send)(to_journal_line(to_bare_line(timed), &part));
        }
        Ok(found.sequence + 1)
    }

    fn configuration(&mut self, digest: ConfigurationDigest, timed: Timed) -> Result<()> {
        if !self.told.insert(digest) {
            return Ok(());
        }
        let Some(body) = self.reader.configuration(&digest.0)? else { return Ok(()) };
        let json = kebab::keys(&configuration::decode(&body)?);
        let part = JournalPart { configuration: Some(Hash(digest.0)), ..JournalPart::default() };
        let timed = Timed { sequence: None, at: timed.at };
        (self.send)(to_journal_line(to_raw_line(timed, "deployment", &json), &part));
        Ok(())
    }

    fn record(&mut self, partition: u16, row: &JournalEntry, decisions: &[DecisionRow]) -> Result<bool> {
        let timed = Timed { sequence: Some(row.sequence), at: row.at };
        let mut part =
            JournalPart { partition, begins: row.begins, digest: Some(Hash(row.digest)), ..JournalPart::default() };
        let line = match observed(partition, row) {
            Ok(Some(input)) => {
                if let Body::Host(HostEvent::Started { configuration: Some(digest), .. }) = &input.body {
                    self.configuration(*digest, timed)?;
                } else if let Body::Host(HostEvent::Switched { configuration }) = &input.body {
                    self.configuration(*configuration, timed)?;
                }
                part.record = row.payload.clone().map(Bytes);
                to_line(&Entry { input: &input, received: row.at, sequence: Some(row.sequence) }, self.devices)
            }
            Ok(None) => {
                part.derived = Some(row.kind.clone());
                part.lost = loss(row);
                let payload = row.payload.as_deref().filter(|_| part.lost.is_none());
                let content = payload.and_then(|payload| rmp_serde::from_slice::<serde_json::Value>(payload).ok());
                part.content = content.and_then(|content| to_raw_value(&content).ok());
                to_bare_line(timed)
            }
            Err(lost) => {
                part.lost = Some(lost.loss);
                to_bare_line(timed)
            }
        };
        if let Some(loss) = part.lost {
            self.losses.add(Lost::content(partition, row.sequence, loss));
        }
        let mut goes_on = (self.send)(to_journal_line(line, &part));
        for row in decisions {
            let decision = match decision(partition, row) {
                Ok(decision) => Some(to_raw_value(&digest::line(&decision))?),
                Err(lost) => {
                    self.losses.add(lost);
                    continue;
                }
            };
            let part = JournalPart { partition, decision, ..JournalPart::default() };
            goes_on &= (self.send)(to_journal_line(to_bare_line(timed), &part));
        }
        Ok(goes_on)
    }

    /// What several partitions took is one line; transfers follow from the others.
    fn observed(&mut self, partition: u16, row: &JournalEntry, same: &mut SameInstant) -> bool {
        if &*row.kind == "transfer" {
            return true;
        }
        match observed(partition, row) {
            Ok(Some(input)) if !same.took(row.at, &input) => {
                (self.send)(to_line(&Entry { input: &input, received: row.at, sequence: None }, self.devices))
            }
            Ok(_) => true,
            Err(lost) => {
                self.losses.add(lost);
                let part = JournalPart { partition, lost: Some(lost.loss), ..JournalPart::default() };
                let line = to_bare_line(Timed { sequence: Some(row.sequence), at: row.at });
                (self.send)(to_journal_line(line, &part))
            }
        }
    }
}

/// One partition's journal with its decisions, page by page.
struct Cursor {
    partition: u16,
    page: VecDeque<JournalEntry>,
    decisions: VecDeque<DecisionRow>,
    next: u64,
    decided: bool,
}

impl Cursor {
    fn new(reader: &Reader, partition: u16, from: u64, decided: bool) -> Result<Self, store::Error> {
        let mut cursor = Self { partition, page: VecDeque::new(), decisions: VecDeque::new(), next: from, decided };
        cursor.fill(reader)?;
        Ok(cursor)
    }

    fn head(&self) -> Option<&JournalEntry> {
        self.page.front()
    }

    fn take(&mut self, reader: &Reader) -> Result<Option<(JournalEntry, Vec<DecisionRow>)>, store::Error> {
        let Some(row) = self.page.pop_front() else { return Ok(None) };
        let mut decisions = Vec::new();
        while let Some(decision) = self.decisions.pop_front_if(|decision| decision.sequence <= row.sequence) {
            decisions.push(decision);
        }
        if self.page.is_empty() {
            self.fill(reader)?;
        }
        Ok(Some((row, decisions)))
    }

    fn fill(&mut self, reader: &Reader) -> Result<(), store::Error> {
        self.page = reader.journal(self.partition, self.next, PAGE)?.into();
        if let (Some(first), Some(last)) = (self.page.front(), self.page.back()) {
            if self.decided {
                self.decisions = reader.decisions_within(self.partition, (first.sequence, last.sequence))?.into();
            }
            self.next = last.sequence + 1;
        }
        Ok(())
    }
}
