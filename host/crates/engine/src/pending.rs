//! Pending steps: events that wait because one before them failed for a passing reason, or because their key or their
//! deployment is held. They wait in the order in which they came.

use std::collections::BTreeMap;

use model::{Event, Instant, Name};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// A step that could not run yet, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PendingRow {
    pub event: Event,
    pub depth: u8,
    /// Tries so far.
    pub attempt: u32,
    pub due: Instant,
    /// The condition in words, for a rule that says nothing itself.
    #[serde(default)]
    pub because: Option<Name>,
}

#[derive(Debug, Default)]
pub(crate) struct Pending {
    queues: BTreeMap<(Name, Name), BTreeMap<u64, PendingRow>>,
    /// Steps that wait, by deployment.
    counts: FxHashMap<Name, usize>,
    last: u64,
}

/// Numbers of waiting steps follow the journal's, with room for several of one record.
const NUMBERS_PER_RECORD: u64 = 1_024;

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    pub(crate) fn waits(&self, deployment: &Name, key: &Name) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&(deployment.clone(), key.clone()))
    }

    /// How many steps of a key wait.
    pub(crate) fn of_key(&self, deployment: &Name, key: &Name) -> usize {
        self.queues.get(&(deployment.clone(), key.clone())).map_or(0, BTreeMap::len)
    }

    /// How many steps of a deployment wait.
    pub(crate) fn of(&self, deployment: &Name) -> usize {
        self.counts.get(deployment).copied().unwrap_or_default()
    }

    /// A number behind all that were given before.
    pub(crate) fn number(&self, sequence: u64) -> u64 {
        (self.last + 1).max(sequence * NUMBERS_PER_RECORD)
    }

    /// Puts a step into its place; one that was tried keeps the number that it had.
    pub(crate) fn insert(&mut self, deployment: &Name, key: &Name, number: u64, row: PendingRow) {
        self.last = self.last.max(number);
        let queue = self.queues.entry((deployment.clone(), key.clone())).or_default();
        if queue.insert(number, row).is_none() {
            *self.counts.entry(deployment.clone()).or_default() += 1;
        }
    }

    pub(crate) fn pop(&mut self, deployment: &Name, key: &Name) -> Option<(u64, PendingRow)> {
        let place = (deployment.clone(), key.clone());
        let queue = self.queues.get_mut(&place)?;
        let first = queue.pop_first();
        if queue.is_empty() {
            self.queues.remove(&place);
        }
        if let Some(count) = self.counts.get_mut(deployment) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(deployment);
            }
        }
        first
    }

    pub(crate) fn front(&self, deployment: &Name, key: &Name) -> Option<(u64, &PendingRow)> {
        let queue = self.queues.get(&(deployment.clone(), key.clone()))?;
        queue.first_key_value().map(|(number, row)| (*number, row))
    }

    /// The key of the deployment's step that waits longest.
    pub(crate) fn first_of(&self, deployment: &Name) -> Option<Name> {
        let fronts = self.fronts_of(deployment).filter_map(|(key, queue)| Some((*queue.first_key_value()?.0, key)));
        fronts.min_by_key(|(number, _)| *number).map(|(_, key)| key.clone())
    }

    /// Keys of a deployment that have a step waiting.
    pub(crate) fn keys_of(&self, deployment: &Name) -> Vec<Name> {
        self.fronts_of(deployment).map(|(key, _)| key.clone()).collect()
    }

    fn fronts_of(&self, deployment: &Name) -> impl Iterator<Item = (&Name, &BTreeMap<u64, PendingRow>)> {
        let from = (deployment.clone(), Name::from(""));
        let own = self.queues.range(from..).take_while(move |((name, _), _)| *name == *deployment);
        own.map(|((_, key), queue)| (key, queue))
    }

    /// Every (deployment, key) that has a step waiting.
    pub(crate) fn places(&self) -> Vec<(Name, Name)> {
        self.queues.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use model::event::{Cause, Custom};

    use super::*;

    fn row(id: &str) -> PendingRow {
        let event = Event {
            id: id.into(),
            trigger: "".into(),
            key: "k".into(),
            occurred_at: Instant(0),
            received_at: Instant(0),
            cause: Cause::Custom(Custom { name: "x".into(), attributes: Vec::new() }),
            attributes: Vec::new(),
        };
        PendingRow { event, depth: 0, attempt: 0, due: Instant(0), because: None }
    }

    /// One record can wake a rule several times; each of them must have a row of its own.
    #[test]
    fn steps_of_one_record_have_numbers_of_their_own_and_a_tried_one_goes_back_to_the_front() {
        let (deployment, key) = (Name::from("d"), Name::from("k"));
        let mut pending = Pending::default();
        for id in ["a", "b", "c"] {
            let number = pending.number(7);
            pending.insert(&deployment, &key, number, row(id));
        }
        assert_eq!((pending.of_key(&deployment, &key), pending.of(&deployment)), (3, 3));
        let (number, first) = pending.pop(&deployment, &key).expect("the first");
        assert_eq!(&*first.event.id, "a");
        pending.insert(&deployment, &key, number, first);
        assert_eq!(&*pending.front(&deployment, &key).expect("a front").1.event.id, "a");
        assert!(pending.number(7) > number + 2);
    }

    #[test]
    fn the_step_that_waits_longest_is_found_over_all_keys() {
        let deployment = Name::from("d");
        let mut pending = Pending::default();
        for (key, number) in [("b", 3), ("a", 5), ("c", 4)] {
            pending.insert(&deployment, &key.into(), number, row(key));
        }
        pending.insert(&"e".into(), &"z".into(), 1, row("z"));
        assert_eq!(pending.first_of(&deployment).as_deref(), Some("b"));
        assert_eq!(pending.keys_of(&deployment).len(), 3);
        assert_eq!(pending.of(&deployment), 3);
    }
}
