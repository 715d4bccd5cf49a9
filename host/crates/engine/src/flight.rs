//! Effects in flight: committed and not yet finished. What sinks and devices make of them comes back to the rule.

use std::collections::BTreeMap;

use model::device::Confirm;
use model::effect::Target;
use model::event::{Cause, Completion, Event, Outcome, Quality, Reading};
use model::input::{Origin, RETRYING, SENDING, Settled, TransferBody};
use model::outgoing::{Outgoing, OutgoingBody};
use model::{Capability, DeviceNo, Id, Instant, Name, Value};
use serde::{Deserialize, Serialize};
use store::{OutboxRow, Retry, Table};

use crate::partition::{Outbound, Partition};
use crate::rows;
use crate::step::Wake;
use crate::turn::Persistence;
use crate::twin::Twin;

/// One effect on its way, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flight {
    pub origin: Origin,
    pub target: Option<Target>,
    pub device: Option<DeviceNo>,
    /// What the device should report.
    pub desired: Option<(Capability, Value)>,
    /// How long to wait for it, in microseconds, and how many times more to send.
    confirm: Option<(u64, u8)>,
    /// Sinks that have not answered.
    pub sinks: Vec<Name>,
    pub attempt: u32,
    /// A sink took it: only the device's own word is missing.
    accepted_at: Option<Instant>,
    committed_at: Instant,
    /// Kept for commands that may be sent again.
    outgoing: Option<Box<Outgoing>>,
    /// The key that it holds among notifications, while it has told nobody.
    #[serde(default)]
    pub dedupe: Option<Id>,
}

#[derive(Debug, Default)]
pub(crate) struct Flights {
    all: BTreeMap<Id, Flight>,
    /// Those that a device's report would confirm.
    awaited: BTreeMap<(DeviceNo, Capability), Id>,
}

impl Flight {
    pub(crate) fn new(
        origin: Origin,
        target: Option<Target>,
        device: Option<DeviceNo>,
        desired: Option<(Capability, Value)>,
        confirm: Option<Confirm>,
        outgoing: &Outgoing,
    ) -> Self {
        // What is sent at most once is kept to be marked before it is sent.
        let once = matches!(outgoing.body, OutgoingBody::Command { momentary: true, .. });
        let again = once || confirm.is_some_and(|confirm| confirm.retries > 0) && desired.is_some();
        Self {
            origin,
            target,
            device,
            desired,
            confirm: confirm.map(|confirm| (confirm.within.0, confirm.retries)),
            sinks: Vec::new(),
            attempt: 1,
            accepted_at: None,
            committed_at: outgoing.committed_at,
            outgoing: again.then(|| Box::new(outgoing.clone())),
            dedupe: None,
        }
    }

    fn awaits(&self) -> Option<(DeviceNo, Capability)> {
        let (capability, _) = self.desired.as_ref()?;
        Some((self.device?, *capability))
    }

    /// When an accepted command that nobody confirmed is looked at again.
    pub(crate) fn confirm_due(&self) -> Option<Instant> {
        Some(self.accepted_at? + model::Span(self.confirm?.0))
    }
}

impl Flights {
    pub(crate) fn insert(&mut self, flight: Flight) {
        if let Some(place) = flight.awaits() {
            self.awaited.insert(place, flight.origin.id);
        }
        self.all.insert(flight.origin.id, flight);
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Flight> {
        self.all.get(&id)
    }

    fn remove(&mut self, id: Id) -> Option<Flight> {
        let flight = self.all.remove(&id)?;
        if let Some(place) = flight.awaits()
            && self.awaited.get(&place) == Some(&id)
        {
            self.awaited.remove(&place);
        }
        Some(flight)
    }

    fn awaited(&self, device: DeviceNo, capability: Capability) -> Option<&Flight> {
        self.all.get(self.awaited.get(&(device, capability))?)
    }

    pub(crate) fn tagged(&self, deployment: &Name, key: &Name, tag: &Name) -> Vec<Id> {
        let own = |flight: &&Flight| {
            flight.origin.deployment == *deployment
                && flight.origin.key == *key
                && flight.origin.tag.as_ref() == Some(tag)
        };
        self.all.values().filter(own).map(|flight| flight.origin.id).collect()
    }
}

impl Partition {
    pub(crate) fn keep_flight(&mut self, flight: &Flight) {
        if self.persistence == Persistence::Store {
            self.record.change(Table::Flight, Box::from(flight.origin.id.0), Some(rows::encode(flight)));
        }
    }

    fn land(&mut self, id: Id) -> Option<Flight> {
        let flight = self.flights.remove(id)?;
        if self.persistence == Persistence::Store {
            self.record.change(Table::Flight, Box::from(id.0), None);
        }
        self.accounts.waiting -= 1;
        Some(flight)
    }

    /// A sink answered.
    pub(crate) fn settled(&mut self, settled: &Settled) {
        match &settled.outcome {
            Outcome::Other(word) if &**word == SENDING => return self.mark(settled),
            Outcome::Other(word) if &**word == RETRYING => return self.tried(settled),
            _ => {}
        }
        self.record.settle(settled.effect, settled.sink.clone());
        let Some(mut flight) = self.flights.get(settled.effect).cloned() else { return };
        flight.sinks.retain(|sink| *sink != settled.sink);
        let accepted = matches!(settled.outcome, Outcome::Accepted | Outcome::Delivered | Outcome::Confirmed);
        if accepted && flight.desired.is_some() && flight.confirm.is_some() {
            flight.accepted_at = Some(self.clock);
            if self.already_reported(&flight) {
                return self.finish_flight(settled.effect, Outcome::Confirmed, None);
            }
            if let Some(due) = flight.confirm_due() {
                self.timers.arm_confirm(due, &flight.origin.deployment, &flight.origin.key, settled.effect);
            }
            self.keep_flight(&flight);
            self.complete(&flight.origin.clone(), flight.target.clone(), Outcome::Accepted, None, flight.attempt);
            self.flights.insert(flight);
            return;
        }
        if accepted {
            flight.dedupe = None;
        } else if flight.sinks.is_empty() {
            self.give_back(&flight);
        }
        if flight.sinks.is_empty() || !accepted {
            self.finish_flight(settled.effect, settled.outcome.clone(), settled.reason.clone());
        } else {
            self.keep_flight(&flight);
            self.flights.insert(flight);
        }
    }

    /// A command that is sent at most once is marked before it is sent.
    fn mark(&mut self, settled: &Settled) {
        let Some(flight) = self.flights.get(settled.effect) else { return };
        if let Some(outgoing) = flight.outgoing.clone() {
            self.record.send(OutboxRow { due: self.clock, outgoing: *outgoing, attempts: settled.attempt });
        }
    }

    /// An attempt failed and another follows: that survives a restart.
    fn tried(&mut self, settled: &Settled) {
        if self.flights.get(settled.effect).is_some() {
            self.record.retry(Retry {
                effect: settled.effect,
                sink: settled.sink.clone(),
                attempts: settled.attempt,
                due: settled.due.unwrap_or(self.clock),
            });
        }
    }

    fn already_reported(&self, flight: &Flight) -> bool {
        let Some((capability, value)) = &flight.desired else { return false };
        let twin = flight.device.and_then(|device| self.view().twins.get(&device));
        let held = twin.and_then(|twin| twin.get(*capability));
        // Reported since, by the host's clock: the device's own may be behind.
        let lag = twin.map(Twin::lag).unwrap_or_default();
        held.is_some_and(|held| {
            held.reported + lag >= flight.committed_at && held.value.as_ref().is_some_and(|known| known.same(value))
        })
    }

    /// Commands that these readings confirm end; the causal depth that the readings inherit from them.
    pub(crate) fn echo(&mut self, device: DeviceNo, readings: &[Reading]) -> u8 {
        let mut depth = 0;
        for reading in readings {
            if reading.quality == Quality::Bad {
                continue;
            }
            let Some(flight) = self.flights.awaited(device, reading.capability) else { continue };
            if !flight.desired.as_ref().is_some_and(|(_, value)| value.same(&reading.value)) {
                continue;
            }
            depth = depth.max(flight.origin.depth.saturating_add(1));
            if flight.accepted_at.is_some() {
                let id = flight.origin.id;
                self.finish_flight(id, Outcome::Confirmed, None);
            }
        }
        depth
    }

    /// The time to confirm is over: once more, or failed.
    pub(crate) fn unconfirmed(&mut self, id: Id, due: Instant) {
        let Some(flight) = self.flights.get(id).filter(|flight| flight.confirm_due() == Some(due)) else { return };
        let mut flight = flight.clone();
        let retries = flight.confirm.map_or(0, |(_, retries)| u32::from(retries));
        match flight.outgoing.clone().filter(|_| flight.attempt <= retries) {
            Some(outgoing) => {
                flight.attempt += 1;
                flight.accepted_at = None;
                flight.sinks = vec![outgoing.sink.clone()];
                self.record.send(OutboxRow { due: self.clock, outgoing: *outgoing, attempts: 0 });
                self.journal_derived("unconfirmed", &flight.origin.key.clone(), &(id, flight.attempt));
                self.keep_flight(&flight);
                self.flights.insert(flight);
            }
            None => {
                // A record of its own: what the clock alone decides must be in the journal, or a host that dies now goes
                // on from an earlier instant and decides it again.
                self.journal_derived("unconfirmed", &flight.origin.key.clone(), &(id, flight.attempt));
                self.finish_flight(id, Outcome::Failed, Some(Name::from("unconfirmed")));
            }
        }
    }

    /// A newer command for the same capability takes the place of an older one that has not arrived.
    pub(crate) fn supersede(&mut self, device: DeviceNo, capability: Capability) {
        let Some(flight) = self.flights.awaited(device, capability) else { return };
        let id = flight.origin.id;
        for sink in flight.sinks.clone() {
            self.record.settle(id, sink);
        }
        self.finish_flight(id, Outcome::Superseded, None);
    }

    /// The rule took it back.
    pub(crate) fn withdraw(&mut self, id: Id) {
        let Some(flight) = self.land(id) else { return };
        self.give_back(&flight);
        for sink in flight.sinks {
            self.record.settle(id, sink);
        }
        self.accounts.withdrawn += 1;
    }

    fn finish_flight(&mut self, id: Id, outcome: Outcome, reason: Option<Name>) {
        let Some(flight) = self.land(id) else { return };
        let account = match &outcome {
            Outcome::Accepted | Outcome::Delivered | Outcome::Other(_) => &mut self.accounts.accepted,
            Outcome::Confirmed => &mut self.accounts.confirmed,
            Outcome::Refused => &mut self.accounts.refused,
            Outcome::Expired => &mut self.accounts.expired,
            Outcome::Superseded => &mut self.accounts.superseded,
            Outcome::Failed => &mut self.accounts.failed,
        };
        *account += 1;
        match reason.as_deref().filter(|_| outcome == Outcome::Expired) {
            Some("outbox-full") => self.accounts.expired_full += 1,
            Some("too-old") => self.accounts.expired_old += 1,
            _ => {}
        }
        self.trace_end(id, &outcome, reason.as_ref(), flight.attempt);
        self.complete(&flight.origin, flight.target.clone(), outcome, reason, flight.attempt);
    }

    /// Tells the rule what became of its effect, where its manifest asks for that.
    pub(crate) fn complete(
        &mut self,
        origin: &Origin,
        target: Option<Target>,
        outcome: Outcome,
        reason: Option<Name>,
        attempt: u32,
    ) {
        // A refusal at the end of a causal chain is not told: its answer would be refused and told for ever.
        if origin.depth > model::limits::CAUSAL_DEPTH {
            return;
        }
        let Some(index) = self.plan.deployment_named(&origin.deployment) else { return };
        let spec = &self.plan.deployments[index as usize].spec;
        if !spec.completions.iter().any(|wanted| &**wanted == outcome.word()) {
            return;
        }
        let completion = Completion {
            tag: origin.tag.clone(),
            effect: Name::from(origin.id.to_string()),
            target,
            outcome,
            reason,
            attributes: Vec::new(),
        };
        match self.plan.home_of_key(spec, &origin.key) {
            Some(home) if home != self.number => {
                let body = TransferBody::Completion { origin: origin.clone(), completion, attempt };
                self.transfers.push(Outbound { to: home, body, at: self.clock });
            }
            _ => self.tell(origin, completion, attempt),
        }
    }

    pub(crate) fn tell(&mut self, origin: &Origin, completion: Completion, attempt: u32) {
        let Some(deployment) = self.plan.deployment_named(&origin.deployment) else { return };
        let id = crate::wakes::completion_event(origin.id, completion.outcome.word(), attempt);
        let event = Event {
            id,
            trigger: Name::from(""),
            key: origin.key.clone(),
            occurred_at: self.clock,
            received_at: self.clock,
            cause: Cause::Completion(completion),
            attributes: Vec::new(),
        };
        self.queue.push_back(Wake { deployment, event, depth: origin.depth, attempt: 0, because: None });
    }
}
