//! Every delivered effect has a committed decision that let it pass, and was not sent before that.

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    for delivered in &evidence.delivered {
        let effect = delivered.outgoing.effect;
        match evidence.decision_on(effect) {
            None => found.push(format!("effect {effect} arrived and no decision let it pass")),
            Some((_, at)) if at > delivered.at => {
                found.push(format!("effect {effect} was sent at {} and decided at {at}", delivered.at));
            }
            Some(_) => {}
        }
    }
    found
}
