//! What the host says of itself: it started after downtime, its sources have caught up, its clock was set.

use std::sync::Arc;

use model::event::Freshness;
use model::input::HostEvent;
use model::trigger::Kind;
use model::{Instant, limits};

use crate::partition::Partition;
use crate::step::Wake;
use crate::triggers::{Slot, State, Transitions};
use crate::wall::Wall;

impl Partition {
    /// The host started, caught up or stopped. `before` is the partition's clock before this.
    pub(crate) fn host_event(&mut self, event: &HostEvent, before: Instant) {
        match event {
            HostEvent::Budget { deployment, over } => self.budget(deployment, *over),
            HostEvent::Started { doubted, alive, .. } => {
                self.caught_up = false;
                self.wall = if *doubted { Wall::doubted(self.clock) } else { Wall::default() };
                self.forget_budgets();
                // A partition that was quiet before the host ended knew no more than the others: it ran.
                self.resume(alive.map_or(before, |alive| alive.max(before)));
            }
            HostEvent::CaughtUp if self.wall.doubted.is_some() => self.wall.caught_up = true,
            HostEvent::CaughtUp => self.catch_up(),
            HostEvent::ClockAccepted { from, .. } => self.accept_wall(*from),
            HostEvent::ClockStepped { ahead } => self.step_wall(*ahead),
            // Every partition hears of it; it is counted once.
            HostEvent::SessionLost { .. } => self.accounts.sessions_lost += u64::from(self.number == 0),
            HostEvent::Joined(_) | HostEvent::Switched { .. } | HostEvent::Stopped => {}
        }
    }

    /// After downtime: what was running has unknown time behind it, and what waits to hear something has waited no
    /// longer. Nothing is decided before the sources have delivered what waited.
    pub(crate) fn resume(&mut self, before: Instant) {
        let plan = Arc::clone(&self.plan);
        let now = self.clock;
        let down = now.since(before);
        // Nothing begins at an instant that is not believed.
        let doubted = self.wall.doubted.is_some();
        // By a clock that is not believed nobody knows how long it was.
        let unknown = doubted || down > limits::RESTART;
        let mut wakes = Vec::new();
        for index in 0..self.slots.len() {
            let kind = &crate::slots::trigger_in(&plan, &self.slots[index]).spec.kind;
            let world = self.lent.as_ref().expect("the world is lent only while a rule runs");
            let lag = self.slots[index].lag(&world.twins);
            let mut transitions = Transitions::new();
            let slot: &mut Slot = &mut self.slots[index];
            match (&mut slot.state, kind) {
                (State::Held(held), Kind::Held { .. }) if unknown => {
                    slot.dirty |= held.interrupt(kind, before.before(lag), &mut transitions);
                }
                // A schedule that is new missed nothing while the host was down; from now on it can.
                (State::Schedule(last), Kind::Schedule(_) | Kind::Sun(_)) if slot.fresh && !doubted => {
                    *last = now;
                    slot.dirty = true;
                }
                (State::Silence(silence), Kind::Silence { .. }) if silence.began.is_none() => {
                    silence.defer(slot.binding.device, &world.twins, down);
                    slot.dirty = true;
                }
                _ => {}
            }
            self.slots[index].owed = kind.keep();
            self.touched(index);
            self.wake_for(index, &transitions, 0, &mut wakes);
        }
        wakes.into_iter().for_each(|wake| self.run(wake));
    }

    /// The sources have delivered what waited: gaps that grew too long end their runs, and what nobody contradicted is
    /// known again.
    pub(crate) fn catch_up(&mut self) {
        self.caught_up = true;
        self.timers.clear_slots();
        let now = self.clock;
        let mut wakes = Vec::new();
        for index in 0..self.slots.len() {
            self.slots[index].armed = None;
            let to = now.before(self.slots[index].lag(&self.view().twins));
            let transitions = self.advance_slot(index, to);
            self.wake_for(index, &transitions, 0, &mut wakes);
            self.reconsider(index, to, &mut wakes);
            self.arm(index);
        }
        wakes.into_iter().for_each(|wake| self.run(wake));
    }

    /// Evaluates a hold or a level rule again where nothing was reported but what was unknown is known again. A level
    /// rule that is owed it is told what holds.
    pub(crate) fn reconsider(&mut self, index: usize, at: Instant, wakes: &mut Vec<Wake>) {
        let plan = Arc::clone(&self.plan);
        let kind = &crate::slots::trigger_in(&plan, &self.slots[index]).spec.kind;
        let owed = std::mem::take(&mut self.slots[index].owed) && kind.keep();
        if !matches!(kind, Kind::Held { .. }) && !owed {
            return;
        }
        self.slots[index].owed = owed;
        let world = self.lent.as_ref().expect("the world is lent only while a rule runs");
        // What is known is of then: where the host's clock is behind a device's, nothing began before its last report.
        let at = self.slots[index].newest(&world.twins).map_or(at, |newest| newest.max(at));
        let transitions = self.slots[index].evaluate(kind, &world.twins, at, Freshness::Live);
        self.touched(index);
        self.wake_for(index, &transitions, 0, wakes);
        if std::mem::take(&mut self.slots[index].owed) {
            let again = self.slots[index].tell_again(at);
            self.touched(index);
            self.wake_for(index, again.as_slice(), 0, wakes);
        }
    }
}
