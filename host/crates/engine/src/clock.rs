//! What the clock brings: rule timers, trigger deadlines, schedules, retries, confirmations, in one order.

use std::sync::Arc;

use model::effect::Overdue;
use model::event::{Cause, Event, Tick};
use model::{Instant, Name, limits};
use store::Table;

use crate::partition::{Partition, inner_id};
use crate::rows;
use crate::step::Wake;
use crate::timers::{Armed, TimerKey, TimerRow};
use crate::triggers::{Round, State, times};
use crate::turn::Persistence;
use crate::wall::Wall;

impl Partition {
    /// Fires everything that is due at or before `now`, each at its own instant.
    pub(crate) fn fire_due(&mut self, now: Instant) {
        while self.fire_one(now) {}
        self.forget_seen(now);
    }

    /// Fires the first that is due at or before `now`; false where nothing is. Between two firings nothing is half
    /// done, so a turn may end there.
    pub(crate) fn fire_one(&mut self, now: Instant) -> bool {
        if self.wall.doubted.is_some() {
            return false;
        }
        let Some((due, armed)) = self.timers.pop(now) else { return false };
        // While the host runs, what is due happens at its instant; what came due before the clock is overdue.
        self.clock = self.clock.max(due);
        self.caused = 0;
        match armed {
            Armed::Rule(key) => self.rule_timer(&key),
            Armed::Slot(slot) => self.slot_due(slot as usize),
            Armed::Retry(deployment, key) => self.retry(&deployment, &key),
            Armed::Confirm(effect) => self.unconfirmed(effect, due),
        }
        self.drain();
        true
    }

    fn forget_seen(&mut self, now: Instant) {
        if self.wall.doubted.is_some() {
            return;
        }
        while let Some(id) = self.seen.forget(now) {
            if self.persistence == Persistence::Store {
                self.record.change(Table::Seen, Box::from(id.0), None);
            }
            self.changed_at = now;
        }
    }

    fn rule_timer(&mut self, key: &TimerKey) {
        let Some(row) = self.timers.take_rule(key) else { return };
        self.forget_timer(key);
        let late = self.clock.since(row.due);
        let fires = match row.overdue {
            Overdue::Fire => true,
            Overdue::FireWithin(within) => late <= within,
            Overdue::Skip => late == model::Span::ZERO,
        };
        let (deployment, state_key, name) = key;
        let Some(index) = self.plan.deployment_named(deployment) else { return };
        if !fires {
            self.accounts.skipped_timers += 1;
            self.journal_derived("skipped", state_key, &(name, row.due));
            return;
        }
        let event = Event {
            id: Name::from(row.id.to_string()),
            trigger: Name::from(""),
            key: state_key.clone(),
            occurred_at: row.due,
            received_at: self.clock,
            cause: Cause::Timer(Tick {
                name: name.clone(),
                due: row.due,
                missed: 0,
                payload: row.payload,
                attributes: row.attributes,
            }),
            attributes: Vec::new(),
        };
        self.journal_derived("timer", state_key, &event);
        self.run(Wake { deployment: index, event, depth: row.depth, attempt: 0, because: None });
    }

    pub(crate) fn keep_timer(&mut self, key: TimerKey, row: TimerRow) {
        if self.persistence == Persistence::Store {
            let place = rows::key(&[key.0.as_bytes(), key.1.as_bytes(), key.2.as_bytes()]);
            self.record.change(Table::Timer, place, Some(rows::encode(&row)));
        }
        self.timers.set_rule(key, row);
    }

    pub(crate) fn forget_timer(&mut self, key: &TimerKey) {
        if self.persistence == Persistence::Store {
            let (deployment, state_key, name) = key;
            let key = rows::key(&[deployment.as_bytes(), state_key.as_bytes(), name.as_bytes()]);
            self.record.change(Table::Timer, key, None);
        }
    }

    fn slot_due(&mut self, index: usize) {
        self.slots[index].armed = None;
        if matches!(self.slots[index].state, State::Schedule(_)) {
            self.schedule(index);
            self.arm(index);
            return;
        }
        if !self.caught_up {
            // Armed again when the sources have delivered what waited.
            return;
        }
        let to = self.clock.before(self.slots[index].lag(&self.view().twins));
        let transitions = self.advance_slot(index, to);
        let mut wakes = Vec::new();
        self.wake_for(index, &transitions, 0, &mut wakes);
        if self.slots[index].owed {
            self.reconsider(index, to, &mut wakes);
        }
        self.arm(index);
        wakes.into_iter().for_each(|wake| self.run(wake));
    }

    /// A schedule came: once for every instant while the host runs, once for all that were missed while it did not. Each
    /// key is a firing of its own, so that a turn may end between two of them.
    fn schedule(&mut self, index: usize) {
        if self.slots[index].round.is_none() && !self.begin_round(index) {
            return;
        }
        let plan = Arc::clone(&self.plan);
        let slot = &self.slots[index];
        let planned = &plan.deployments[slot.binding.deployment as usize];
        let trigger = &planned.triggers[slot.binding.trigger as usize];
        let Some(times) = &trigger.times else { return };
        let Some((key, Round { due, missed, .. })) = self.next_of_round(index) else { return };
        let at = due.0.to_string();
        let parts = ["schedule", &planned.spec.name, &trigger.spec.name, &key, &at];
        let event = Event {
            id: inner_id(&parts.map(str::as_bytes)),
            trigger: trigger.spec.name.clone(),
            key: key.clone(),
            occurred_at: due,
            received_at: self.clock,
            cause: Cause::Schedule(Tick {
                name: trigger.spec.name.clone(),
                due,
                missed,
                payload: None,
                attributes: times.attributes(due),
            }),
            attributes: Vec::new(),
        };
        self.journal_derived("schedule", &key, &event);
        let deployment = self.slots[index].binding.deployment;
        self.run(Wake { deployment, event, depth: 0, attempt: 0, because: None });
    }

    /// Whether the schedule wakes its keys for what has come; where it does, their round begins.
    fn begin_round(&mut self, index: usize) -> bool {
        let plan = Arc::clone(&self.plan);
        let slot = &mut self.slots[index];
        let planned = &plan.deployments[slot.binding.deployment as usize];
        let trigger = &planned.triggers[slot.binding.trigger as usize];
        let (State::Schedule(last), Some(times)) = (&mut slot.state, &trigger.times) else { return false };
        let Some(overdue) = times::overdue(&trigger.spec.kind) else { return false };
        let wall = self.wall.at(self.clock);
        let Some(first) = times.next(*last).filter(|due| *due <= wall) else { return false };
        let (due, missed) = times.last(first, wall);
        *last = due;
        slot.dirty = true;
        let on_time = self.wall.reaches(due) >= self.clock;
        let fires = match overdue {
            Overdue::Fire => true,
            Overdue::FireWithin(within) => on_time || wall.since(due) <= within,
            Overdue::Skip => on_time,
        };
        if fires {
            slot.round = Some(Round { due, missed, done: None });
        }
        self.accounts.missed_schedules += u64::from(missed) + u64::from(!fires);
        self.touched(index);
        if !fires {
            self.journal_derived("missed", &trigger.spec.name, &(due, missed));
        }
        fires
    }

    /// The next key that the schedule of this slot wakes; the last one ends the round.
    fn next_of_round(&mut self, index: usize) -> Option<(Name, Round)> {
        let plan = Arc::clone(&self.plan);
        let slot = &mut self.slots[index];
        let round = slot.round.clone()?;
        if slot.waiting.is_empty() {
            // It begins, or a restart has forgotten who is left.
            let spec = &plan.deployments[slot.binding.deployment as usize].spec;
            let left = |key: &Name| round.done.as_ref().is_none_or(|done| key > done);
            slot.waiting = plan.keys_in(spec, self.number).into_iter().filter(left).collect();
        }
        let key = slot.waiting.pop_front();
        slot.round =
            key.clone().filter(|_| !slot.waiting.is_empty()).map(|key| Round { done: Some(key), ..round.clone() });
        slot.dirty = true;
        self.touched(index);
        Some((key?, round))
    }

    /// The wall clock was stepped: schedules come when it says so, each of them once.
    pub(crate) fn step_wall(&mut self, ahead: i64) {
        self.wall.step(self.clock, ahead);
        let wall = self.wall.at(self.clock);
        for index in 0..self.slots.len() {
            let State::Schedule(last) = &mut self.slots[index].state else { continue };
            // A wall clock that was far ahead for a while must not silence a schedule for as long.
            if last.before(limits::CLOCK_AHEAD) > wall {
                *last = wall;
                self.slots[index].dirty = true;
            }
            self.touched(index);
        }
    }

    /// The wall clock is believed again: what the clock skipped is like downtime. What rules timed by a clock that was
    /// not right keeps its distance.
    pub(crate) fn accept_wall(&mut self, from: Instant) {
        let caught_up = self.caught_up || self.wall.caught_up;
        let skipped = self.clock.since(from);
        if let Some(doubted) = self.wall.doubted {
            for (key, row) in self.timers.set_since(doubted) {
                self.keep_timer(key, TimerRow { due: row.due + skipped, set_at: self.clock, ..row });
            }
        }
        self.wall = Wall::default();
        self.caught_up = false;
        self.resume(from);
        if caught_up {
            self.catch_up();
        }
    }
}

/// The wait before try `attempt` (from 1) of a step that failed for a passing reason, with up to a quarter more by the
/// event's own id, so that replays agree and neighbours do not all come at once.
pub(crate) fn back_off(attempt: u32, id: model::Id) -> model::Span {
    doubling(attempt, (limits::RETRY_FIRST, limits::RETRY_LONGEST), id)
}

/// A wait that doubles with each attempt (from 1) up to the longest, and up to a quarter more.
pub(crate) fn doubling(attempt: u32, (first, longest): (model::Span, model::Span), id: model::Id) -> model::Span {
    let doubled = first.0.saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let wait = doubled.min(longest.0);
    model::Span(wait + id.fold() % (wait / 4 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_repeat_with_the_id() {
        let id = model::Id::of(&[b"x"]);
        assert_eq!(back_off(1, id), back_off(1, id));
        assert!(back_off(1, id) >= limits::RETRY_FIRST);
        assert!(back_off(30, id).0 <= limits::RETRY_LONGEST.0 * 5 / 4);
    }
}
