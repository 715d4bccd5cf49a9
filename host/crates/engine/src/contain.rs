//! Containment: whose steps must wait, and what happens when somebody fails for good or works again.
//!
//! Every transition is a derived record. All times are the partition's own, so that a replay holds and releases at the
//! same records.

use model::guest::Failure;
use model::{Id, Instant, Name, limits};
use serde::{Deserialize, Serialize};
use store::Table;

use crate::partition::Partition;
use crate::rows;
use crate::turn::Persistence;

/// Somebody was held or set free: what the journal and the log say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    pub kind: TransitionKind,
    pub deployment: Name,
    /// None: the deployment itself, in one partition.
    pub key: Option<Name>,
    /// Why it was held; none where it was set free.
    pub reason: Option<Name>,
    /// When the first waiting event is tried.
    pub probe_at: Option<Instant>,
    /// Holds without a good time between.
    pub tries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransitionKind {
    /// A key is held.
    Quarantined,
    /// A key's probe succeeded.
    Released,
    /// A deployment is held in this partition.
    Stopped,
    /// A deployment's probe succeeded.
    Resumed,
}

impl TransitionKind {
    /// The word for this kind of record in the journal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::Stopped => "stopped",
            Self::Resumed => "resumed",
        }
    }
}

impl Partition {
    /// Why a step cannot run now; none where it can. Whose probe is due and who has nothing waiting is tried with it.
    pub(crate) fn held(&self, deployment: &Name, key: &Name) -> Option<&'static str> {
        if self.pending.is_empty() && self.standings.is_empty() {
            return None;
        }
        if let Some(hold) = self.standings.of(deployment) {
            let waits = hold.probe_at > self.clock || self.pending.of(deployment) > 0;
            return waits.then_some(if &*hold.reason == "over-budget" { "over-budget" } else { "quarantined" });
        }
        if self.standings.is_throttled(deployment) {
            return Some("over-budget");
        }
        let hold = self.standings.of_key(deployment, key);
        if self.pending.waits(deployment, key) {
            return Some(if hold.is_some() { "quarantined" } else { "too-many-waiting" });
        }
        hold.filter(|hold| hold.probe_at > self.clock).map(|_| "quarantined")
    }

    /// When the first waiting step of a key may run; none while nothing waits or its deployment is held.
    pub(crate) fn next_try(&self, deployment: &Name, key: &Name) -> Option<Instant> {
        let (_, front) = self.pending.front(deployment, key)?;
        if self.standings.of(deployment).is_some() || self.standings.is_throttled(deployment) {
            return None;
        }
        let hold = self.standings.of_key(deployment, key);
        Some(hold.map_or(front.due, |hold| hold.probe_at.max(front.due)))
    }

    /// Arms the next try of a key, or the probe of its deployment.
    pub(crate) fn arm_waiting(&mut self, deployment: &Name, key: &Name) {
        if let Some(hold) = self.standings.of(deployment) {
            let due = hold.probe_at.max(self.clock);
            self.timers.arm_retry(due, deployment, &Name::from(""));
        } else if let Some(due) = self.next_try(deployment, key) {
            self.timers.arm_retry(due.max(self.clock), deployment, key);
        }
    }

    /// Arms everything that waits: after a restart or a switch.
    pub(crate) fn arm_all_waiting(&mut self) {
        for (deployment, key) in self.pending.places() {
            self.arm_waiting(&deployment, &key);
        }
    }

    fn arm_deployment(&mut self, deployment: &Name) {
        for key in self.pending.keys_of(deployment) {
            self.arm_waiting(deployment, &key);
        }
    }

    /// A step of this key failed for good: it may be one too many.
    pub(crate) fn condemn(&mut self, deployment: &Name, key: &Name, failure: &Failure) {
        let now = self.clock;
        let against = self.fingerprint(deployment);
        let place = (deployment.clone(), key.clone());
        let standing = self.standings.keys.entry(place.clone()).or_default();
        let reason = standing.fail(now, matches!(failure, Failure::Stopped(..)));
        let held = standing.sentence.hold.as_ref().map(|hold| hold.reason.clone());
        let fresh = held.is_none();
        if let Some(reason) = held.or(reason.map(Name::from)) {
            let id = Id::of(&[deployment.as_bytes(), key.as_bytes()]);
            let probe_at = standing.sentence.hold(now, reason.clone(), id, against);
            let tries = standing.sentence.tries;
            self.write_key_standing(&place);
            self.tell_transition(TransitionKind::Quarantined, deployment, Some(key), Some((reason, probe_at)), tries);
            self.arm_waiting(deployment, key);
        } else {
            self.write_key_standing(&place);
        }
        if let Some(hold) = self.standings.of(deployment).cloned() {
            // What ran was the deployment's probe.
            self.stop(deployment, hold.reason);
        } else if matches!(failure, Failure::Configuration(_)) {
            self.stop(deployment, Name::from("configuration"));
        } else if fresh && self.standings.held_keys(deployment, now) >= limits::QUARANTINE_KEYS {
            self.stop(deployment, Name::from("quarantined-keys"));
        }
    }

    /// Holds a deployment in this partition, or holds it longer.
    pub(crate) fn stop(&mut self, deployment: &Name, reason: Name) {
        let now = self.clock;
        let against = self.fingerprint(deployment);
        let standing = self.standings.deployments.entry(deployment.clone()).or_default();
        let probe_at = standing.sentence.hold(now, reason.clone(), Id::of(&[deployment.as_bytes()]), against);
        let tries = standing.sentence.tries;
        self.write_standing(deployment);
        self.tell_transition(TransitionKind::Stopped, deployment, None, Some((reason, probe_at)), tries);
        self.arm_deployment(deployment);
    }

    /// A step succeeded: what was held against its key, and against its deployment, is over.
    pub(crate) fn clear(&mut self, deployment: &Name, key: &Name) {
        if self.standings.is_empty() {
            return;
        }
        let now = self.clock;
        let place = (deployment.clone(), key.clone());
        if let Some(standing) = self.standings.keys.get_mut(&place) {
            let was_held = standing.sentence.hold.is_some();
            let before = standing.clone();
            standing.succeed(now);
            let (changed, clean, tries) = (*standing != before, standing.is_clean(now), standing.sentence.tries);
            if clean {
                self.standings.keys.remove(&place);
            }
            if changed || clean {
                self.write_key_standing(&place);
            }
            if was_held {
                self.tell_transition(TransitionKind::Released, deployment, Some(key), None, tries);
            }
        }
        let Some(standing) = self.standings.deployments.get_mut(deployment) else { return };
        let was_held = standing.sentence.hold.is_some();
        if was_held {
            standing.sentence.release(now);
        }
        let (clean, tries) = (standing.is_clean(now), standing.sentence.tries);
        if clean {
            self.standings.deployments.remove(deployment);
        }
        if was_held || clean {
            self.write_standing(deployment);
        }
        if was_held {
            if let Some(index) = self.plan.deployment_named(deployment) {
                let state = &mut self.deployments[index as usize];
                state.dirty |= state.row.stopped.take().is_some();
            }
            self.tell_transition(TransitionKind::Resumed, deployment, None, None, tries);
            self.arm_deployment(deployment);
        }
    }

    /// The host says whether a deployment is over its share of the engine: its steps wait for as long.
    pub(crate) fn budget(&mut self, deployment: &Name, over: bool) {
        if self.plan.deployment_named(deployment).is_none() {
            return;
        }
        let now = self.clock;
        let standing = self.standings.deployments.entry(deployment.clone()).or_default();
        standing.throttled = over;
        if over {
            let since = *standing.over_since.get_or_insert(now);
            self.timers.arm_retry((since + limits::BUDGET_PATIENCE).max(now), deployment, &Name::from(""));
        }
        self.forget_budget(deployment);
        self.write_standing(deployment);
        self.arm_deployment(deployment);
    }

    /// After a start nobody is over its share: what was measured is gone.
    pub(crate) fn forget_budgets(&mut self) {
        let throttled = self.standings.deployments.iter().filter(|(_, standing)| standing.over_since.is_some());
        for deployment in throttled.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if let Some(standing) = self.standings.deployments.get_mut(&deployment) {
                standing.throttled = false;
                standing.over_since = None;
            }
            self.forget_budget(&deployment);
            self.write_standing(&deployment);
            self.arm_deployment(&deployment);
        }
    }

    /// Who is within its share again and has nothing waiting any more has made up for it.
    pub(crate) fn forget_budget(&mut self, deployment: &Name) {
        let waits = self.pending.of(deployment) > 0;
        let Some(standing) = self.standings.deployments.get_mut(deployment) else { return };
        if !standing.throttled && !waits {
            standing.over_since = None;
        }
        if standing.is_clean(self.clock) {
            self.standings.deployments.remove(deployment);
        }
    }

    /// Whether a deployment's steps have waited for its share for too long.
    pub(crate) fn is_patience_over(&self, deployment: &Name) -> bool {
        let Some(standing) = self.standings.deployments.get(deployment) else { return false };
        let long = standing.over_since.is_some_and(|since| since + limits::BUDGET_PATIENCE <= self.clock);
        long && standing.sentence.hold.is_none() && self.pending.of(deployment) > 0
    }

    /// Of a deployment's package and settings, for whoever is held because of them.
    fn fingerprint(&self, deployment: &Name) -> u64 {
        let planned = self.plan.deployment_named(deployment).map(|index| &self.plan.deployments[index as usize]);
        planned.map_or(0, |planned| Id::of(&[&planned.spec.package.digest.0, planned.spec.settings.as_bytes()]).fold())
    }

    /// A deployment with another package or other settings than those that failed has a chance at once.
    pub(crate) fn forgive_changed(&mut self) {
        let now = self.clock;
        let keys: Vec<_> = self.standings.keys.keys().cloned().collect();
        for place in keys {
            let is = self.fingerprint(&place.0);
            let hold = self.standings.keys.get_mut(&place).and_then(|standing| standing.sentence.hold.as_mut());
            if let Some(hold) = hold.filter(|hold| hold.against != is && hold.probe_at > now) {
                hold.probe_at = now;
                self.write_key_standing(&place);
            }
        }
        let names: Vec<_> = self.standings.deployments.keys().cloned().collect();
        for name in names {
            let is = self.fingerprint(&name);
            let hold = self.standings.deployments.get_mut(&name).and_then(|standing| standing.sentence.hold.as_mut());
            if let Some(hold) = hold.filter(|hold| hold.against != is && hold.probe_at > now) {
                hold.probe_at = now;
                self.write_standing(&name);
            }
        }
    }

    /// Nothing is held against who is no longer deployed.
    pub(crate) fn forget_standings(&mut self, gone: impl Fn(&Name) -> bool) {
        for place in self.standings.keys.keys().filter(|(name, _)| gone(name)).cloned().collect::<Vec<_>>() {
            self.standings.keys.remove(&place);
            self.write_key_standing(&place);
        }
        for name in self.standings.deployments.keys().filter(|name| gone(name)).cloned().collect::<Vec<_>>() {
            self.standings.deployments.remove(&name);
            self.write_standing(&name);
        }
    }

    fn tell_transition(
        &mut self,
        kind: TransitionKind,
        deployment: &Name,
        key: Option<&Name>,
        held: Option<(Name, Instant)>,
        tries: u32,
    ) {
        let (reason, probe_at) = held.unzip();
        let transition =
            Transition { kind, deployment: deployment.clone(), key: key.cloned(), reason, probe_at, tries };
        self.journal_derived(kind.word(), key.unwrap_or(deployment), &transition);
        self.record.transitions.push(transition);
    }

    fn write_key_standing(&mut self, place: &(Name, Name)) {
        if self.persistence == Persistence::Store {
            let row = rows::key(&[place.0.as_bytes(), place.1.as_bytes()]);
            let value = self.standings.keys.get(place).map(rows::encode);
            self.record.change(Table::Quarantine, row, value);
        }
    }

    pub(crate) fn write_standing(&mut self, deployment: &Name) {
        if self.persistence == Persistence::Store {
            let row = rows::key(&[deployment.as_bytes(), b""]);
            let value = self.standings.deployments.get(deployment).map(rows::encode);
            self.record.change(Table::Quarantine, row, value);
        }
    }
}
