//! A partition: the sequence whose numbers are the only order that decisions depend on, and all state that hangs on it.
//!
//! One input is handled to its end before the next: first what came due by then, then twin, triggers, the rules that
//! they wake, their effects and guards, and whatever follows from those in the same partition.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::deployment::Lifecycle;
use model::guest::Instance;
use model::input::{Body, HostEvent, TransferBody};
use model::{Capability, ConfigurationDigest, Decision, DeviceNo, Id, Input, Instant, Name};
use rustc_hash::FxHashMap;
use store::{JournalRow, Table};

use crate::accounts::Accounts;
use crate::flight::Flights;
use crate::hidden::Sampler;
use crate::notified::Notified;
use crate::pending::Pending;
use crate::plan::Plan;
use crate::published::Published;
use crate::quarantine::Standings;
use crate::rows::{self, DeploymentRow, PartitionRow};
use crate::seen::{OwnIds, Seen};
use crate::step::Wake;
use crate::timers::{Place, Timers};
use crate::trace::Trace;
use crate::triggers::{Slot, Transition};
use crate::turn::{Persistence, Record};
use crate::wall::Wall;
use crate::world::World;

pub(crate) struct Partition {
    pub(crate) number: u16,
    pub(crate) plan: Arc<Plan>,
    /// Lent to an instance while a rule runs; here at all other times.
    pub(crate) lent: Option<Box<World>>,
    /// `received-at` of what is being handled: never goes back.
    pub(crate) clock: Instant,
    /// What the records say of the wall clock.
    pub(crate) wall: Wall,
    pub(crate) sequence: u64,
    /// When the last record was taken.
    pub(crate) recorded_at: Instant,
    /// The clock when what is kept was last changed, with or without a record.
    pub(crate) changed_at: Instant,
    /// The configuration that the last start or switch named.
    pub(crate) configuration: Option<ConfigurationDigest>,
    /// The last record in the newest checkpoint, and its instant.
    pub(crate) checkpoint: (u64, Instant),
    /// Whether the next commit makes that checkpoint.
    pub(crate) checkpoint_due: bool,
    /// Whether the sources have delivered what waited while the host was down.
    pub(crate) caught_up: bool,
    pub(crate) slots: Vec<Slot>,
    /// The slots that wait for messages and emissions, in their order.
    pub(crate) listening: Vec<u32>,
    /// Which slots a device's readings concern, in the order of the slots.
    pub(crate) watches: FxHashMap<DeviceNo, Vec<Watch>>,
    pub(crate) timers: Timers,
    pub(crate) pending: Pending,
    pub(crate) standings: Standings,
    /// By topic.
    pub(crate) published: BTreeMap<Name, Published>,
    pub(crate) flights: Flights,
    pub(crate) notified: Notified,
    pub(crate) seen: Seen,
    /// By deployment of the plan.
    pub(crate) deployments: Vec<DeploymentState>,
    /// What follows within this partition before the next input.
    pub(crate) queue: VecDeque<Wake>,
    /// Effects that leave for another partition.
    pub(crate) transfers: Vec<Outbound>,
    /// Effects that the input being handled has caused.
    pub(crate) caused: u32,
    pub(crate) accounts: Accounts,
    /// By the code of its reason.
    pub(crate) rejected: BTreeMap<Name, u64>,
    pub(crate) record: Record,
    pub(crate) persistence: Persistence,
    pub(crate) sampler: Sampler,
    /// Fuel burnt in this turn.
    pub(crate) fuel: u64,
    /// Deployments that ran in this turn, possibly several times.
    pub(crate) used: Vec<u32>,
    /// Twins changed since the last commit.
    pub(crate) dirty_twins: Vec<DeviceNo>,
    pub(crate) dirty_slots: Vec<u32>,
    /// What is traced; none while nobody asks why.
    pub(crate) trace: Option<Box<Trace>>,
}

/// A slot that a device's readings concern: all of them, or those of one capability.
pub(crate) struct Watch {
    pub(crate) slot: u32,
    pub(crate) capability: Option<Capability>,
}

#[derive(Default)]
pub(crate) struct DeploymentState {
    pub(crate) row: DeploymentRow,
    pub(crate) dirty: bool,
    pub(crate) instance: Option<Box<dyn Instance>>,
    /// Events that the instance has handled.
    pub(crate) handled: u32,
    /// Fuel burnt in this turn.
    pub(crate) fuel: u64,
}

/// Something for another partition.
pub(crate) struct Outbound {
    pub(crate) to: u16,
    pub(crate) body: TransferBody,
    /// The sender's clock.
    pub(crate) at: Instant,
}

impl Partition {
    pub(crate) fn new(number: u16, plan: Arc<Plan>, persistence: Persistence) -> Self {
        let mut partition = Self {
            number,
            lent: Some(Box::new(World::new(Arc::clone(&plan)))),
            plan,
            clock: Instant::default(),
            wall: Wall::default(),
            sequence: 0,
            recorded_at: Instant::default(),
            changed_at: Instant::default(),
            configuration: None,
            checkpoint: (0, Instant::default()),
            checkpoint_due: false,
            caught_up: true,
            slots: Vec::new(),
            listening: Vec::new(),
            watches: FxHashMap::default(),
            timers: Timers::default(),
            pending: Pending::default(),
            standings: Standings::default(),
            published: BTreeMap::new(),
            flights: Flights::default(),
            notified: Notified::default(),
            seen: Seen::new(OwnIds::default()),
            deployments: Vec::new(),
            queue: VecDeque::new(),
            transfers: Vec::new(),
            caused: 0,
            accounts: Accounts::default(),
            rejected: BTreeMap::new(),
            record: Record::default(),
            persistence,
            sampler: Sampler::default(),
            fuel: 0,
            used: Vec::new(),
            dirty_twins: Vec::new(),
            dirty_slots: Vec::new(),
            trace: None,
        };
        partition.lay_slots(BTreeMap::new(), BTreeMap::new());
        partition
    }

    pub(crate) fn world(&mut self) -> &mut World {
        self.lent.as_mut().expect("the world is lent only while a rule runs")
    }

    pub(crate) fn view(&self) -> &World {
        self.lent.as_ref().expect("the world is lent only while a rule runs")
    }

    /// Handles one input to its end. Returns false where it came before and was dropped.
    pub(crate) fn take(&mut self, input: &Input, received_at: Instant) -> bool {
        let now = self.open(input, received_at);
        self.accounts.received += 1;
        if self.seen.is_duplicate(input, now) {
            self.accounts.duplicate += 1;
            self.record.duplicates += 1;
            return false;
        }
        self.handle(input, now);
        true
    }

    pub(crate) fn reject(&mut self, code: &str) {
        self.accounts.received += 1;
        self.accounts.rejected += 1;
        *self.rejected.entry(code.into()).or_default() += 1;
        self.record.touched = true;
    }

    /// Handles an input that the journal holds: it was no duplicate when it was taken.
    pub(crate) fn take_again(&mut self, input: &Input, received_at: Instant) {
        let now = self.open(input, received_at);
        self.accounts.received += 1;
        self.handle(input, now);
    }

    /// What is due comes first. After a start it comes after the record that the host is up again, and after a clock that
    /// was not believed after the record that it is.
    fn open(&mut self, input: &Input, received_at: Instant) -> Instant {
        self.start_clock(received_at);
        let now = received_at.max(self.clock);
        if let Body::Host(HostEvent::Started { configuration, .. }) = &input.body {
            self.restart(*configuration);
        }
        // What another partition sends is taken at its sender's instant, in the order of the engine.
        if !resumes(input) && !matches!(input.body, Body::Transfer(_)) {
            self.fire_due(now);
        }
        now
    }

    fn handle(&mut self, input: &Input, now: Instant) {
        let before = self.clock;
        self.clock = now;
        self.caused = 0;
        self.journal(input);
        if let Some(change) = self.seen.remember(input, now)
            && self.persistence == Persistence::Store
        {
            self.record.change(Table::Seen, change.0, Some(change.1));
        }
        match &input.body {
            Body::Observation { device, freshness, readings } => self.observe(input, *device, *freshness, readings),
            Body::Availability { device, available } => self.availability(input, *device, *available),
            Body::Message(message) => self.message(input, message),
            Body::Settled(settled) => self.settled(settled),
            Body::Manual { device, action, arguments } => self.manual(input, *device, action, arguments),
            Body::Host(event) => self.host_event(event, before),
            Body::Transfer(transfer) => self.arrive(transfer),
            Body::Advance => {}
        }
        self.drain();
    }

    /// Moves the clock, firing what comes due, without an input.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.start_clock(now);
        self.fire_due(now);
        self.clock = self.clock.max(now);
    }

    /// Runs what follows within this partition.
    pub(crate) fn drain(&mut self) {
        while let Some(wake) = self.queue.pop_front() {
            self.run(wake);
        }
    }

    /// The first instant that a new partition hears of starts its schedules and silences.
    pub(crate) fn start_clock(&mut self, now: Instant) {
        if self.clock != Instant::default() {
            return;
        }
        self.clock = now;
        let plan = Arc::clone(&self.plan);
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let trigger = &plan.deployments[slot.binding.deployment as usize].triggers[slot.binding.trigger as usize];
            *slot = Slot::new(slot.binding.clone(), &trigger.spec.kind, now);
            self.arm(index);
        }
    }

    fn journal(&mut self, input: &Input) {
        self.accounts.journalled += 1;
        self.sequence += 1;
        self.recorded_at = self.clock;
        if self.persistence == Persistence::DecisionsOnly {
            self.record.touched = true;
            return;
        }
        let device = input.body.device().and_then(|device| self.plan.devices.get(device));
        let row = JournalRow {
            sequence: self.sequence,
            at: self.clock,
            observed: true,
            begins: false,
            kind: input.body.kind(),
            subject: None,
            key: device.map(|device| device.id.clone()),
            payload: rows::encode_named(input),
        };
        self.record.journal(row);
    }

    /// Journals something that follows from earlier records, so that a replay can be held against it.
    pub(crate) fn journal_derived(&mut self, kind: &'static str, key: &Name, payload: &impl serde::Serialize) {
        self.sequence += 1;
        self.recorded_at = self.clock;
        if self.persistence == Persistence::DecisionsOnly {
            self.record.touched = true;
            return;
        }
        let row = JournalRow {
            sequence: self.sequence,
            at: self.clock,
            observed: false,
            begins: false,
            kind,
            subject: None,
            key: Some(key.clone()),
            payload: rows::encode_named(payload),
        };
        self.record.journal(row);
    }

    pub(crate) fn decide(&mut self, decision: Decision) {
        self.record.decide((self.sequence, self.clock), decision, self.persistence);
    }

    /// Ends the turn: what changed becomes one commit.
    pub(crate) fn finish(&mut self) -> Record {
        self.retire_instances();
        let checkpoint = self.checkpoint;
        let due = self.checkpoint_due && self.record.touched;
        self.checkpoint_due &= !due;
        self.plan_checkpoint();
        if self.persistence == Persistence::Store {
            self.write_changes();
        }
        self.settle_slots();
        self.dirty_twins.clear();
        self.used.clear();
        self.fuel = 0;
        let mut record = std::mem::take(&mut self.record);
        record.commit.partition = self.number;
        record.commit.checkpoint = due.then_some(checkpoint.1);
        if let Some(first) = record.commit.journal.first_mut() {
            first.begins = true;
        }
        record
    }

    /// Instances live for one turn, warm ones for many.
    fn retire_instances(&mut self) {
        for index in &self.used {
            let state = &mut self.deployments[*index as usize];
            if state.fuel > 0 {
                let name = self.plan.deployments[*index as usize].spec.name.clone();
                self.record.fuel.push((name, std::mem::take(&mut state.fuel)));
            }
            let warm = self.sampler == Sampler::Every
                || self.plan.deployments[*index as usize].spec.lifecycle == Lifecycle::Warm;
            if !warm || state.handled >= WARM_EVENTS {
                state.instance = None;
                state.handled = 0;
            }
        }
    }

    fn write_changes(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty_twins);
        dirty.sort_unstable();
        dirty.dedup();
        for device in dirty {
            if let Some(twin) = self.view().twins.get(&device) {
                let value = rows::encode(twin);
                self.record.change(Table::Twin, rows::key(&[&device.0.to_be_bytes()]), Some(value));
            }
        }
        let mut slots = std::mem::take(&mut self.dirty_slots);
        slots.sort_unstable();
        slots.dedup();
        for index in &slots {
            self.write_slot(*index);
        }
        self.dirty_slots = slots;
        let mut used = std::mem::take(&mut self.used);
        used.sort_unstable();
        used.dedup();
        for index in &used {
            let state = &mut self.deployments[*index as usize];
            if std::mem::take(&mut state.dirty) {
                let key = rows::key(&[self.plan.deployments[*index as usize].spec.name.as_bytes()]);
                self.record.change(Table::Deployment, key, Some(rows::encode(&state.row)));
            }
        }
        if self.record.touched {
            // What the clock has changed without a record is ahead of all records: the host is known to have come so far,
            // or the next one would go on from there at an earlier instant.
            if self.changed_at > self.recorded_at {
                self.record.commit.alive = Some(self.changed_at);
            }
            let row = PartitionRow {
                clock: self.recorded_at,
                accounts: self.accounts,
                configuration: self.configuration,
                checkpoint: self.checkpoint,
                wall: self.wall,
                catching_up: !self.caught_up,
                rejected: std::mem::take(&mut self.rejected),
            };
            self.record.change(Table::Partition, Box::from(&b"partition"[..]), Some(rows::encode(&row)));
            self.rejected = row.rejected;
        }
    }

    /// What changed in this turn is written from here on, in whatever way the turn is kept.
    fn settle_slots(&mut self) {
        for index in std::mem::take(&mut self.dirty_slots) {
            let slot = &mut self.slots[index as usize];
            slot.dirty = false;
            slot.fresh = false;
        }
    }

    fn write_slot(&mut self, index: u32) {
        let slot = &self.slots[index as usize];
        let planned = &self.plan.deployments[slot.binding.deployment as usize];
        let trigger = &planned.triggers[slot.binding.trigger as usize];
        let key = rows::trigger_key(&planned.spec.name, &trigger.spec.name, slot.binding.device, &slot.binding.group());
        self.record.change(Table::Trigger, key, Some(rows::encode(&slot.row(trigger.fingerprint))));
    }

    /// A slot's state may have changed: writes it with the turn, and arms its next deadline.
    pub(crate) fn touched(&mut self, index: usize) {
        if self.slots[index].dirty {
            self.changed_at = self.clock;
            self.dirty_slots.push(u32::try_from(index).expect("slots are counted in u32"));
        }
        self.arm(index);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.fuel >= model::limits::TURN_FUEL
    }

    /// The next instant at which the clock alone makes something happen.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.wall.doubted.is_some() { None } else { self.timers.next_due() }
    }

    /// Where the first stands that the clock brings.
    pub(crate) fn first(&self) -> Option<&Place> {
        if self.wall.doubted.is_some() { None } else { self.timers.first() }
    }

    /// Tells the rule of a slot's transitions.
    pub(crate) fn wake_for(&mut self, index: usize, transitions: &[Transition], depth: u8, wakes: &mut Vec<Wake>) {
        for transition in transitions {
            if let Some(wake) = self.condition(index, transition, depth) {
                wakes.push(wake);
            }
        }
    }
}

/// Whether time goes on at this record, after it stood for a while.
pub(crate) fn resumes(input: &Input) -> bool {
    matches!(input.body, Body::Host(HostEvent::Started { .. } | HostEvent::ClockAccepted { .. }))
}

/// A warm instance retires after this many events, so that nothing it keeps grows for ever.
const WARM_EVENTS: u32 = 1_000;

/// Ids of inputs that the engine makes itself.
pub(crate) fn inner_id(parts: &[&[u8]]) -> Name {
    Name::from(Id::of(parts).to_string())
}
