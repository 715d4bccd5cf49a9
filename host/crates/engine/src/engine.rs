//! The engine: all partitions of one host behind one front. It routes inputs, passes transfers on within the turn, and
//! gives each turn as a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::input::{Body, HostEvent, Transfer};
use model::{Configuration, ConfigurationDigest, DeviceNo, Input, Instant, Name, Value, limits};
use smallvec::SmallVec;
use store::{OutboxRow, Table};

use crate::accounts::Accounts;
use crate::cycles::{Cycle, cycles};
use crate::hidden::Sampler;
use crate::partition::Partition;
use crate::plan::{Plan, Setup, SetupError};
use crate::rows::RowError;
use crate::seen::OwnIds;
use crate::turn::{Persistence, Turn};
use crate::twin::Twin;

/// The deterministic core: inputs in, turns out.
pub struct Engine {
    plan: Arc<Plan>,
    partitions: Vec<Partition>,
    transfers: u64,
    persistence: Persistence,
    /// Nothing is due before this.
    due: Instant,
    /// What the clock fired in this turn.
    fired: usize,
    /// Whether every partition's clock has begun.
    started: bool,
    /// By partition: up to here its past is in its state. Empty where all have the same past.
    known: Vec<Instant>,
}

impl Engine {
    /// An engine without any past.
    ///
    /// # Errors
    /// When the deployments contradict each other or a schedule cannot be read.
    pub fn new(setup: Setup, persistence: Persistence) -> Result<Self, SetupError> {
        let plan = Arc::new(Plan::new(setup)?);
        let partitions =
            (0..plan.partitions).map(|number| Partition::new(number, Arc::clone(&plan), persistence)).collect();
        Ok(Self {
            plan,
            partitions,
            transfers: 0,
            persistence,
            due: Instant::MIN,
            fired: 0,
            started: false,
            known: Vec::new(),
        })
    }

    /// Partitions that come from elsewhere with their past, by their numbers; one that is missing has none. None where
    /// there is none at all, or where they do not run one plan.
    pub(crate) fn departed(found: Vec<Partition>) -> Option<Self> {
        let (plan, persistence) = found.first().map(|first| (Arc::clone(&first.plan), first.persistence))?;
        let digest = plan.configuration.digest;
        if found.iter().any(|partition| partition.plan.configuration.digest != digest) {
            return None;
        }
        let mut found: BTreeMap<u16, Partition> =
            found.into_iter().map(|partition| (partition.number, partition)).collect();
        let mut partition =
            |number| found.remove(&number).unwrap_or_else(|| Partition::new(number, Arc::clone(&plan), persistence));
        let partitions = (0..plan.partitions).map(&mut partition).collect();
        let (transfers, due, fired, started, known) = (0, Instant::MIN, 0, true, Vec::new());
        Some(Self { partitions, plan, transfers, persistence, due, fired, started, known })
    }

    /// Gives a partition its past: rows in any order, then the number of its last journal record.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn restore<'a>(
        &mut self,
        partition: u16,
        sequence: u64,
        rows: impl Iterator<Item = (Table, &'a [u8], &'a [u8])>,
    ) -> Result<(), RowError> {
        self.due = Instant::MIN;
        match self.partitions.get_mut(usize::from(partition)) {
            Some(partition) => partition.restore(sequence, rows),
            None => Ok(()),
        }
    }

    /// Says up to which instant a partition's restored state holds everything: what comes from others up to then is in
    /// it already. Partitions whose checkpoints lie apart can so take one stream together.
    pub fn knows_until(&mut self, partition: u16, at: Instant) {
        self.known.resize(self.partitions.len(), Instant::MIN);
        if let Some(known) = self.known.get_mut(usize::from(partition)) {
            *known = at;
        }
    }

    fn knows(&self, partition: u16, at: Instant) -> bool {
        self.known.get(usize::from(partition)).is_some_and(|known| at <= *known)
    }

    /// Reminds a partition of inputs that it took last, so that redelivered messages are known again.
    pub fn remember(&mut self, partition: u16, input: &Input) {
        if let Some(partition) = self.partitions.get_mut(usize::from(partition)) {
            partition.seen.remember_message(input);
        }
    }

    /// Deployments whose effects may wake themselves again, as their grants and triggers allow.
    #[must_use]
    pub fn cycles(&self) -> Vec<Cycle> {
        cycles(&self.plan)
    }

    /// Which steps are run again on fresh instances from now on, to find rules that keep something in their memory.
    pub fn sample(&mut self, sampler: Sampler) {
        self.partitions.iter_mut().for_each(|partition| partition.sampler = sampler);
    }

    /// How long and how many of the sources' own ids are remembered from now on. No replay depends on it: a duplicate is
    /// in no journal.
    pub fn remember_own_ids(&mut self, limits: OwnIds) {
        self.partitions.iter_mut().for_each(|partition| partition.seen.limit(limits));
    }

    /// Counts what came in and can never become an input, by the code of its reason. One partition keeps the counts of
    /// all sources, as most of it belongs to no device.
    pub fn reject(&mut self, code: &str) {
        self.partitions[0].reject(code);
    }

    /// The configuration in force, as the journal names it.
    #[must_use]
    pub fn configuration(&self) -> ConfigurationDigest {
        self.plan.configuration.digest
    }

    /// The configuration in force.
    pub(crate) fn in_force(&self) -> &Configuration {
        &self.plan.configuration.configuration
    }

    /// Puts other devices and deployments in force, at the beginning of a turn: each partition records it under `id`,
    /// and state passes over by name. The number of partitions stays.
    ///
    /// # Errors
    /// As [`Engine::new`]; the old set then stays, and nothing is recorded.
    pub fn reconfigure(&mut self, mut setup: Setup, id: Name, now: Instant) -> Result<(), SetupError> {
        setup.partitions = self.plan.partitions;
        let plan = Arc::new(Plan::new(setup)?);
        self.fits(&plan)?;
        self.run_until(now);
        let joined = self.plan.configuration.configuration.joined(&plan.configuration.configuration);
        let event = match joined {
            Some(joined) => HostEvent::Joined(Box::new(joined)),
            None => HostEvent::Switched { configuration: plan.configuration.digest },
        };
        let input = inner_input(id, "host", Body::Host(event));
        for partition in &mut self.partitions {
            partition.reconfigure(&input, now, Arc::clone(&plan));
        }
        self.plan = plan;
        self.due = Instant::MIN;
        self.pass_transfers();
        Ok(())
    }

    /// Puts other devices and deployments in force as a start of the host does, before the record of that start. The
    /// number of partitions stays.
    ///
    /// # Errors
    /// As [`Engine::new`]; the old set then stays.
    pub fn switch(&mut self, mut setup: Setup) -> Result<(), SetupError> {
        setup.partitions = self.plan.partitions;
        let plan = Arc::new(Plan::new(setup)?);
        self.fits(&plan)?;
        self.partitions.iter_mut().for_each(|partition| partition.switch(Arc::clone(&plan)));
        self.plan = plan;
        self.due = Instant::MIN;
        Ok(())
    }

    /// Whether the state that was restored is of the versions that the deployments read.
    ///
    /// # Errors
    /// The first deployment whose state another version has written.
    pub fn state_fits(&self) -> Result<(), SetupError> {
        self.fits(&self.plan)
    }

    fn fits(&self, plan: &Plan) -> Result<(), SetupError> {
        self.partitions.iter().try_for_each(|partition| partition.state_fits(plan))
    }

    /// Handles one input to its end in every partition that it concerns, after all that is due by then. `received_at`
    /// never goes back.
    ///
    /// Returns false where every one of them had it before.
    pub fn take(&mut self, input: &Input, received_at: Instant) -> bool {
        match &input.body {
            // What was due while the host still ran happened then, before it was killed: a run over the records alone
            // hears of that only here. After a restore it is in the state already.
            Body::Host(HostEvent::Started { alive: Some(alive), .. }) if self.started => {
                self.run_until(received_at.min(*alive));
            }
            // What came due while time stood comes after the record that it goes on.
            _ if crate::partition::resumes(input) => {}
            _ => self.run_until(received_at),
        }
        let mut new = false;
        for number in self.route(input) {
            if self.knows(number, received_at) {
                continue;
            }
            let partition = &mut self.partitions[usize::from(number)];
            new |= partition.take(input, received_at);
            self.due = self.due.min(partition.next_due().unwrap_or(Instant::MAX));
        }
        self.pass_transfers();
        // What this has made due comes at once, as far as the turn bears it.
        if brings_due(input) {
            self.run_some(received_at, true);
        }
        new
    }

    /// Moves every partition's clock, firing what comes due.
    pub fn advance(&mut self, now: Instant) {
        self.run_until(now);
        self.partitions.iter_mut().for_each(|partition| partition.advance(now));
    }

    /// Fires what is due up to and with `now` until the turn is full; says whether nothing is left. A caller that ends the
    /// turn in between changes nothing else: the rest comes in the same order, before any input.
    pub fn fire(&mut self, now: Instant) -> bool {
        // What came due while the host was down comes after the record of its start.
        !self.started || self.run_some(now, true)
    }

    fn run_until(&mut self, now: Instant) {
        self.run_some(now, false);
    }

    /// Fires what is due in order of time and names over all partitions; what one of them sends reaches the other before
    /// the next.
    fn run_some(&mut self, now: Instant, bounded: bool) -> bool {
        if !self.started {
            self.started = true;
            self.due = Instant::MIN;
            self.partitions.iter_mut().for_each(|partition| partition.start_clock(now));
        }
        while self.due <= now {
            let first =
                self.partitions.iter().enumerate().filter_map(|(index, partition)| Some((partition.first()?, index)));
            let Some((due, index)) = first.min().map(|(place, index)| (place.due, index)) else {
                self.due = Instant::MAX;
                return true;
            };
            self.due = due;
            if due > now {
                return true;
            }
            if bounded && self.is_full() {
                return false;
            }
            self.fired += 1;
            self.partitions[index].fire_one(due);
            self.pass_transfers();
        }
        true
    }

    /// The next instant up to and with `now` at which the clock alone makes something happen. Cheap where there is none.
    pub fn due_by(&mut self, now: Instant) -> Option<Instant> {
        if !self.started || self.due > now {
            return None;
        }
        self.due = self.next_due().unwrap_or(Instant::MAX);
        Some(self.due).filter(|due| *due <= now)
    }

    /// The effects for sinks since the last call or turn, for whoever stands in for the sinks.
    pub fn take_outbox(&mut self) -> Vec<OutboxRow> {
        let mut rows = Vec::new();
        for partition in &mut self.partitions {
            rows.append(&mut partition.record.commit.outbox);
        }
        rows
    }

    /// The next instant at which the clock alone makes something happen.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.partitions.iter().filter_map(Partition::next_due).min()
    }

    /// Whether the turn has burnt its fuel, or the clock has fired enough, and it should end.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.fired >= limits::TURN_INPUTS || self.partitions.iter().any(Partition::is_full)
    }

    /// Ends the turn.
    pub fn finish(&mut self) -> Turn {
        self.fired = 0;
        let mut turn = Turn::default();
        for partition in &mut self.partitions {
            let record = partition.finish();
            turn.decisions.extend(record.decisions);
            turn.logs.extend(record.logs);
            turn.counts.extend(record.counts);
            turn.samples.extend(record.samples);
            turn.duplicates += record.duplicates;
            turn.transitions.extend(record.transitions);
            turn.divergences.extend(record.divergences);
            turn.fuel.extend(record.fuel);
            if record.touched {
                turn.commits.push(record.commit);
            }
        }
        turn
    }

    /// The sums over all partitions.
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        let mut sum = Accounts::default();
        self.partitions.iter().for_each(|partition| sum.add(&partition.accounts));
        sum
    }

    /// A device's twin in its home partition.
    #[must_use]
    pub fn twin(&self, device: DeviceNo) -> Option<&Twin> {
        let home = self.plan.partition_of_device(device)?;
        self.partitions[usize::from(home)].view().twins.get(&device)
    }

    /// What a rule keeps under a name in the state of a key, unless it has expired.
    #[must_use]
    pub fn state(&self, deployment: &str, key: &str, name: &str) -> Option<&Value> {
        let place = (Name::from(deployment), Name::from(key));
        let held = |partition| Some((partition, Partition::view(partition).states.get(&place)?.get(name)?));
        let (partition, entry) = self.partitions.iter().find_map(held)?;
        entry.expires_at.is_none_or(|end| partition.clock < end).then_some(&entry.value)
    }

    /// Timers that rules have set and that have not come due.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.partitions.iter().map(|partition| partition.timers.rule_count()).sum()
    }

    /// Deployments that a rule's own complaint about its settings has stopped: name and complaint.
    #[must_use]
    pub fn stopped(&self) -> Vec<(Name, String)> {
        let of = |partition: &Partition| {
            let states = partition.plan.deployments.iter().zip(&partition.deployments);
            let stopped =
                states.filter_map(|(planned, state)| Some((planned.spec.name.clone(), state.row.stopped.clone()?)));
            stopped.collect::<Vec<_>>()
        };
        self.partitions.iter().flat_map(of).collect()
    }

    #[must_use]
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// The partitions that an input concerns: its device's home, and each that owns a key which binds the device.
    fn route(&self, input: &Input) -> SmallVec<[u16; 4]> {
        let mut to = SmallVec::new();
        match &input.body {
            Body::Observation { device, .. } | Body::Availability { device, .. } | Body::Manual { device, .. } => {
                to.extend(self.plan.routes.get(device).into_iter().flatten().copied());
                if to.is_empty() {
                    to.push(self.plan.partition_of_device(*device).unwrap_or(0));
                }
                if matches!(input.body, Body::Manual { .. }) {
                    to.truncate(1);
                }
            }
            Body::Settled(settled) => {
                let flies = |partition: &&Partition| partition.flights.get(settled.effect).is_some();
                to.push(self.partitions.iter().find(flies).map_or(0, |partition| partition.number));
            }
            Body::Message(_) => {
                to.extend(self.plan.message_partitions.iter().copied());
                if to.is_empty() {
                    to.push(0);
                }
            }
            Body::Host(_) | Body::Advance => to.extend(0..self.plan.partitions),
            // Transfers are made by the engine itself, addressed.
            Body::Transfer(_) => {}
        }
        to
    }

    /// Hands effects and completions to the partitions that they are for, until none is left.
    fn pass_transfers(&mut self) {
        loop {
            let mut moved = false;
            for from in 0..self.partitions.len() {
                for outbound in std::mem::take(&mut self.partitions[from].transfers) {
                    moved = true;
                    self.transfers += 1;
                    if self.knows(outbound.to, outbound.at) {
                        continue;
                    }
                    let from = u16::try_from(from).expect("partitions are counted in u16");
                    let id = Name::from(format!("transfer:{from}:{}:{}", outbound.to, self.transfers));
                    let transfer = Transfer { from, sequence: self.transfers, body: outbound.body };
                    let input = inner_input(id, "transfer", Body::Transfer(transfer));
                    let partition = &mut self.partitions[usize::from(outbound.to)];
                    partition.take(&input, outbound.at);
                    self.due = self.due.min(partition.next_due().unwrap_or(Instant::MAX));
                }
            }
            if !moved {
                return;
            }
        }
    }
}

/// Whether something may have come due with this that was not before.
fn brings_due(input: &Input) -> bool {
    let stepped = matches!(input.body, Body::Host(HostEvent::ClockStepped { .. } | HostEvent::CaughtUp));
    stepped || crate::partition::resumes(input)
}

/// An input that the engine makes itself.
fn inner_input(id: Name, source: &str, body: Body) -> Input {
    Input {
        id,
        source: Name::from(source),
        own_id: false,
        redelivery: None,
        occurred_at: None,
        body,
        attributes: Vec::new(),
    }
}
