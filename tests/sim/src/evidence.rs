//! Evidence: all that a run leaves behind, for the checkers to judge.

use std::collections::{BTreeMap, BTreeSet};

use engine::Accounts;
use engine::rows::{PartitionRow, decode};
use model::effect::Overdue;
use model::input::Body;
use model::{Decision, Effect, Id, Input, Instant, Name, Span, Verdict};
use sha2::{Digest as _, Sha256};
use store::{Reader, Table};

use crate::plan::Plan;
pub use crate::sinks::Delivered;

/// What a run has left.
pub struct Evidence {
    pub plan: Plan,
    /// Numbers of all messages that the broker was given.
    pub said: BTreeSet<u64>,
    /// Numbers of those that the host has acknowledged.
    pub acknowledged: BTreeSet<u64>,
    /// In the order of partitions and their sequences.
    pub journal: Vec<Record>,
    pub decisions: Vec<Decided>,
    /// In the order of arrival.
    pub delivered: Vec<Delivered>,
    /// Rows of every partition's state.
    pub state: BTreeMap<(u16, Table), Rows>,
    pub accounts: Accounts,
    /// Accounts that did not balance after a turn.
    pub imbalances: Vec<String>,
    pub outbox: usize,
    pub dead_letters: usize,
    /// Rows of the journal that are damaged.
    pub damaged: u64,
    /// How long after the last fault everything was done; none where it never was.
    pub quiet_after: Option<Span>,
    /// How often the host ended and began anew.
    pub lives: u64,
    /// The last sign of life that the store holds.
    pub alive: Option<Instant>,
    /// The same for every run of one plan.
    pub digest: String,
}

pub type Rows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// One record of the journal.
pub struct Record {
    pub partition: u16,
    pub sequence: u64,
    pub at: Instant,
    /// Whether a turn begins with it.
    pub begins: bool,
    pub kind: Name,
    /// Of the payload.
    pub digest: [u8; 32],
    /// What was taken; none for what follows from it.
    pub input: Option<Input>,
}

/// One decision as it is kept.
pub struct Decided {
    pub partition: u16,
    pub sequence: u64,
    pub index: u32,
    pub decision: Decision,
}

/// A timer that a rule has set.
pub struct TimerSet {
    pub id: Id,
    pub due: Instant,
    pub overdue: Overdue,
}

/// What a trigger told the rule that answers with what woke it.
pub struct Told<'a> {
    pub decided: &'a Decided,
    /// Of the record that it stands at.
    pub at: Instant,
    pub trigger: &'a Name,
    pub numbers: [i64; 2],
}

/// What only the run itself has seen.
pub(crate) struct Seen {
    pub(crate) plan: Plan,
    pub(crate) said: BTreeSet<u64>,
    pub(crate) acknowledged: BTreeSet<u64>,
    pub(crate) delivered: Vec<Delivered>,
    pub(crate) accounts: Accounts,
    pub(crate) imbalances: Vec<String>,
    pub(crate) quiet_after: Option<Span>,
    pub(crate) lives: u64,
}

/// More rows than any run has.
const ALL: usize = 1_000_000;

impl Evidence {
    /// Reads what the store holds at the end.
    pub(crate) fn read(reader: &Reader, seen: Seen) -> Result<Self, store::Error> {
        let mut journal = Vec::new();
        let mut state: BTreeMap<_, Rows> = BTreeMap::new();
        let mut damaged = 0;
        let mut digest = Sha256::new();
        for partition in 0..reader.partitions() {
            for entry in reader.journal(partition, 1, ALL)? {
                digest.update(entry.chain);
                let payload = entry.payload.filter(|_| entry.observed);
                let input = payload.map(|payload| decode("journal", &payload).expect("our own record"));
                journal.push(Record {
                    partition,
                    sequence: entry.sequence,
                    at: entry.at,
                    begins: entry.begins,
                    kind: entry.kind,
                    digest: entry.digest,
                    input,
                });
            }
            for table in Table::ALL {
                let rows = reader.rows(partition, table, b"")?;
                state.insert((partition, table), rows.into_iter().map(|row| (row.key, row.value)).collect());
            }
            damaged += reader.verify(partition)?.damaged;
        }
        for one in &seen.delivered {
            digest.update(one.outgoing.effect.0);
            digest.update(one.at.0.to_be_bytes());
        }
        let mut evidence = Self {
            plan: seen.plan,
            said: seen.said,
            acknowledged: seen.acknowledged,
            journal,
            decisions: Vec::new(),
            delivered: seen.delivered,
            state,
            accounts: seen.accounts,
            imbalances: seen.imbalances,
            outbox: reader.outbox(ALL)?.len(),
            dead_letters: reader.dead_letters(ALL)?.len(),
            damaged,
            quiet_after: seen.quiet_after,
            lives: seen.lives,
            alive: None,
            digest: hex::encode(digest.finalize()),
        };
        evidence.decisions = decisions(reader, &evidence)?;
        Ok(evidence)
    }

    /// The accounts as the store holds them, all partitions together.
    #[must_use]
    pub fn stored_accounts(&self) -> Accounts {
        let mut sum = Accounts::default();
        self.partitions().for_each(|row| sum.add(&row.accounts));
        sum
    }

    /// The newest instant that any partition has come to.
    #[must_use]
    pub fn clock(&self) -> Instant {
        self.partitions().map(|row| row.clock).chain(self.alive).max().unwrap_or_default()
    }

    fn partitions(&self) -> impl Iterator<Item = PartitionRow> {
        let rows = self.state.iter().filter(|((_, table), _)| *table == Table::Partition);
        rows.flat_map(|(_, rows)| rows.values()).map(|value| decode("partition", value).expect("our own row"))
    }

    /// Rows of a table, all partitions together.
    #[must_use]
    pub fn count(&self, table: Table) -> usize {
        self.state.iter().filter(|((_, of), _)| *of == table).map(|(_, rows)| rows.len()).sum()
    }

    /// The decision that let an effect pass, with the instant of the record that it stands at.
    #[must_use]
    pub fn decision_on(&self, effect: Id) -> Option<(&Decided, Instant)> {
        let allowed = |decided: &&Decided| {
            decided.decision.verdict == Verdict::Allowed
                && decided.decision.effect.as_ref().is_some_and(|record| record.id == effect)
        };
        let decided = self.decisions.iter().find(allowed)?;
        Some((decided, self.record_at(decided.partition, decided.sequence)?))
    }

    /// The instant of a record.
    #[must_use]
    pub fn record_at(&self, partition: u16, sequence: u64) -> Option<Instant> {
        let place = (partition, sequence);
        let record = self.journal.binary_search_by_key(&place, |record| (record.partition, record.sequence)).ok()?;
        Some(self.journal[record].at)
    }

    /// What the triggers of a deployment told its rule, in the order of decisions.
    pub fn told<'a>(&'a self, deployment: &str) -> impl Iterator<Item = Told<'a>> {
        let own = self.decisions.iter().filter(move |decided| &*decided.decision.deployment == deployment);
        own.filter_map(|decided| {
            let Effect::Publish(message) = &decided.decision.effect.as_ref()?.effect else { return None };
            let text = std::str::from_utf8(&message.payload).ok()?;
            let mut parts = text.split(' ').skip(2).filter_map(|part| part.parse().ok());
            let numbers = [parts.next()?, parts.next()?];
            let at = self.record_at(decided.partition, decided.sequence)?;
            Some(Told { decided, at, trigger: &decided.decision.cause.name, numbers })
        })
    }

    /// Timers that were set.
    pub fn timers(&self) -> impl Iterator<Item = TimerSet> {
        self.decisions.iter().filter_map(|decided| match &decided.decision.effect.as_ref()?.effect {
            Effect::SetTimer(timer) if decided.decision.verdict == Verdict::Allowed => {
                let id = decided.decision.effect.as_ref()?.id;
                Some(TimerSet { id, due: timer.due, overdue: timer.overdue })
            }
            _ => None,
        })
    }

    /// How often each message stands in the journal.
    #[must_use]
    pub fn journalled(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for number in self.journal.iter().filter_map(|record| number(record.input.as_ref()?)) {
            *counts.entry(number).or_default() += 1;
        }
        counts
    }
}

/// The number of the message that an input came from.
fn number(input: &Input) -> Option<u64> {
    let Body::Observation { readings, .. } = &input.body else { return None };
    let marker = readings.iter().find(|reading| reading.capability.name() == "marker")?;
    marker.value.as_f64().map(|number| number as u64)
}

/// Every decision that is kept, by deployment and key.
fn decisions(reader: &Reader, evidence: &Evidence) -> Result<Vec<Decided>, store::Error> {
    let whole = (Instant::MIN, Instant(i64::MAX));
    let mut all = Vec::new();
    let setup = crate::rules::setup(&evidence.plan, &crate::world::World::of(&evidence.plan));
    for deployment in setup.deployments.iter().map(|(spec, _)| &spec.name) {
        for key in crate::world::keys(&evidence.plan) {
            for placed in reader.decisions_about(deployment, &key, whole, ALL)? {
                let decision = decode("decision", &placed.row.payload).expect("our own decision");
                let (partition, sequence, index) = (placed.partition, placed.row.sequence, placed.row.index);
                all.push(Decided { partition, sequence, index, decision });
            }
        }
    }
    all.sort_by_key(|decided| (decided.partition, decided.sequence, decided.index));
    Ok(all)
}
