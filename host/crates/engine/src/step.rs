//! The step: one event for one deployment, the unit that succeeds or rolls back.

use std::sync::Arc;

use model::decision::CauseRef;
use model::deployment::{Lifecycle, Limits};
use model::effect::Proposal;
use model::event::Cause;
use model::guest::{Failure, Handled, Stop};
use model::{Decision, Event, Id, Name, Verdict, limits};
use store::{DeadLetterRow, Table};

use crate::clock::back_off;
use crate::partition::Partition;
use crate::rows;
use crate::turn::Persistence;
use crate::world::World;

/// One event for one deployment.
pub(crate) struct Wake {
    pub(crate) deployment: u32,
    pub(crate) event: Event,
    /// Causal depth of the event; its effects are one deeper.
    pub(crate) depth: u8,
    /// Tries before this one.
    pub(crate) attempt: u32,
    /// The trigger's condition in words, for a rule that says nothing itself.
    pub(crate) because: Option<Name>,
}

impl Partition {
    /// Runs a step now, or lets it wait where its key or deployment is held or has others waiting.
    pub(crate) fn run(&mut self, wake: Wake) {
        self.accounts.wanted += 1;
        let name = &self.plan.deployments[wake.deployment as usize].spec.name;
        match self.held(name, &wake.event.key) {
            None => self.execute(wake, None),
            Some(why) => {
                let name = name.clone();
                self.wait(&name, wake, why);
            }
        }
    }

    /// Runs a step. `number` is its place among the waiting ones, where it waited.
    pub(crate) fn execute(&mut self, wake: Wake, number: Option<u64>) {
        let plan = Arc::clone(&self.plan);
        let spec = &plan.deployments[wake.deployment as usize].spec;
        let result = self.call(&wake);
        self.trace_step(&wake, result.as_ref().err());
        match result {
            Ok(proposals) => {
                self.accounts.done += 1;
                self.keep_writes(wake.deployment);
                if proposals.is_empty() {
                    let decision = self.decision(&wake, Verdict::Nothing);
                    self.decide(decision);
                }
                for (index, proposal) in (0_u32..).zip(proposals) {
                    self.propose(&wake, index, proposal);
                }
                self.clear(&spec.name, &wake.event.key);
            }
            Err(failure) => {
                self.world().call.writes.clear();
                self.fail(&spec.name, wake, number, &failure);
            }
        }
    }

    /// Calls the rule. The world is lent for the call and comes back whatever happens.
    fn call(&mut self, wake: &Wake) -> Result<Vec<Proposal>, Failure> {
        let plan = Arc::clone(&self.plan);
        let planned = &plan.deployments[wake.deployment as usize];
        self.used.push(wake.deployment);
        let state = &mut self.deployments[wake.deployment as usize];
        let mut instance = match state.instance.take() {
            Some(instance) => instance,
            None => {
                state.handled = 0;
                planned.program.instantiate()?
            }
        };
        let mut world = self.lent.take().expect("the world is lent only while a rule runs");
        world.begin(&planned.spec, &wake.event.key, &wake.event.id, self.clock);
        let Handled { host, result, fuel } = instance.handle(&wake.event, world);
        let world: Box<World> = host.into_any().downcast().expect("an instance hands back what it was lent");
        self.lent = Some(world);
        self.fuel += fuel;
        let written = self.view().call.writes.bytes();
        let result = result.and_then(|proposals| acceptable(&planned.spec.limits, written, proposals));
        let state = &mut self.deployments[wake.deployment as usize];
        state.fuel += fuel;
        let handled = state.handled;
        state.handled += 1;
        let stopped = matches!(result, Err(Failure::Stopped(..)));
        if !stopped && planned.spec.lifecycle != Lifecycle::Event {
            state.instance = Some(instance);
        }
        self.sample(wake, handled, &result);
        self.collect_telemetry(&planned.spec.name);
        result
    }

    /// What a rule logged and counted is kept even where its step fails.
    fn collect_telemetry(&mut self, deployment: &Name) {
        let call = &mut self.lent.as_mut().expect("the world is back").call;
        self.record.logs.append(&mut call.logs);
        let counts = call.counts.drain(..).map(|(metric, by)| (deployment.clone(), metric, by));
        self.record.counts.extend(counts);
        let samples = call.samples.drain(..).map(|(metric, sample)| (deployment.clone(), metric, sample));
        self.record.samples.extend(samples);
    }

    fn keep_writes(&mut self, deployment: u32) {
        let persistence = self.persistence;
        let world = self.lent.as_mut().expect("the world is back");
        let writes = world.call.writes.take();
        if writes.is_empty() {
            return;
        }
        let kept = &mut self.deployments[deployment as usize];
        let version = self.plan.deployments[deployment as usize].spec.state_version;
        if kept.row.state_version != version {
            kept.row.state_version = version;
            kept.dirty = true;
        }
        let (deployment, key) = world.call.state_key.clone();
        let state = world.states.entry((deployment.clone(), key.clone())).or_default();
        for (name, entry) in writes {
            let row = rows::key(&[deployment.as_bytes(), key.as_bytes(), name.as_bytes()]);
            let value = entry.as_ref().map(rows::encode);
            match entry {
                Some(entry) => {
                    state.insert(name, entry);
                }
                None => {
                    state.remove(&name);
                }
            }
            if persistence == Persistence::Store {
                self.record.change(Table::State, row, value);
            }
        }
    }

    /// A step failed: its writes and effects are gone. A passing reason is tried again, any other gives the event up.
    fn fail(&mut self, deployment: &Name, wake: Wake, number: Option<u64>, failure: &Failure) {
        let mut decision = self.decision(&wake, Verdict::Failed);
        decision.reason = Some(Name::from(failure.reason()));
        decision.because = Some(Name::from(failure.message()));
        self.decide(decision);
        let attempt = wake.attempt + 1;
        if matches!(failure, Failure::Transient(_)) && attempt < limits::TRIES {
            let due = self.clock + back_off(attempt, Id::of(&[wake.event.id.as_bytes()]));
            self.wait_again(deployment, Wake { attempt, ..wake }, number, due);
            return;
        }
        if let Failure::Configuration(message) = failure {
            let state = &mut self.deployments[wake.deployment as usize];
            state.row.stopped = Some(message.clone());
            state.dirty = true;
        }
        self.bury(&wake, failure.reason(), failure.message());
        self.condemn(deployment, &wake.event.key, failure);
    }

    /// Gives an event up: a dead letter with all that is needed to run it again.
    pub(crate) fn bury(&mut self, wake: &Wake, reason: &str, message: &str) {
        self.bury_with(wake, reason, message, Self::case);
    }

    /// Gives an event up whose step never ran: there is no world in which it failed, and such events are many.
    pub(crate) fn bury_event(&mut self, wake: &Wake, reason: &str, message: &str) {
        self.bury_with(wake, reason, message, Self::case_of_event);
    }

    fn bury_with(
        &mut self,
        wake: &Wake,
        reason: &str,
        message: &str,
        case: impl FnOnce(&Self, &Wake, &str, &str) -> Box<[u8]>,
    ) {
        self.accounts.dead_lettered += 1;
        if self.persistence == Persistence::Store {
            let case = case(self, wake, reason, message);
            self.record.bury(DeadLetterRow {
                sequence: self.sequence,
                at: self.clock,
                deployment: self.plan.deployments[wake.deployment as usize].spec.name.clone(),
                key: wake.event.key.clone(),
                reason: Name::from(reason),
                message: Name::from(message),
                case,
            });
        }
    }

    /// A decision about this step, without an effect.
    pub(crate) fn decision(&self, wake: &Wake, verdict: Verdict) -> Decision {
        let planned = &self.plan.deployments[wake.deployment as usize];
        Decision {
            at: wake.event.occurred_at,
            deployment: planned.spec.name.clone(),
            rule: planned.rule.clone(),
            digest: planned.spec.package.digest,
            key: wake.event.key.clone(),
            cause: cause(&wake.event),
            index: 0,
            effect: None,
            because: wake.because.clone(),
            verdict,
            reason: None,
            gates: Vec::new(),
        }
    }
}

/// What one event may propose and write.
pub(crate) fn acceptable(limits: &Limits, written: usize, proposals: Vec<Proposal>) -> Result<Vec<Proposal>, Failure> {
    let limit = limits.effects_per_event;
    if proposals.len() > limit {
        let message = format!("{} effects for one event, at most {limit} are taken", proposals.len());
        return Err(Failure::Stopped(Stop::Output, message));
    }
    let bytes = written + proposals.iter().map(weight).sum::<usize>();
    if bytes > model::limits::WRITES_PER_EVENT {
        let message = format!("{bytes} bytes for one event, at most {} are taken", model::limits::WRITES_PER_EVENT);
        return Err(Failure::Stopped(Stop::Output, message));
    }
    Ok(proposals)
}

fn cause(event: &Event) -> CauseRef {
    let (name, phase, device) = match &event.cause {
        Cause::Observation(observation) => (event.trigger.clone(), None, Some(observation.device.clone())),
        Cause::Condition(condition) => (event.trigger.clone(), Some(condition.phase), Some(condition.device.clone())),
        Cause::Timer(tick) | Cause::Schedule(tick) => (tick.name.clone(), None, None),
        Cause::Completion(completion) => (Name::from(completion.outcome.word()), None, None),
        Cause::Message(_) => (event.trigger.clone(), None, None),
        Cause::Custom(custom) => (custom.name.clone(), None, None),
    };
    CauseRef { event: event.id.clone(), kind: Name::from(event.cause.kind()), name, phase, device }
}

/// Roughly the bytes that a proposal takes in a commit.
fn weight(proposal: &Proposal) -> usize {
    use model::Effect;
    let attributes = |list: &model::Attributes| list.iter().map(|(name, value)| name.len() + value.weight()).sum();
    let own: usize = match &proposal.effect {
        Effect::Command(command) => attributes(&command.arguments),
        Effect::Notification(notification) => attributes(&notification.parameters),
        Effect::SetTimer(timer) => {
            timer.payload.as_ref().map_or(0, model::Value::weight) + attributes(&timer.attributes)
        }
        Effect::Publish(message) => message.payload.len() + message.topic.len(),
        Effect::Emit(emission) => attributes(&emission.attributes),
        Effect::Other(custom) => attributes(&custom.attributes),
        Effect::Relinquish(_) | Effect::CancelTimer(_) | Effect::Cancel(_) => 0,
    };
    own + proposal.because.as_ref().map_or(0, |because| because.len()) + 64
}
