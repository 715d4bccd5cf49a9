//! What may be done once at most is done once at most, whatever fails and however often the host ends.

use std::collections::BTreeMap;

use model::Id;
use model::outgoing::OutgoingBody;

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let mut counts: BTreeMap<Id, u32> = BTreeMap::new();
    for delivered in &evidence.delivered {
        if matches!(delivered.outgoing.body, OutgoingBody::Command { momentary: true, .. }) {
            *counts.entry(delivered.outgoing.effect).or_default() += 1;
        }
    }
    let more = counts.into_iter().filter(|(_, count)| *count > 1);
    more.map(|(effect, count)| format!("momentary effect {effect} arrived {count} times")).collect()
}
