//! The chain of causes: from one step back to what a device reported, through timers, emissions and completions.

use anyhow::Result;
use model::event::{Cause, Event};
use model::input::{Body, TransferBody};
use model::{Decision, Effect, Id, Instant, Name, limits};
use store::{DecisionRow, JournalEntry, Placed};

use super::node::Node;
use super::past::{Past, Place};
use super::words;

/// What led to a step, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) nodes: Vec<Node>,
    /// Where the step's own cause is recorded.
    pub(super) cause: Option<Place>,
    /// The report of a device with which it all began.
    pub(super) root: Option<Place>,
}

pub(super) fn read(row: &Placed<DecisionRow>) -> Result<Decision> {
    Ok(engine::rows::decode("decisions", &row.row.payload)?)
}

impl Past {
    /// What led to a decision that was recorded at a place.
    pub(super) fn chain(&self, place: Place, decision: &Decision) -> Result<Chain> {
        self.follow(place, decision, 0)
    }

    fn follow(&self, place: Place, decision: &Decision, depth: usize) -> Result<Chain> {
        if depth > limits::WHY_STEPS {
            return Ok(Chain::default());
        }
        let place = self.proposed_at(place, decision)?;
        let cause = &decision.cause;
        match &*cause.kind {
            "observation" | "message" => self.observed(place, decision),
            "manual" => {
                let found = self.back(place, |row| &*row.kind == "manual")?;
                Ok(self.rooted(place.0, found))
            }
            "condition" => self.condition(place, decision),
            "timer" => {
                let mut chain = self.earlier(cause.event.parse().ok(), depth)?;
                let found = self.event(place, &cause.event)?;
                chain.cause = found.as_ref().map(|(row, _)| (place.0, row.sequence));
                let node = Node::new("timer", format!("timer `{}` came due", cause.name));
                chain.nodes.push(match found {
                    Some((row, _)) => node.at(row.at).fact("record", row.sequence),
                    None => node,
                });
                Ok(chain)
            }
            "completion" => {
                let settled = |row: &JournalEntry| Self::told(place.0, row, &cause.event);
                let found = self.back(place, |row| settled(row).is_some())?;
                let effect = match found.as_ref().and_then(settled) {
                    Some(effect) => Some(effect),
                    None => self.ended(place, decision)?,
                };
                let mut chain = self.earlier(effect, depth)?;
                chain.cause = found.as_ref().map(|row| (place.0, row.sequence));
                let of = effect.map(|id| format!(" of effect {id}")).unwrap_or_default();
                let node = Node::new("completion", format!("the rule was told of the end{of}: {}", cause.name));
                chain.nodes.push(found.map_or(node.clone(), |row| node.at(row.at)));
                Ok(chain)
            }
            "custom" => {
                let found = self.emission(place, decision)?;
                let mut chain = self.earlier(found.map(|(emission, _)| emission), depth)?;
                let node = Node::new("custom", format!("`{}` woke {}", cause.name, decision.deployment));
                chain.cause = Some(found.map_or(place, |(_, arrived)| arrived));
                chain.nodes.push(node);
                Ok(chain)
            }
            _ => {
                let found = self.event(place, &cause.event)?;
                let node = Node::new("schedule", format!("{} `{}` came", cause.kind, cause.name));
                let cause = found.as_ref().map(|(row, _)| (place.0, row.sequence));
                Ok(Chain { nodes: vec![found.map_or(node.clone(), |(row, _)| node.at(row.at))], cause, root: None })
            }
        }
    }

    /// Where the step ran: elsewhere, where the effect was only decided here.
    fn proposed_at(&self, (partition, sequence): Place, decision: &Decision) -> Result<Place> {
        let Some(row) = self.reader().journal_row(partition, sequence)? else { return Ok((partition, sequence)) };
        let Some(Body::Transfer(transfer)) = Self::input(partition, &row).map(|input| input.body) else {
            return Ok((partition, sequence));
        };
        let own = matches!(&transfer.body, TransferBody::Effect { origin, .. } if origin.event == decision.cause.event);
        if !own || transfer.from == partition {
            return Ok((partition, sequence));
        }
        Ok((transfer.from, self.last_at(transfer.from, row.at)?))
    }

    /// The step whose effect this was, and what led to it.
    fn earlier(&self, effect: Option<Id>, depth: usize) -> Result<Chain> {
        let Some(effect) = effect else { return Ok(Chain::default()) };
        let Some(row) = self.reader().decisions_on(effect)?.into_iter().next() else { return Ok(Chain::default()) };
        let decision = read(&row)?;
        let mut chain = self.follow((row.partition, row.row.sequence), &decision, depth + 1)?;
        let mut step = words::step(&decision, None);
        step.below.push(words::decided(&decision));
        chain.nodes.push(step);
        Ok(chain)
    }

    fn rooted(&self, partition: u16, found: Option<JournalEntry>) -> Chain {
        let Some(row) = found else { return Chain::default() };
        let place = Some((partition, row.sequence));
        let node =
            Self::input(partition, &row).map(|input| words::input(&input, row.key.as_deref(), row.sequence, row.at));
        Chain { nodes: node.into_iter().collect(), cause: place, root: place }
    }

    fn observed(&self, place: Place, decision: &Decision) -> Result<Chain> {
        let (cause, deployment) = (&decision.cause, &decision.deployment);
        let found = self.back(place, |row| {
            let kind = &*row.kind;
            if kind != "observation" && kind != "message" || cause.device.is_some() && row.key != cause.device {
                return false;
            }
            Self::input(place.0, row).is_some_and(|input| {
                let observation = engine::wakes::observation_event(&input.id, deployment, &cause.name);
                observation == cause.event
                    || engine::wakes::message_event(&input.id, deployment, &cause.name) == cause.event
            })
        })?;
        Ok(self.rooted(place.0, found))
    }

    fn condition(&self, place: Place, decision: &Decision) -> Result<Chain> {
        let cause = &decision.cause;
        let phase = cause.phase.map_or("", model::Phase::word);
        let Some((row, event)) = self.event(place, &cause.event)? else {
            let node = Node::new("trigger", format!("trigger `{}` {phase}", cause.name)).at(decision.at);
            return Ok(Chain { nodes: vec![node], ..Chain::default() });
        };
        let Event { cause: Cause::Condition(condition), .. } = &event else { return Ok(Chain::default()) };
        let device = Some(&condition.device);
        // The report with which it began, else the last one before it.
        let began =
            |row: &JournalEntry| row.observed && row.key.as_ref() == device && happened(place.0, row, condition.since);
        let before = |row: &JournalEntry| row.observed && row.key.as_ref() == device;
        let here = (place.0, row.sequence);
        let report = match self.back(here, began)? {
            Some(found) => Some(found),
            None => self.back(here, before)?,
        };
        let mut chain = self.rooted(place.0, report);
        let value = condition.value.as_ref().map(|value| format!(", last {value}")).unwrap_or_default();
        let deadline = condition.deadline.map(|at| format!(", deadline {at}")).unwrap_or_default();
        let words = format!(
            "trigger `{}` {phase} for {}: since {}{deadline}{value}",
            cause.name, condition.device, condition.since
        );
        let node = Node::new("trigger", words).at(row.at).fact("trigger", &*cause.name).fact("phase", phase);
        let node = node.fact("since", condition.since.to_string()).fact("record", row.sequence);
        chain.nodes.push(match condition.deadline {
            Some(deadline) => node.fact("deadline", deadline.to_string()),
            None => node,
        });
        chain.cause = Some(here);
        Ok(chain)
    }

    /// The emission that woke a step, and where: one of this partition, or one that came from another.
    fn emission(&self, (partition, sequence): Place, decision: &Decision) -> Result<Option<(Id, Place)>> {
        let configured = self.triggers_of(&decision.deployment)?;
        let is_it = |id: Id| {
            configured
                .iter()
                .any(|trigger| engine::wakes::custom_event(id, &decision.deployment, trigger) == decision.cause.event)
        };
        for row in self
            .reader()
            .decisions_within(partition, (sequence.saturating_sub(limits::WHY_EMITTED), sequence))?
            .iter()
            .rev()
        {
            let made: Decision = engine::rows::decode("decisions", &row.payload)?;
            let emitted = made.effect.filter(|record| matches!(record.effect, Effect::Emit(_)));
            if let Some(record) = emitted.filter(|record| is_it(record.id)) {
                return Ok(Some((record.id, (partition, sequence))));
            }
        }
        let came = |row: &JournalEntry| match transferred(partition, row)? {
            TransferBody::Effect { origin, .. } => is_it(origin.id).then_some(origin.id),
            TransferBody::Published { .. } | TransferBody::Cancel { .. } | TransferBody::Completion { .. } => None,
        };
        let found = self.back((partition, sequence), |row| came(row).is_some())?;
        Ok(found.and_then(|row| came(&row).map(|id| (id, (partition, row.sequence)))))
    }

    /// The effect of whose end a completion tells, where no sink brought it: refused, superseded, confirmed.
    fn ended(&self, (partition, sequence): Place, decision: &Decision) -> Result<Option<Id>> {
        let (outcome, event) = (&decision.cause.name, &decision.cause.event);
        let tells = |id: Id| {
            (0..=u32::from(u8::MAX)).any(|attempt| engine::wakes::completion_event(id, outcome, attempt) == *event)
        };
        let rows =
            self.reader().decisions_within(partition, (sequence.saturating_sub(limits::WHY_EMITTED), sequence))?;
        Ok(rows.iter().rev().filter_map(|row| row.effect).find(|id| tells(*id)))
    }

    /// The effect of whose end a completion's event tells, where this record brought it.
    fn told(partition: u16, row: &JournalEntry, event: &Name) -> Option<Id> {
        if let Some(TransferBody::Completion { origin, completion, attempt }) = transferred(partition, row) {
            let tells = engine::wakes::completion_event(origin.id, completion.outcome.word(), attempt) == *event;
            return tells.then_some(origin.id);
        }
        if &*row.kind != "settled" {
            return None;
        }
        let Body::Settled(settled) = Self::input(partition, row)?.body else { return None };
        let tells =
            |attempt: u32| engine::wakes::completion_event(settled.effect, settled.outcome.word(), attempt) == *event;
        (1..=u32::from(u8::MAX)).any(tells).then_some(settled.effect)
    }
}

/// What a record brought from another partition.
fn transferred(partition: u16, row: &JournalEntry) -> Option<TransferBody> {
    if &*row.kind != "transfer" {
        return None;
    }
    match Past::input(partition, row)?.body {
        Body::Transfer(transfer) => Some(transfer.body),
        _ => None,
    }
}

/// Whether a record is a report of this instant, in the device's time or, where it has none, in the host's.
fn happened(partition: u16, row: &JournalEntry, at: Instant) -> bool {
    row.at == at || Past::input(partition, row).is_some_and(|input| input.occurred_at == Some(at))
}
