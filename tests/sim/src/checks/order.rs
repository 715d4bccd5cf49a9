//! Order: effects for one target arrive for the first time in the order in which they were decided.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let mut last = BTreeMap::new();
    for delivered in &evidence.delivered {
        let outgoing = &delivered.outgoing;
        if !known.insert((outgoing.effect, &outgoing.sink)) {
            continue;
        }
        let Some((decided, _)) = evidence.decision_on(outgoing.effect) else { continue };
        let place = (decided.sequence, decided.index);
        // Partitions have no order among each other.
        let before = last.insert((&outgoing.sink, &outgoing.target, decided.partition), place);
        if before.is_some_and(|before| before > place) {
            found.push(format!("{} to {} arrived behind a later one", outgoing.effect, outgoing.target));
        }
    }
    found
}
