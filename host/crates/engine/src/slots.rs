//! Laying out slots for a plan, carrying their state over by (deployment, trigger, device), and arming their deadlines.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::input::{Body, HostEvent};
use model::trigger::Kind;
use model::{ConfigurationDigest, Deployment, DeviceNo, Input, Instant, Name};

use crate::partition::{DeploymentState, Partition, Watch};
use crate::plan::{Plan, SetupError};
use crate::rows::{DeploymentRow, TriggerRow};
use crate::triggers::{Slot, State};

/// Deployment, trigger, device, and the key where one trigger watches all its devices: what a slot's state belongs to.
pub(crate) type SlotKey = (Name, Name, Option<DeviceNo>, Name);

impl Partition {
    /// Lays out the slots of the current plan with the state that is known of them.
    pub(crate) fn lay_slots(
        &mut self,
        mut states: BTreeMap<SlotKey, TriggerRow>,
        mut rows: BTreeMap<Name, DeploymentRow>,
    ) {
        let plan = Arc::clone(&self.plan);
        self.timers.clear_slots();
        self.slots.clear();
        self.listening.clear();
        self.watches.clear();
        self.deployments = plan
            .deployments
            .iter()
            .map(|planned| DeploymentState {
                row: rows.remove(&planned.spec.name).unwrap_or_default(),
                ..DeploymentState::default()
            })
            .collect();
        for (index, binding) in (0_u32..).zip(plan.bindings(self.number)) {
            let planned = &plan.deployments[binding.deployment as usize];
            let trigger = &planned.triggers[binding.trigger as usize];
            let key = (planned.spec.name.clone(), trigger.spec.name.clone(), binding.device, binding.group());
            for (device, capability) in &binding.watches {
                self.watches.entry(*device).or_default().push(Watch { slot: index, capability: *capability });
            }
            if matches!(trigger.spec.kind, Kind::Message { .. } | Kind::Custom { .. }) {
                self.listening.push(index);
            }
            let mut slot = Slot::new(binding, &trigger.spec.kind, self.clock);
            if let Some(row) = states.remove(&key) {
                slot.told = row.told;
                if row.fingerprint == trigger.fingerprint {
                    slot.state = row.state;
                    slot.round = row.round;
                    slot.fresh = false;
                }
            }
            self.slots.push(slot);
        }
        self.forget_triggers(states.into_keys());
        self.forget_undeployed();
        for index in 0..self.slots.len() {
            self.arm(index);
        }
    }

    /// What was only in memory is gone after a restart, in a replay too: instances, and slots that were never written.
    pub(crate) fn restart(&mut self, configuration: Option<ConfigurationDigest>) {
        let plan = Arc::clone(&self.plan);
        if configuration.is_some() && configuration != self.configuration {
            self.keep_checkpoint();
            self.configuration = configuration;
            self.record.commit.configuration = Some(plan.configuration.row());
        }
        self.switch(plan);
    }

    /// Whether a plan reads the state that is here as it was written. Without any state it may be of any version.
    ///
    /// # Errors
    /// The first deployment of which it does not.
    pub(crate) fn state_fits(&self, plan: &Plan) -> Result<(), SetupError> {
        for (planned, state) in self.plan.deployments.iter().zip(&self.deployments) {
            let (name, stored) = (&planned.spec.name, state.row.state_version);
            let Some(index) = plan.deployment_named(name) else { continue };
            let wanted = plan.deployments[index as usize].spec.state_version;
            let mut states = self.view().states.iter();
            if stored != 0
                && stored != wanted
                && states.any(|((deployment, _), names)| deployment == name && !names.is_empty())
            {
                return Err(SetupError::StateVersion { deployment: name.clone(), stored, wanted });
            }
        }
        Ok(())
    }

    /// Takes a new plan while the host runs, after the record that says so.
    pub(crate) fn reconfigure(&mut self, input: &Input, now: Instant, plan: Arc<Plan>) {
        if let Body::Host(HostEvent::Switched { configuration }) = &input.body {
            // Where devices have joined since, the state before this belongs to no stored configuration.
            if self.configuration == Some(self.plan.configuration.digest) {
                self.keep_checkpoint();
            }
            self.configuration = Some(*configuration);
            self.record.commit.configuration = Some(plan.configuration.row());
        }
        self.take(input, now);
        self.switch(plan);
        self.keep_beginnings();
    }

    /// What counts from the instant at which it was added does so after a restart too. A schedule that was added by a clock
    /// that is not believed stays new: it has missed nothing when the clock jumps.
    fn keep_beginnings(&mut self) {
        let doubted = self.wall.doubted.is_some();
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let counts =
                matches!(slot.state, State::Silence(_)) || !doubted && matches!(slot.state, State::Schedule(_));
            slot.dirty |= slot.fresh && counts;
            self.touched(index);
        }
    }

    /// Takes a new plan; the state of every trigger whose meaning did not change passes over.
    pub(crate) fn switch(&mut self, plan: Arc<Plan>) {
        let old = std::mem::replace(&mut self.plan, Arc::clone(&plan));
        let mut states = BTreeMap::new();
        for slot in self.slots.iter().filter(|slot| !slot.fresh || slot.dirty) {
            let planned = &old.deployments[slot.binding.deployment as usize];
            let trigger = &planned.triggers[slot.binding.trigger as usize];
            let names = (planned.spec.name.clone(), trigger.spec.name.clone());
            let key = (names.0, names.1, slot.binding.device, slot.binding.group());
            states.insert(key, slot.row(trigger.fingerprint));
        }
        let rows = old
            .deployments
            .iter()
            .zip(&mut self.deployments)
            .map(|(planned, state)| (planned.spec.name.clone(), std::mem::take(&mut state.row)))
            .collect();
        self.world().plan = plan;
        self.lay_slots(states, rows);
        self.owe_levels(&old);
        self.forgive_changed();
        self.arm_all_waiting();
    }

    /// Level rules that are new, or whose deployment was upgraded or edited, are told what holds, at once.
    fn owe_levels(&mut self, old: &Plan) {
        let plan = Arc::clone(&self.plan);
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let spec = &plan.deployments[slot.binding.deployment as usize].spec;
            let before = old.deployment_named(&spec.name).map(|index| &old.deployments[index as usize].spec);
            let same = |before: &Arc<Deployment>| {
                (&before.package, &before.settings, &before.triggers) == (&spec.package, &spec.settings, &spec.triggers)
            };
            slot.owed = trigger_in(&plan, slot).spec.kind.keep() && (slot.fresh || !before.is_some_and(same));
            self.arm(index);
        }
    }

    /// Puts the slot's next deadline among the timers. A later deadline than the one that stands there is left to be
    /// found out when that one comes: a device that reports steadily costs nothing.
    pub(crate) fn arm(&mut self, index: usize) {
        let Some(wanted) = self.clock_deadline(index) else { return };
        let plan = Arc::clone(&self.plan);
        let slot = &mut self.slots[index];
        if slot.armed.is_some_and(|armed| armed <= wanted) {
            return;
        }
        let planned = &plan.deployments[slot.binding.deployment as usize];
        let trigger = &planned.triggers[slot.binding.trigger as usize].spec.name;
        let number = u32::try_from(index).expect("slots are counted in u32");
        if let Some(armed) = slot.armed {
            self.timers.disarm_slot(armed, &slot.binding.key, &planned.spec.name, trigger, number);
        }
        slot.armed = Some(wanted);
        self.timers.arm_slot(wanted, &slot.binding.key, &planned.spec.name, trigger, number);
    }

    /// When the clock alone decides the slot's next deadline.
    pub(crate) fn clock_deadline(&self, index: usize) -> Option<Instant> {
        let slot = &self.slots[index];
        let trigger = self.trigger_of(slot);
        if let Some(round) = &slot.round {
            return Some(self.wall.reaches(round.due));
        }
        if let (State::Schedule(last), Some(times)) = (&slot.state, &trigger.times) {
            return times.next(*last).map(|due| self.wall.reaches(due));
        }
        if slot.owed && self.caught_up {
            return Some(self.clock);
        }
        let twins = &self.view().twins;
        Some(slot.deadline(&trigger.spec.kind, twins)? + slot.lag(twins))
    }

    pub(crate) fn trigger_of<'a>(&'a self, slot: &Slot) -> &'a crate::plan::PlannedTrigger {
        trigger_in(&self.plan, slot)
    }
}

pub(crate) fn trigger_in<'a>(plan: &'a Plan, slot: &Slot) -> &'a crate::plan::PlannedTrigger {
    &plan.deployments[slot.binding.deployment as usize].triggers[slot.binding.trigger as usize]
}
