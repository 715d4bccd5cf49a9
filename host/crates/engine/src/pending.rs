//! Pending steps: events that wait for their turn because one before them failed for a passing reason. They hold back
//! their own (deployment, key) and nobody else.

use std::collections::{BTreeMap, VecDeque};

use model::{Event, Name};
use serde::{Deserialize, Serialize};

/// A step that could not run yet, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PendingRow {
    pub event: Event,
    pub depth: u8,
    /// Tries so far.
    pub attempt: u32,
    pub due: model::Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Pending {
    queues: BTreeMap<(Name, Name), VecDeque<(u64, PendingRow)>>,
}

impl Pending {
    pub(crate) fn waits(&self, deployment: &Name, key: &Name) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&(deployment.clone(), key.clone()))
    }

    pub(crate) fn push(&mut self, deployment: &Name, key: &Name, number: u64, row: PendingRow) {
        self.queues.entry((deployment.clone(), key.clone())).or_default().push_back((number, row));
    }

    pub(crate) fn push_front(&mut self, deployment: &Name, key: &Name, number: u64, row: PendingRow) {
        self.queues.entry((deployment.clone(), key.clone())).or_default().push_front((number, row));
    }

    pub(crate) fn pop(&mut self, deployment: &Name, key: &Name) -> Option<(u64, PendingRow)> {
        let place = (deployment.clone(), key.clone());
        let queue = self.queues.get_mut(&place)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&place);
        }
        first
    }

    /// The first of each queue, with when it is due.
    pub(crate) fn fronts(&self) -> impl Iterator<Item = (&(Name, Name), &PendingRow)> {
        self.queues.iter().filter_map(|(place, queue)| Some((place, &queue.front()?.1)))
    }

    /// Puts rows that were read in any order into the order of their numbers.
    pub(crate) fn sort(&mut self) {
        for queue in self.queues.values_mut() {
            queue.make_contiguous().sort_by_key(|(number, _)| *number);
        }
    }
}
