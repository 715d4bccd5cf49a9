//! Observations: a device reported, came or went. The twin changes first, then triggers are evaluated, then rules run.

use std::sync::Arc;

use model::event::{Cause, Event, Freshness, Observation, Quality, Reading};
use model::trigger::Kind;
use model::window::Window;
use model::{DeviceNo, Input, Instant, Name, Value, limits};

use crate::partition::Partition;
use crate::step::Wake;
use crate::triggers::window::Report;
use crate::triggers::{Slot, State, Transition, Transitions, changed, words};
use crate::wakes;

/// How an observation stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Kept,
    Broken,
    Late,
}

impl Partition {
    pub(crate) fn observe(&mut self, input: &Input, device: DeviceNo, freshness: Freshness, readings: &[Reading]) {
        if self.plan.devices.get(device).is_none() {
            self.accounts.unknown_device += 1;
            return;
        }
        let (at, flagged) = self.occurred(input);
        let order = match self.view().twins.get(&device).and_then(|twin| twin.newest) {
            Some(newest) if at + limits::LATENESS < newest => Order::Late,
            Some(newest) if at < newest => Order::Broken,
            _ => Order::Kept,
        };
        let mut wakes = Vec::new();
        let mut attributes = input.attributes.clone();
        if flagged {
            self.accounts.clock_ahead += 1;
            attributes.push((Name::from("clock-ahead"), Value::Boolean(true)));
        }
        match order {
            Order::Kept => {
                if freshness == Freshness::Snapshot {
                    self.accounts.snapshot += 1;
                }
                let depth = self.echo(device, readings);
                self.decide_deadlines(device, at, depth, &mut wakes);
                let readings = self.report(device, readings, at, freshness, input.occurred_at.is_some());
                let snapshot = freshness == Freshness::Snapshot;
                let told = Told { input, device, at, freshness, snapshot, readings: &readings, attributes, depth };
                self.evaluate(&told, &mut wakes);
                self.record_history(device, &readings, at);
            }
            Order::Broken => {
                self.accounts.out_of_order += 1;
                attributes.push((Name::from("out-of-order"), Value::Boolean(true)));
                let snapshot = freshness == Freshness::Snapshot;
                let told = Told { input, device, at, freshness, snapshot, readings, attributes, depth: 0 };
                self.pass_on(&told, |snapshot, _| freshness == Freshness::Live || snapshot, &mut wakes);
                self.record_history(device, readings, at);
            }
            Order::Late => {
                self.accounts.late += 1;
                let snapshot = freshness == Freshness::Snapshot;
                let freshness = Freshness::Late;
                let told = Told { input, device, at, freshness, snapshot, readings, attributes, depth: 0 };
                self.pass_on(&told, |_, late| late, &mut wakes);
                self.record_history(device, readings, at);
            }
        }
        wakes.into_iter().for_each(|wake| self.run(wake));
    }

    /// The device's own time, unless it gives none or is ahead of the host.
    fn occurred(&self, input: &Input) -> (Instant, bool) {
        match input.occurred_at {
            Some(at) if at > self.clock + limits::AHEAD => (self.clock, true),
            Some(at) => (at, false),
            None => (self.clock, false),
        }
    }

    /// Deadlines that this reading's time has reached are decided before it counts.
    fn decide_deadlines(&mut self, device: DeviceNo, at: Instant, depth: u8, wakes: &mut Vec<Wake>) {
        self.for_watched(device, |partition, index| {
            let to = partition.slots[index].reached(device, at, &partition.view().twins);
            let transitions = partition.advance_slot(index, to);
            partition.wake_for(index, &transitions, depth, wakes);
        });
    }

    pub(crate) fn advance_slot(&mut self, index: usize, to: Instant) -> Transitions {
        let plan = Arc::clone(&self.plan);
        let slot = &mut self.slots[index];
        let kind = &crate::slots::trigger_in(&plan, slot).spec.kind;
        let world = self.lent.as_ref().expect("the world is lent only while a rule runs");
        let transitions = slot.advance(kind, &world.twins, to);
        if !transitions.is_empty() || slot.dirty {
            self.touched(index);
        }
        transitions
    }

    /// The twin takes the readings; each learns its last good value.
    fn report(
        &mut self,
        device: DeviceNo,
        readings: &[Reading],
        at: Instant,
        freshness: Freshness,
        own_time: bool,
    ) -> Vec<Reading> {
        let now = self.clock;
        let mut readings = readings.to_vec();
        let twin = self.world().twin(device);
        for reading in &mut readings {
            twin.report(reading, at, freshness);
        }
        // A retained value without a time of its own says nothing of when the device last spoke.
        if freshness == Freshness::Live || own_time {
            twin.newest = Some(at);
            twin.heard_at = now;
        }
        self.dirty_twins.push(device);
        readings
    }

    fn evaluate(&mut self, told: &Told<'_>, wakes: &mut Vec<Wake>) {
        let plan = Arc::clone(&self.plan);
        let mut last = None;
        let watches = std::mem::take(self.watches.entry(told.device).or_default());
        for watch in &watches {
            let concerned =
                |reading: &Reading| watch.capability.is_none_or(|capability| capability == reading.capability);
            let index = watch.slot as usize;
            let kind = &crate::slots::trigger_in(&plan, &self.slots[index]).spec.kind;
            // A device that says nothing of what we know has spoken all the same.
            let any = matches!(kind, Kind::Silence { .. }) || told.readings.iter().any(concerned);
            if last == Some(watch.slot) || !any {
                continue;
            }
            last = Some(watch.slot);
            match kind {
                Kind::Reading { snapshot, .. } => {
                    if told.freshness == Freshness::Live || *snapshot {
                        wakes.extend(self.observation(index, told, concerned));
                    }
                }
                Kind::Change { capability, snapshot, .. } => {
                    let reading = told.readings.iter().find(|reading| reading.capability == *capability);
                    if reading.is_some_and(|reading| self.changes(index, kind, reading))
                        && (told.freshness == Freshness::Live || *snapshot)
                    {
                        wakes.extend(self.observation(index, told, concerned));
                    }
                }
                Kind::Window(window) => self.gather(index, window, told, true, wakes),
                _ => {
                    let world = self.lent.as_ref().expect("the world is lent only while a rule runs");
                    let transitions = self.slots[index].evaluate(kind, &world.twins, told.at, told.freshness);
                    self.touched(index);
                    self.wake_for(index, &transitions, told.depth, wakes);
                }
            }
        }
        self.watches.insert(told.device, watches);
    }

    fn changes(&mut self, index: usize, kind: &Kind, reading: &Reading) -> bool {
        if reading.quality == Quality::Bad {
            return false;
        }
        let slot = &mut self.slots[index];
        let State::Change(reported) = &mut slot.state else { return false };
        let fires = changed(reported, kind, reading.previous.as_ref(), &reading.value);
        let banded = matches!(kind, Kind::Change { deadband: Some(_), .. });
        if banded && (fires || reported.is_none()) {
            *reported = Some(reading.value.clone());
            slot.dirty = true;
            self.touched(index);
        }
        fires
    }

    fn gather(&mut self, index: usize, window: &Window, told: &Told<'_>, in_order: bool, wakes: &mut Vec<Wake>) {
        let Told { device, at, snapshot, readings, .. } = *told;
        let report = Report { device, at, snapshot, in_order, readings };
        let world = self.lent.as_ref().expect("the world is lent only while a rule runs");
        let transitions = self.slots[index].gather(window, &report, &world.twins);
        self.touched(index);
        self.wake_for(index, &transitions, told.depth, wakes);
    }

    /// Readings that change no twin reach only the `reading` triggers that ask for them, and windows still open. Where
    /// they are live, their device is not silent.
    fn pass_on(&mut self, told: &Told<'_>, wanted: impl Fn(bool, bool) -> bool, wakes: &mut Vec<Wake>) {
        let plan = Arc::clone(&self.plan);
        self.for_watched(told.device, |partition, index| {
            let kind = &crate::slots::trigger_in(&plan, &partition.slots[index]).spec.kind;
            if let Kind::Window(window) = kind {
                partition.gather(index, window, told, false, wakes);
            }
            if told.freshness == Freshness::Live && matches!(kind, Kind::Silence { .. }) {
                let now = partition.clock;
                let spoken = partition.slots[index].heard(kind, told.at, now);
                partition.touched(index);
                partition.wake_for(index, spoken.as_slice(), 0, wakes);
            }
            if let Kind::Reading { capability, snapshot, late } = kind
                && wanted(*snapshot, *late)
            {
                let concerned =
                    |reading: &Reading| capability.is_none_or(|capability| capability == reading.capability);
                if told.readings.iter().any(concerned) {
                    wakes.extend(partition.observation(index, told, concerned));
                }
            }
        });
    }

    /// Each slot that a device concerns, once.
    fn for_watched(&mut self, device: DeviceNo, mut act: impl FnMut(&mut Self, usize)) {
        let Some(watches) = self.watches.get_mut(&device).map(std::mem::take) else { return };
        let mut last = None;
        for watch in &watches {
            if last != Some(watch.slot) {
                last = Some(watch.slot);
                act(self, watch.slot as usize);
            }
        }
        self.watches.insert(device, watches);
    }

    fn observation(&self, index: usize, told: &Told<'_>, concerned: impl Fn(&Reading) -> bool) -> Option<Wake> {
        let slot = &self.slots[index];
        let planned = &self.plan.deployments[slot.binding.deployment as usize];
        let trigger = &planned.triggers[slot.binding.trigger as usize].spec;
        let device = self.plan.devices.get(told.device)?;
        let id = wakes::observation_event(&told.input.id, &planned.spec.name, &trigger.name);
        let observation = Observation {
            device: device.id.clone(),
            role: trigger.role.clone(),
            freshness: told.freshness,
            readings: told.readings.iter().filter(|reading| concerned(reading)).cloned().collect(),
            attributes: Vec::new(),
        };
        Some(Wake {
            deployment: slot.binding.deployment,
            event: Event {
                id,
                trigger: trigger.name.clone(),
                key: slot.binding.key.clone(),
                occurred_at: told.at,
                received_at: self.clock,
                cause: Cause::Observation(observation),
                attributes: told.attributes.clone(),
            },
            depth: told.depth,
            attempt: 0,
            because: None,
        })
    }

    /// The event of a condition that began or ended.
    pub(crate) fn condition(&mut self, index: usize, transition: &Transition, depth: u8) -> Option<Wake> {
        let times = self.slots[index].count(transition);
        let slot = &self.slots[index];
        let planned = &self.plan.deployments[slot.binding.deployment as usize];
        let trigger = &planned.triggers[slot.binding.trigger as usize].spec;
        let detail = transition.detail.as_deref();
        let device = detail.and_then(|detail| detail.device).or(slot.binding.device)?;
        let device = self.plan.devices.get(device)?.id.clone();
        // A trigger that watches all devices of a key is one, whichever of them reported last.
        let watched = if slot.binding.device.is_some() { &device } else { &slot.binding.key };
        let id = Slot::condition_id([&planned.spec.name, &trigger.name, watched], transition, times);
        let (capability, value) = match (&trigger.kind, detail) {
            (Kind::Window(window), Some(detail)) => (Some(window.capability), Some(detail.value.clone())),
            _ => slot.subject(&self.view().twins),
        };
        let mut attributes = detail.map(|detail| detail.attributes.clone()).unwrap_or_default();
        if transition.unknown {
            attributes.push((Name::from("unknown"), Value::Boolean(true)));
        }
        let because = words(&trigger.kind, slot.binding.when.as_ref());
        let wake = Wake {
            deployment: slot.binding.deployment,
            event: Event {
                id: Name::from(id.to_string()),
                trigger: trigger.name.clone(),
                key: slot.binding.key.clone(),
                occurred_at: transition.at,
                received_at: self.clock,
                cause: Cause::Condition(model::event::Condition {
                    phase: transition.phase,
                    device,
                    role: trigger.role.clone(),
                    capability,
                    value,
                    since: transition.since,
                    deadline: transition.deadline,
                    attributes,
                }),
                attributes: Vec::new(),
            },
            depth,
            attempt: 0,
            because,
        };
        let kind = transition.phase.word();
        self.journal_derived(kind, &wake.event.key, &wake.event);
        Some(wake)
    }

    pub(crate) fn availability(&mut self, input: &Input, device: DeviceNo, available: bool) {
        let (at, _) = self.occurred(input);
        let twin = self.world().twin(device);
        if twin.available == Some(available) {
            return;
        }
        // Shorter ones are a blink, which changes nothing.
        let outage = twin.available == Some(false) && at.since(twin.available_since) >= limits::OUTAGE_MIN;
        twin.available = Some(available);
        twin.available_since = at;
        self.dirty_twins.push(device);
        let mut wakes = Vec::new();
        self.for_watched(device, |partition, index| {
            if available {
                let back = partition.slots[index].returned(at);
                partition.touched(index);
                partition.wake_for(index, back.as_slice(), 0, &mut wakes);
                partition.slots[index].owed |= outage;
                partition.reconsider(index, at, &mut wakes);
            }
            partition.arm(index);
        });
        wakes.into_iter().for_each(|wake| self.run(wake));
    }
}

/// An observation on its way to the triggers.
struct Told<'a> {
    input: &'a Input,
    device: DeviceNo,
    at: Instant,
    freshness: Freshness,
    /// Retained or polled state, however old.
    snapshot: bool,
    readings: &'a [Reading],
    attributes: model::Attributes,
    depth: u8,
}
