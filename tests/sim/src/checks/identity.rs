//! One id per effect over all retries and all lives: the same answer never arrives under two ids, and one id never
//! stands for two things.

use std::collections::BTreeMap;

use model::outgoing::{Outgoing, OutgoingBody};
use model::{Id, Name};

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    let mut contents: BTreeMap<(Id, &Name), &Outgoing> = BTreeMap::new();
    let mut answers: BTreeMap<(&Name, &[u8]), Id> = BTreeMap::new();
    for delivered in &evidence.delivered {
        let outgoing = &delivered.outgoing;
        let first = contents.entry((outgoing.effect, &outgoing.sink)).or_insert(outgoing);
        if (&first.target, &first.body) != (&outgoing.target, &outgoing.body) {
            found.push(format!(
                "effect {} stands for two things: {:?} and {:?}",
                outgoing.effect, first.body, outgoing.body
            ));
        }
        let OutgoingBody::Publish { topic, payload, .. } = &outgoing.body else { continue };
        let id = answers.entry((topic, payload)).or_insert(outgoing.effect);
        if *id != outgoing.effect {
            let payload = String::from_utf8_lossy(payload);
            found.push(format!("{topic} {payload} arrived as {id} and as {}", outgoing.effect));
        }
    }
    found
}
