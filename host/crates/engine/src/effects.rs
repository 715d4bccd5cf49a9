//! Effects: what a rule proposed passes its gates; what is allowed becomes part of the commit.

use std::sync::Arc;

use model::decision::EffectRecord;
use model::effect::{Audience, Command, Emission, Notification, Proposal, Target, Timer};
use model::event::{Message, Outcome};
use model::input::{Origin, TransferBody};
use model::outgoing::{Outgoing, OutgoingBody};
use model::{Decision, DeviceNo, Effect, Id, Instant, Name, Verdict, limits};
use store::OutboxRow;

use crate::flight::Flight;
use crate::guard::{GATES, Passage, capability, causal, consent, planned, rate};
use crate::notified;
use crate::partition::{Outbound, Partition};
use crate::step::Wake;
use crate::timers::TimerRow;

/// One effect of one step on its way through the gates.
struct Case<'a> {
    wake: &'a Wake,
    proposal: &'a Proposal,
    index: u32,
    id: Id,
    member: Option<Name>,
}

impl Partition {
    /// Judges one proposal; a role's command once for each member.
    pub(crate) fn propose(&mut self, wake: &Wake, index: u32, proposal: Proposal) {
        let plan = Arc::clone(&self.plan);
        let spec = &plan.deployments[wake.deployment as usize].spec;
        let effect_id = |member: &str| {
            let number = index.to_string();
            let parts = [&*spec.name, &*wake.event.key, &*wake.event.id, &number, member];
            Id::of(&parts.map(str::as_bytes))
        };
        let targets: Vec<(Option<Name>, Option<DeviceNo>)> = match &proposal.effect {
            Effect::Command(Command { target: Target::Role(role), .. }) => {
                let members = spec.role(role).map(|role| &*role.members).unwrap_or_default();
                let named = |number: &DeviceNo| plan.devices.get(*number).map(|device| device.id.clone());
                members.iter().map(|member| (named(member), Some(*member))).collect()
            }
            Effect::Command(Command { target: Target::Device(id), .. }) => {
                vec![(Some(id.clone()), plan.devices.named(id).map(|device| device.number))]
            }
            _ => vec![(None, None)],
        };
        if targets.is_empty() {
            // A role without members: refused, so that the rule learns that nobody heard it.
            let case = Case { wake, proposal: &proposal, index, id: effect_id(""), member: None };
            self.judge(&case, None);
        }
        for (member, device) in targets {
            let id = effect_id(member.as_deref().unwrap_or_default());
            let case = Case { wake, proposal: &proposal, index, id, member };
            self.judge(&case, device);
        }
    }

    fn judge(&mut self, case: &Case<'_>, device: Option<DeviceNo>) {
        self.accounts.proposed += 1;
        let mut passage = Passage::default();
        self.own_gates(case, device, &mut passage);
        self.caused += 1;
        let origin = self.origin(case);
        if passage.is_allowed() {
            match &case.proposal.effect {
                Effect::Command(command) => {
                    let device = device.expect("a command to an unknown device is refused by its first gate");
                    return self.command(case, command, device, origin, passage);
                }
                Effect::Notification(notification) => return self.notification(case, notification, origin, passage),
                Effect::Publish(message) => self.publish(case, message, origin.clone()),
                Effect::SetTimer(timer) => self.set_timer(case, timer),
                Effect::CancelTimer(name) => self.cancel_timer(case, name),
                Effect::Cancel(tag) => self.cancel(case, tag),
                Effect::Emit(emission) => self.emit(case, emission, &origin),
                Effect::Relinquish(_) | Effect::Other(_) => {}
            }
        }
        self.conclude(case, &origin, passage);
    }

    /// `capability → rate → loop`, where the effect is proposed.
    fn own_gates(&mut self, case: &Case<'_>, device: Option<DeviceNo>, passage: &mut Passage) {
        let plan = Arc::clone(&self.plan);
        let spec = &plan.deployments[case.wake.deployment as usize].spec;
        let effect = &case.proposal.effect;
        let wall = self.wall.doubted.is_none().then(|| self.wall.at(self.clock));
        passage.ask(&GATES.capability, || match effect {
            Effect::Command(command) => capability::command(spec, command, device, wall),
            Effect::Notification(notification) => capability::notification(spec, notification),
            Effect::Publish(message) => capability::publish(&plan, spec, message),
            Effect::Emit(emission) => capability::emit(spec, emission),
            Effect::SetTimer(Timer { name, .. }) if name.is_empty() || name.len() > limits::NAME_BYTES => {
                Err("bad-timer-name")
            }
            Effect::SetTimer(_) | Effect::CancelTimer(_) | Effect::Cancel(_) => Ok(()),
            Effect::Relinquish(_) => Err("no-priority-array"),
            Effect::Other(_) => Err("unknown-effect"),
        });
        let now = self.clock;
        let state = &mut self.deployments[case.wake.deployment as usize];
        state.dirty = true;
        let row = &mut state.row;
        let limit = spec.limits.effects_per_minute.min(limits::EFFECTS_PER_MINUTE);
        passage.ask(&GATES.rate, || rate::count(&mut row.minute, &mut row.effects, limit, now, "rate"));
        let (depth, caused) = (case.wake.depth.saturating_add(1), self.caused);
        passage.ask(&GATES.causal, || causal::check(depth, caused));
    }

    /// Records the decision, counts it, and tells the rule of a refusal.
    fn conclude(&mut self, case: &Case<'_>, origin: &Origin, passage: Passage) {
        let decision = self.effect_decision(case, passage);
        self.record_effect(decision, origin);
    }

    fn effect_decision(&self, case: &Case<'_>, passage: Passage) -> Decision {
        let (verdict, reason, gates) = passage.finish();
        Decision {
            index: case.index,
            effect: Some(EffectRecord {
                id: case.id,
                effect: case.proposal.effect.clone(),
                member: case.member.clone(),
                tag: case.proposal.tag.clone(),
            }),
            because: case.proposal.because.clone().or_else(|| case.wake.because.clone()),
            reason,
            gates,
            ..self.decision(case.wake, verdict)
        }
    }

    pub(crate) fn record_effect(&mut self, decision: Decision, origin: &Origin) {
        let refused = decision.verdict == Verdict::Refused;
        let reason = decision.reason.clone();
        let target = decision.effect.as_ref().and_then(|record| target_of(&record.effect, record.member.as_ref()));
        self.decide(decision);
        if refused {
            self.accounts.refused += 1;
            self.complete(origin, target, Outcome::Refused, reason, 1);
        }
    }

    fn origin(&self, case: &Case<'_>) -> Origin {
        Origin {
            id: case.id,
            deployment: self.plan.deployments[case.wake.deployment as usize].spec.name.clone(),
            key: case.wake.event.key.clone(),
            event: case.wake.event.id.clone(),
            index: case.index,
            tag: case.proposal.tag.clone(),
            because: case.proposal.because.clone().or_else(|| case.wake.because.clone()),
            depth: case.wake.depth.saturating_add(1),
            at: case.wake.event.occurred_at,
        }
    }

    /// A command goes on to the gates at its actuator: here, or in the partition where that lives.
    fn command(&mut self, case: &Case<'_>, command: &Command, device: DeviceNo, origin: Origin, mut passage: Passage) {
        let home = self.plan.partition_of_device(device);
        if home == Some(self.number) {
            self.actuate(command, device, &origin, &mut passage);
            self.conclude(case, &origin, passage);
        } else if let Some(to) = home {
            // It is decided there; this partition has done its part.
            self.accounts.inner += 1;
            let decision = self.effect_decision(case, passage);
            let body = TransferBody::Effect { origin, decision: Box::new(decision) };
            self.transfers.push(Outbound { to, body, at: self.clock });
        }
    }

    /// A notification with a key is decided where the keys of its audience are: what rules elsewhere told counts too.
    fn notification(&mut self, case: &Case<'_>, notification: &Notification, origin: Origin, mut passage: Passage) {
        let home = match (&notification.to, &notification.dedupe) {
            (Audience::Group(group), Some(_)) => self.plan.partition_of_group(group),
            _ => self.number,
        };
        if home == self.number {
            self.notify(notification, &origin, &mut passage);
            return self.conclude(case, &origin, passage);
        }
        self.accounts.inner += 1;
        let decision = self.effect_decision(case, passage);
        let body = TransferBody::Effect { origin, decision: Box::new(decision) };
        self.transfers.push(Outbound { to: home, body, at: self.clock });
    }

    /// `precondition → duplicate → consent`, then one outbox row for each sink of the group.
    pub(crate) fn notify(&mut self, notification: &Notification, origin: &Origin, passage: &mut Passage) {
        let plan = Arc::clone(&self.plan);
        let Some(index) = plan.deployment_named(&origin.deployment) else { return };
        let spec = &plan.deployments[index as usize].spec;
        let now = self.clock;
        if notification.not_before.is_some() {
            passage.ask(&GATES.precondition, || planned::check(notification, now));
        }
        let key = match (&notification.to, &notification.dedupe) {
            (Audience::Group(group), Some(dedupe)) => Some(notified::key_of(&spec.name, group, dedupe)),
            _ => None,
        };
        if let Some(key) = &key {
            let known = self.notified.holds(key, now);
            passage.ask(&GATES.duplicate, || if known { Err("duplicate") } else { Ok(()) });
        }
        passage.ask(&GATES.consent, || consent::check(&plan, spec, notification));
        let Audience::Group(name) = &notification.to else { return };
        let (true, Some(group)) = (passage.is_allowed(), plan.groups.get(name)) else { return };
        let class = spec.grants.notifications.iter().find(|grant| grant.template == notification.template);
        let Some(class) = class.map(|grant| grant.class) else { return };
        if let Some(key) = key.clone() {
            self.keep_notified(key, origin.id);
        }
        // One that is planned waits for a sink as long as any other, from then on.
        let planned = notification.not_before.filter(|not_before| *not_before > now);
        let expires_at = notification.expires_at.or(planned.map(|planned| planned + limits::NOTIFICATION_AGE));
        let outgoing: Vec<Outgoing> = group
            .sinks
            .iter()
            .map(|sink| Outgoing {
                effect: origin.id,
                sink: sink.clone(),
                target: name.clone(),
                committed_at: now,
                expires_at,
                body: OutgoingBody::Notification {
                    template: notification.template.clone(),
                    class,
                    group: name.clone(),
                    parameters: notification.parameters.clone(),
                    urgency: notification.urgency,
                    because: origin.because.clone(),
                },
            })
            .collect();
        // Only in a scenario has a group no sink: then nothing has to leave.
        let Some(first) = outgoing.first() else {
            self.accounts.inner += 1;
            return;
        };
        let mut flight = Flight::new(origin.clone(), None, None, None, None, first);
        flight.dedupe = key.map(|(_, id)| id);
        self.depart_at(planned.unwrap_or(now), flight, outgoing);
    }

    fn publish(&mut self, case: &Case<'_>, message: &Message, origin: Origin) {
        self.lend_depth(&message.topic, origin.depth.saturating_add(1));
        let outgoing = Outgoing {
            effect: case.id,
            sink: self.plan.default_sink.clone(),
            target: message.topic.clone(),
            committed_at: self.clock,
            expires_at: None,
            body: OutgoingBody::Publish {
                topic: message.topic.clone(),
                payload: message.payload.clone(),
                content_type: message.content_type.clone(),
                retained: message.retained,
            },
        };
        let flight = Flight::new(origin, None, None, None, None, &outgoing);
        self.depart(flight, vec![outgoing]);
    }

    /// Puts an effect into the outbox, and its flight beside it.
    pub(crate) fn depart(&mut self, flight: Flight, outgoing: Vec<Outgoing>) {
        self.depart_at(self.clock, flight, outgoing);
    }

    /// The same, to be sent not before `due`.
    fn depart_at(&mut self, due: Instant, mut flight: Flight, outgoing: Vec<Outgoing>) {
        self.accounts.waiting += 1;
        flight.sinks = outgoing.iter().map(|outgoing| outgoing.sink.clone()).collect();
        for outgoing in outgoing {
            self.record.send(OutboxRow { due, outgoing, attempts: 0 });
        }
        self.keep_flight(&flight);
        self.flights.insert(flight);
    }

    fn set_timer(&mut self, case: &Case<'_>, timer: &Timer) {
        self.accounts.inner += 1;
        let plan = Arc::clone(&self.plan);
        let deployment = plan.deployments[case.wake.deployment as usize].spec.name.clone();
        let key = (deployment, case.wake.event.key.clone(), timer.name.clone());
        // A timer that is due soon belongs to the chain that set it: no loop hides behind short timers.
        let soon = timer.due < self.clock + limits::TIMER_ROOT_AFTER;
        let row = TimerRow {
            due: timer.due,
            id: case.id,
            overdue: timer.overdue,
            payload: timer.payload.clone(),
            attributes: timer.attributes.clone(),
            depth: if soon { case.wake.depth.saturating_add(1) } else { 0 },
            set_at: self.clock,
        };
        self.keep_timer(key, row);
    }

    fn cancel_timer(&mut self, case: &Case<'_>, name: &Name) {
        self.accounts.inner += 1;
        let plan = Arc::clone(&self.plan);
        let deployment = plan.deployments[case.wake.deployment as usize].spec.name.clone();
        let key = (deployment, case.wake.event.key.clone(), name.clone());
        if self.timers.remove_rule(&key).is_some() {
            self.forget_timer(&key);
        }
    }

    fn cancel(&mut self, case: &Case<'_>, tag: &Name) {
        self.accounts.inner += 1;
        let plan = Arc::clone(&self.plan);
        let spec = &plan.deployments[case.wake.deployment as usize].spec;
        self.cancel_tagged(&spec.name, &case.wake.event.key, tag);
        for to in plan.partitions_of_effects(spec).into_iter().filter(|to| *to != self.number) {
            let (deployment, key) = (spec.name.clone(), case.wake.event.key.clone());
            let body = TransferBody::Cancel { deployment, key, tag: tag.clone() };
            self.transfers.push(Outbound { to, body, at: self.clock });
        }
    }

    pub(crate) fn cancel_tagged(&mut self, deployment: &Name, key: &Name, tag: &Name) {
        for effect in self.flights.tagged(deployment, key, tag) {
            self.withdraw(effect);
        }
    }

    /// An event for every rule that listens: in this partition at once, elsewhere by transfer.
    fn emit(&mut self, case: &Case<'_>, emission: &Emission, origin: &Origin) {
        self.accounts.inner += 1;
        let plan = Arc::clone(&self.plan);
        for to in plan.listeners.get(&emission.name).into_iter().flatten().copied() {
            if to == self.number {
                self.deliver_emission(emission, &case.wake.event.key, origin);
            } else {
                let decision = self.effect_decision(case, Passage::default());
                let body = TransferBody::Effect { origin: origin.clone(), decision: Box::new(decision) };
                self.transfers.push(Outbound { to, body, at: self.clock });
            }
        }
    }
}

/// Where an effect was headed, for its completion.
fn target_of(effect: &Effect, member: Option<&Name>) -> Option<Target> {
    match effect {
        Effect::Command(command) => Some(member.map_or(command.target.clone(), |id| Target::Device(id.clone()))),
        Effect::Relinquish(relinquishment) => Some(relinquishment.target.clone()),
        _ => None,
    }
}
