//! Exact replay of a journal, wherever it is read from: each partition by itself, records and decisions held against
//! those of the live run.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, Result, anyhow, bail};
use engine::digest::{self, RunDigest};
use engine::rows::{self, PartitionRow};
use engine::trace::{Ended, Step};
use engine::{Branch, Exact, Recorded};
use model::input::{Body, HostEvent};
use model::{Configuration, ConfigurationDigest, Decision, Input, Instant, Name};
use serde_json::{Map, Value as Json};
use store::Table;

use super::Archive;

/// One record of a journal.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) partition: u16,
    pub(crate) sequence: u64,
    pub(crate) at: Instant,
    pub(crate) begins: bool,
    pub(crate) kind: Name,
    /// None for what was derived.
    pub(crate) input: Option<Input>,
    /// Of the payload as stored.
    pub(crate) digest: [u8; 32],
}

/// What a replay found: that it was the same, as far as it went.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub(crate) struct Replayed {
    pub(crate) records: u64,
    /// Of steps with an effect, a refusal or a failure.
    pub(crate) decisions: u64,
    pub(crate) digest: String,
}

/// Gives the configuration that the journal names by a digest.
pub(crate) type Configurations<'a> = Box<dyn FnMut(ConfigurationDigest) -> Result<Option<Configuration>> + 'a>;
/// Is shown every decision, in the order of its partition.
pub(crate) type Watcher<'a> = Box<dyn FnMut(u16, &Decision) -> std::io::Result<()> + 'a>;

/// Replays partitions and compares.
pub(crate) struct Replayer<'a> {
    archive: Archive,
    partitions: u16,
    configurations: Configurations<'a>,
    watcher: Watcher<'a>,
    running: BTreeMap<u16, Running>,
    digest: RunDigest,
    summary: Replayed,
    traced: Option<Traced>,
}

/// What was seen since tracing began.
#[derive(Debug, Default)]
pub(crate) struct Traced {
    pub(crate) steps: Vec<Step>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) decisions: Vec<Decision>,
}

/// Partitions that have left their journals, with what they need to go on.
pub(crate) struct Departed<'a> {
    branch: Branch,
    archive: Archive,
    partitions: u16,
    configurations: Configurations<'a>,
}

struct Running {
    /// None until the first record says what is in force.
    exact: Option<Exact>,
    checkpoint: Option<Checkpoint>,
    /// Notable decisions that were made and not yet compared.
    made: VecDeque<Decision>,
    /// The journal's that the replay has not made yet.
    recorded: VecDeque<Map<String, Json>>,
}

/// Table, key and value.
type Row = (Table, Box<[u8]>, Box<[u8]>);

struct Checkpoint {
    sequence: u64,
    rows: Vec<Row>,
}

impl<'a> Replayer<'a> {
    pub(crate) fn new(
        archive: Archive,
        partitions: u16,
        configurations: Configurations<'a>,
        watcher: Watcher<'a>,
    ) -> Self {
        let (running, digest, summary) = (BTreeMap::new(), RunDigest::default(), Replayed::default());
        Self { archive, partitions, configurations, watcher, running, digest, summary, traced: None }
    }

    /// Starts a partition: from the parts of the checkpoint after `sequence`, or from nothing.
    ///
    /// # Errors
    /// When a part does not read back.
    pub(crate) fn begin(&mut self, partition: u16, sequence: u64, parts: &[Vec<u8>]) -> Result<()> {
        let mut rows = Vec::new();
        for part in parts {
            store::unpack(part, &mut |table, key, value| rows.push((table, key.into(), value.into())))
                .with_context(|| format!("partition {partition}: the checkpoint after record {sequence} is damaged"))?;
        }
        let checkpoint = (sequence > 0).then_some(Checkpoint { sequence, rows });
        let running = Running { exact: None, checkpoint, made: VecDeque::new(), recorded: VecDeque::new() };
        self.running.insert(partition, running);
        Ok(())
    }

    /// Takes the next record of its partition.
    ///
    /// # Errors
    /// Where the replay parts from the journal, and where a configuration or package is missing.
    pub(crate) fn take(&mut self, entry: &Entry) -> Result<()> {
        let partition = entry.partition;
        if !self.running.contains_key(&partition) {
            self.begin(partition, 0, &[])?;
        }
        if self.running[&partition].exact.is_none() {
            self.start(partition, Some(entry))?;
        }
        let running = self.running.get_mut(&partition).expect("it was just begun");
        let exact = running.exact.as_mut().expect("it was just started");
        let configuration = match &entry.input {
            Some(input) => put_in_force(input, exact.wanted(input), exact.configuration().0, &mut self.configurations)?,
            None => None,
        };
        let setup = configuration.map(|new| self.archive.setup(new, self.partitions)).transpose()?;
        let recorded = Recorded {
            sequence: entry.sequence,
            at: entry.at,
            begins: entry.begins,
            kind: &entry.kind,
            observed: entry.input.as_ref(),
            digest: entry.digest,
        };
        exact.take(&recorded, setup).with_context(|| format!("partition {partition}"))?;
        self.summary.records += 1;
        self.collect(partition)
    }

    /// A decision of the live run as [`digest::line`] tells it, in the order of its partition.
    ///
    /// # Errors
    /// When the replay made another one at its place.
    pub(crate) fn recorded(&mut self, partition: u16, decision: Map<String, Json>) -> Result<()> {
        if let Some(running) = self.running.get_mut(&partition) {
            running.recorded.push_back(decision);
        }
        self.compare(partition)
    }

    /// Traces from the next record on.
    pub(crate) fn trace(&mut self) {
        self.traced = Some(Traced::default());
        self.running.values_mut().filter_map(|running| running.exact.as_mut()).for_each(Exact::trace);
    }

    /// What was traced so far.
    pub(crate) fn traced(&mut self) -> &mut Traced {
        self.traced.get_or_insert_default()
    }

    /// A partition on its way; none before its first record.
    pub(crate) fn exact(&self, partition: u16) -> Option<&Exact> {
        self.running.get(&partition)?.exact.as_ref()
    }

    /// Lets all partitions leave their journals where they stand; none before the first record of any.
    pub(crate) fn depart(self) -> Option<Departed<'a>> {
        let Self { archive, partitions, configurations, running, .. } = self;
        let branch = Branch::of(running.into_values().filter_map(|running| running.exact).collect())?;
        Some(Departed { branch, archive, partitions, configurations })
    }

    /// Ends the replay of all partitions.
    ///
    /// # Errors
    /// When the replay or the journal has more than the other.
    pub(crate) fn finish(mut self) -> Result<Replayed> {
        for partition in self.running.keys().copied().collect::<Vec<_>>() {
            if let Some(exact) = self.running.get_mut(&partition).and_then(|running| running.exact.as_mut()) {
                exact.finish().with_context(|| format!("partition {partition}"))?;
            }
            self.collect(partition)?;
            let running = &self.running[&partition];
            if let Some(decision) = running.recorded.front() {
                bail!(
                    "partition {partition}: the live run decided what the replay did not: {}",
                    told(decision.clone())
                );
            }
        }
        self.summary.digest = self.digest.finish();
        Ok(self.summary)
    }

    /// Makes a partition that stands at its checkpoint, before any record, what the checkpoint says.
    ///
    /// # Errors
    /// When its configuration or a package is missing.
    pub(crate) fn stand(&mut self, partition: u16) -> Result<()> {
        let waits = |running: &Running| running.exact.is_none() && running.checkpoint.is_some();
        if self.running.get(&partition).is_some_and(waits) { self.start(partition, None) } else { Ok(()) }
    }

    /// Starts a partition at its first record, or where it stands.
    fn start(&mut self, partition: u16, first: Option<&Entry>) -> Result<()> {
        let running = self.running.get_mut(&partition).expect("it was begun");
        let checkpoint = running.checkpoint.take();
        let named = match first.and_then(|entry| entry.input.as_ref()).map(|input| &input.body) {
            // After a start the state is laid out as the new configuration has it.
            Some(Body::Host(HostEvent::Started { configuration, .. })) => *configuration,
            _ => checkpoint.as_ref().and_then(Checkpoint::configuration),
        };
        let configuration = match named {
            Some(digest) => known(&mut self.configurations, digest)?,
            None => {
                let record = first.map_or_else(String::new, |entry| format!(" at record {}", entry.sequence));
                bail!(
                    "partition {partition}: the journal does not say what was in force{record}: it is older than that"
                )
            }
        };
        let setup = self.archive.setup(configuration, self.partitions)?;
        let mut exact = Exact::new(partition, setup)?;
        if let Some(checkpoint) = &checkpoint {
            let rows = checkpoint.rows.iter().map(|(table, key, value)| (*table, &**key, &**value));
            exact.restore(checkpoint.sequence, rows)?;
        }
        if self.traced.is_some() {
            exact.trace();
        }
        running.exact = Some(exact);
        Ok(())
    }

    fn collect(&mut self, partition: u16) -> Result<()> {
        let running = self.running.get_mut(&partition).expect("it was begun");
        let Some(exact) = &mut running.exact else { return Ok(()) };
        if let Some(traced) = &mut self.traced {
            let (steps, ended) = exact.traced();
            traced.steps.extend(steps);
            traced.ended.extend(ended);
        }
        for decision in exact.decisions() {
            if let Some(traced) = &mut self.traced {
                traced.decisions.push(decision.clone());
            }
            (self.watcher)(partition, &decision).context("failed to write decisions")?;
            if decision.is_notable() {
                self.digest.add(&decision);
                self.summary.decisions += 1;
                running.made.push_back(decision);
            }
        }
        self.compare(partition)
    }

    fn compare(&mut self, partition: u16) -> Result<()> {
        let Some(running) = self.running.get_mut(&partition) else { return Ok(()) };
        while let (Some(made), Some(recorded)) = (running.made.front(), running.recorded.front()) {
            let made = digest::line(made);
            if made != *recorded {
                let (live, replayed) = (told(recorded.clone()), told(made));
                bail!("partition {partition}: the live run decided\n  {live}\nthe replay\n  {replayed}");
            }
            running.made.pop_front();
            running.recorded.pop_front();
        }
        Ok(())
    }
}

impl Departed<'_> {
    /// Ends the turn.
    pub(crate) fn end_turn(&mut self) {
        self.branch.end_turn();
    }

    /// Takes an input as if it had come at this instant.
    ///
    /// # Errors
    /// When what it puts in force is not kept.
    pub(crate) fn feed(&mut self, input: &Input, at: Instant) -> Result<()> {
        let wanted = self.branch.wanted(input);
        let configuration = put_in_force(input, wanted, self.branch.configuration(), &mut self.configurations)?;
        let setup = configuration.map(|new| self.archive.setup(new, self.partitions)).transpose()?;
        Ok(self.branch.feed(input, at, setup)?)
    }

    /// Lets the clock run on to the end.
    pub(crate) fn finish(mut self, to: Instant) -> Vec<Decision> {
        self.branch.advance(to);
        self.branch.end_turn();
        self.branch.decisions().collect()
    }
}

/// The configuration that a record puts in force, where it does.
fn put_in_force(
    input: &Input,
    wanted: Option<ConfigurationDigest>,
    current: &Configuration,
    configurations: &mut Configurations<'_>,
) -> Result<Option<Configuration>> {
    match (wanted, &input.body) {
        (Some(digest), _) => known(configurations, digest).map(Some),
        (None, Body::Host(HostEvent::Joined(joined))) => {
            let mut configuration = current.clone();
            configuration.join(joined);
            Ok(Some(configuration))
        }
        _ => Ok(None),
    }
}

impl Checkpoint {
    fn configuration(&self) -> Option<ConfigurationDigest> {
        let (.., value) = self.rows.iter().find(|(table, ..)| *table == Table::Partition)?;
        rows::decode::<PartitionRow>("partition", value).ok()?.configuration
    }
}

fn known(configurations: &mut Configurations<'_>, digest: ConfigurationDigest) -> Result<Configuration> {
    configurations(digest)?.ok_or_else(|| anyhow!("the configuration {digest} that the journal names is not kept"))
}

fn told(decision: Map<String, Json>) -> String {
    Json::Object(decision).to_string()
}
