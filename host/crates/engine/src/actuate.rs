//! What is decided where an actuator lives: commands of rules from here and elsewhere, and an operator's own.

use std::sync::Arc;

use model::decision::{CauseRef, EffectRecord};
use model::deployment::PackageDigest;
use model::effect::{Command, Target};
use model::input::{Origin, Transfer, TransferBody};
use model::outgoing::{Outgoing, OutgoingBody};
use model::{Decision, DeviceNo, Effect, Id, Name, limits};

use crate::flight::Flight;
use crate::guard::{GATES, Passage, actuator, rate};
use crate::partition::Partition;

impl Partition {
    /// `precondition → priority`, then the outbox.
    pub(crate) fn actuate(&mut self, command: &Command, number: DeviceNo, origin: &Origin, passage: &mut Passage) {
        let plan = Arc::clone(&self.plan);
        let Some(device) = plan.devices.get(number) else { return };
        let now = self.clock;
        let twin = self.view().twins.get(&number);
        let expires_at = command.expires_at;
        passage.ask(&GATES.precondition, || {
            actuator::precondition(device, twin, &command.action, &command.only_if, expires_at, now)
        });
        passage.ask(&GATES.priority, || actuator::priority(command));
        let twin = self.world().twin(number);
        let (window, counted) = (&mut twin.commanded.0, &mut twin.commanded.1);
        passage.ask(&GATES.rate, || {
            rate::count(window, counted, limits::COMMANDS_PER_TARGET_PER_MINUTE, now, "target-rate")
        });
        if !passage.is_allowed() {
            return;
        }
        let Some(action) = device.action(&command.action) else { return };
        let desired = action.sets.as_ref().and_then(|sets| {
            let argument =
                || command.arguments.iter().find(|(name, _)| &**name == "value").map(|(_, value)| value.clone());
            Some((sets.capability, sets.value.clone().or_else(argument)?))
        });
        self.dirty_twins.push(number);
        if let Some((capability, value)) = &desired {
            self.supersede(number, *capability);
            self.world().twin(number).ask(*capability, value.clone());
        }
        let broker = device.source.as_ref().and_then(|source| source.connection.as_ref());
        let outgoing = Outgoing {
            effect: origin.id,
            sink: broker.map_or_else(|| plan.default_sink.clone(), |name| Name::from(format!("mqtt:{name}"))),
            target: device.id.clone(),
            committed_at: now,
            expires_at: Some(expires_at.unwrap_or(now + action.expires)),
            body: OutgoingBody::Command {
                device: number,
                action: command.action.clone(),
                arguments: command.arguments.clone(),
                only_if: command.only_if.clone(),
                momentary: action.momentary && !action.idempotent,
            },
        };
        let target = Some(Target::Device(device.id.clone()));
        // What the device never reports it cannot confirm: such a command ends when the sink has taken it.
        let reports = action.sets.as_ref().is_some_and(|sets| device.reports(sets.capability));
        let confirm = (!action.momentary && reports).then_some(device.confirm);
        let flight = Flight::new(origin.clone(), target, Some(number), desired, confirm, &outgoing);
        self.depart(flight, vec![outgoing]);
    }

    /// Something from another partition: an effect to be decided here, or what became of one.
    pub(crate) fn arrive(&mut self, transfer: &Transfer) {
        match &transfer.body {
            TransferBody::Effect { origin, decision } => self.arrive_effect(origin, decision),
            TransferBody::Cancel { deployment, key, tag } => self.cancel_tagged(deployment, key, tag),
            TransferBody::Published { topic, depth } => self.keep_published(topic, *depth),
            TransferBody::Completion { origin, completion, attempt } => {
                self.tell(origin, completion.clone(), *attempt);
            }
        }
    }

    fn arrive_effect(&mut self, origin: &Origin, decision: &Decision) {
        let Some(record) = &decision.effect else { return };
        match &record.effect {
            Effect::Command(command) => {
                let device = record.member.as_ref().and_then(|id| self.plan.devices.named(id));
                let Some(device) = device.map(|device| device.number) else { return };
                self.accounts.proposed += 1;
                let mut passage = Passage::after(decision.gates.clone());
                self.actuate(command, device, origin, &mut passage);
                let (verdict, reason, gates) = passage.finish();
                self.record_effect(Decision { verdict, reason, gates, ..decision.clone() }, origin);
            }
            Effect::Notification(notification) => {
                self.accounts.proposed += 1;
                let mut passage = Passage::after(decision.gates.clone());
                self.notify(notification, origin, &mut passage);
                let (verdict, reason, gates) = passage.finish();
                self.record_effect(Decision { verdict, reason, gates, ..decision.clone() }, origin);
            }
            Effect::Emit(emission) => self.deliver_emission(emission, &origin.key, origin),
            _ => {}
        }
    }

    /// An operator's own command: it passes the gates at the actuator and no others.
    pub(crate) fn manual(
        &mut self,
        input: &model::Input,
        device: DeviceNo,
        action: &Name,
        arguments: &model::Attributes,
    ) {
        let Some(id) = self.plan.devices.get(device).map(|device| device.id.clone()) else { return };
        let operator = Name::from("operator");
        let target = Target::Device(id.clone());
        let command = Command { arguments: arguments.clone(), ..Command::new(target, action.clone()) };
        let origin = Origin {
            id: Id::of(&[b"manual", input.id.as_bytes()]),
            deployment: operator.clone(),
            key: id.clone(),
            event: input.id.clone(),
            index: 0,
            tag: None,
            because: None,
            depth: 1,
            at: input.occurred_at.unwrap_or(self.clock),
        };
        self.accounts.proposed += 1;
        let mut passage = Passage::default();
        self.actuate(&command, device, &origin, &mut passage);
        let (verdict, reason, gates) = passage.finish();
        let cause = CauseRef {
            event: input.id.clone(),
            kind: Name::from("manual"),
            name: action.clone(),
            phase: None,
            device: Some(id.clone()),
        };
        let effect = EffectRecord { id: origin.id, effect: Effect::Command(command), member: Some(id), tag: None };
        let decision = Decision {
            at: origin.at,
            deployment: operator.clone(),
            rule: operator,
            digest: PackageDigest([0; 32]),
            key: origin.key.clone(),
            cause,
            index: 0,
            effect: Some(effect),
            because: None,
            verdict,
            reason,
            gates,
        };
        self.record_effect(decision, &origin);
    }
}
