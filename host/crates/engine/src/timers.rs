//! What comes due by itself: rule timers, trigger deadlines, schedules, retries and confirmations, in one order.

use std::collections::BTreeMap;

use model::effect::Overdue;
use model::{Attributes, Id, Instant, Name, Value};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Orders what is due at one instant: by key, deployment and name, never by when it was armed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) due: Instant,
    key: Name,
    deployment: Name,
    name: Name,
    /// Tells apart what has the same names: the slot's number, whose order follows from names.
    slot: u32,
}

/// What is due.
#[derive(Debug, Clone)]
pub(crate) enum Armed {
    /// A rule's own timer: (deployment, key, name).
    Rule(TimerKey),
    /// A trigger's deadline or schedule.
    Slot(u32),
    /// The first pending step of (deployment, key).
    Retry(Name, Name),
    /// An effect that nobody confirmed.
    Confirm(Id),
}

pub(crate) type TimerKey = (Name, Name, Name);

/// A rule's timer, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimerRow {
    pub due: Instant,
    /// The id of the effect that set it: the timer's event has the same.
    pub id: Id,
    pub overdue: Overdue,
    pub payload: Option<Value>,
    pub attributes: Attributes,
    /// Causal depth of its event.
    pub depth: u8,
    /// By the partition's clock.
    #[serde(default)]
    pub set_at: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<Place, Armed>,
    rules: FxHashMap<TimerKey, TimerRow>,
}

impl Timers {
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(place, _)| place.due)
    }

    pub(crate) fn first(&self) -> Option<&Place> {
        self.due.first_key_value().map(|(place, _)| place)
    }

    /// Takes the first that is due at or before `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, Armed)> {
        let first = self.due.first_entry().filter(|entry| entry.key().due <= now)?;
        let (place, armed) = first.remove_entry();
        Some((place.due, armed))
    }

    pub(crate) fn set_rule(&mut self, key: TimerKey, row: TimerRow) {
        self.remove_rule(&key);
        self.due.insert(place_of(&key, row.due), Armed::Rule(key.clone()));
        self.rules.insert(key, row);
    }

    pub(crate) fn remove_rule(&mut self, key: &TimerKey) -> Option<TimerRow> {
        let row = self.rules.remove(key)?;
        self.due.remove(&place_of(key, row.due));
        Some(row)
    }

    /// The timers that rules have set since `from`, in order of their names.
    pub(crate) fn set_since(&self, from: Instant) -> Vec<(TimerKey, TimerRow)> {
        let rows = self.rules.iter().filter(|(_, row)| row.set_at >= from);
        let mut rows: Vec<_> = rows.map(|(key, row)| (key.clone(), row.clone())).collect();
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        rows
    }

    /// The row of a timer that [`Timers::pop`] gave.
    pub(crate) fn take_rule(&mut self, key: &TimerKey) -> Option<TimerRow> {
        self.rules.remove(key)
    }

    pub(crate) fn arm_slot(&mut self, due: Instant, key: &Name, deployment: &Name, trigger: &Name, slot: u32) {
        let place = Place { due, key: key.clone(), deployment: deployment.clone(), name: trigger.clone(), slot };
        self.due.insert(place, Armed::Slot(slot));
    }

    pub(crate) fn disarm_slot(&mut self, due: Instant, key: &Name, deployment: &Name, trigger: &Name, slot: u32) {
        let place = Place { due, key: key.clone(), deployment: deployment.clone(), name: trigger.clone(), slot };
        self.due.remove(&place);
    }

    pub(crate) fn arm_retry(&mut self, due: Instant, deployment: &Name, key: &Name) {
        let place =
            Place { due, key: key.clone(), deployment: deployment.clone(), name: Name::from(""), slot: u32::MAX };
        self.due.insert(place, Armed::Retry(deployment.clone(), key.clone()));
    }

    pub(crate) fn arm_confirm(&mut self, due: Instant, deployment: &Name, key: &Name, effect: Id) {
        let name = Name::from(effect.to_string());
        let place = Place { due, key: key.clone(), deployment: deployment.clone(), name, slot: u32::MAX };
        self.due.insert(place, Armed::Confirm(effect));
    }

    /// Forgets everything that follows from slots, for a new plan.
    pub(crate) fn clear_slots(&mut self) {
        self.due.retain(|_, armed| !matches!(armed, Armed::Slot(_)));
    }

    /// The keys of rules' timers, in no particular order.
    pub(crate) fn rule_keys(&self) -> impl Iterator<Item = &TimerKey> {
        self.rules.keys()
    }

    /// How many timers rules have set.
    pub(crate) fn rule_count(&self) -> usize {
        self.rules.len()
    }
}

fn place_of(key: &TimerKey, due: Instant) -> Place {
    let (deployment, key, name) = key;
    Place { due, key: key.clone(), deployment: deployment.clone(), name: name.clone(), slot: u32::MAX }
}
