//! What was decided arrives: no sink is said to have taken what it never got, every effect that was let out reaches each
//! of its sinks unless the journal says why not, and the answers are those of the run without faults.

use std::collections::{BTreeMap, BTreeSet};

use model::event::Outcome;
use model::input::{Body, RETRYING, SENDING};
use model::outgoing::OutgoingBody;
use model::{Effect, Id, Instant, Name, Verdict};

use crate::evidence::{Decided, Evidence};

pub(super) fn check(evidence: &Evidence, calm: &Evidence) -> Vec<String> {
    let mut arrived: BTreeMap<(Id, &Name), Instant> = BTreeMap::new();
    for delivered in &evidence.delivered {
        // The earliest: a host that ended before it could note an attempt may begin anew with an earlier clock.
        let first = arrived.entry((delivered.outgoing.effect, &delivered.outgoing.sink)).or_insert(delivered.at);
        *first = delivered.at.min(*first);
    }
    let mut found = Vec::new();
    let mut given_up: BTreeSet<Id> = BTreeSet::new();
    for record in &evidence.journal {
        let Some(Body::Settled(settled)) = record.input.as_ref().map(|input| &input.body) else { continue };
        let (effect, sink) = (settled.effect, &settled.sink);
        match &settled.outcome {
            Outcome::Accepted | Outcome::Delivered | Outcome::Confirmed => match arrived.get(&(effect, sink)) {
                None => found.push(format!("{sink} is said to have taken effect {effect}, which never arrived there")),
                Some(at) if *at > record.at => found.push(format!("effect {effect} was taken before it arrived")),
                Some(_) => {}
            },
            Outcome::Other(word) if matches!(&**word, SENDING | RETRYING) => {}
            Outcome::Refused | Outcome::Failed | Outcome::Expired | Outcome::Superseded | Outcome::Other(_) => {
                given_up.insert(effect);
            }
        }
    }
    let reached: BTreeSet<Id> = arrived.keys().map(|(effect, _)| *effect).collect();
    let lost = outward(evidence).filter(|(effect, ..)| !reached.contains(effect) && !given_up.contains(effect));
    // A newer command for the same lamp takes the place of one that has not left.
    let lost = lost.filter(|(_, decided, of)| !matches!(of, Effect::Command(_)) || !is_superseded(evidence, decided));
    found.extend(lost.map(|(effect, _, of)| format!("a {} was let out and never arrived: {effect}", of.kind())));
    if evidence.quiet_after.is_none() {
        return found;
    }
    let (own, other) = (answers(evidence), answers(calm));
    let missing = other.difference(&own).map(|answer| format!("{answer} did not arrive as it does without faults"));
    let more = own.difference(&other).map(|answer| format!("{answer} arrived and does not without faults"));
    found.extend(missing.chain(more));
    found
}

/// What was let out to a sink.
fn outward(evidence: &Evidence) -> impl Iterator<Item = (Id, &Decided, &Effect)> {
    let allowed = evidence.decisions.iter().filter(|decided| decided.decision.verdict == Verdict::Allowed);
    let effects = allowed.filter_map(|decided| {
        let record = decided.decision.effect.as_ref()?;
        Some((record.id, decided, &record.effect))
    });
    effects.filter(|(.., effect)| matches!(effect, Effect::Command(_) | Effect::Publish(_) | Effect::Notification(_)))
}

/// Whether a later decision commands the same device.
fn is_superseded(evidence: &Evidence, earlier: &Decided) -> bool {
    let place = |decided: &Decided| (decided.sequence, decided.index);
    let target = |decided: &Decided| match decided.decision.effect.as_ref().map(|record| &record.effect) {
        Some(Effect::Command(command)) => Some(command.target.clone()),
        _ => None,
    };
    let later = outward(evidence).map(|(_, decided, _)| decided);
    let mut later = later.filter(|decided| decided.partition == earlier.partition && place(decided) > place(earlier));
    later.any(|decided| target(decided) == target(earlier))
}

/// The answers of the rules whose work does not depend on when something came.
fn answers(evidence: &Evidence) -> BTreeSet<String> {
    let published = evidence.delivered.iter().filter_map(|delivered| match &delivered.outgoing.body {
        OutgoingBody::Publish { topic, payload, .. } => Some((topic, payload)),
        _ => None,
    });
    let timeless = published.filter(|(topic, _)| topic.starts_with("out/") || topic.starts_with("flaky/"));
    timeless.map(|(topic, payload)| format!("{topic} {}", String::from_utf8_lossy(payload))).collect()
}
