//! Why an effect: the chain from what a device reported to what the sink and the device made of it.

use anyhow::Result;
use engine::trace::{Ended, Step};
use model::event::Outcome;
use model::input::{Body, Settled};
use model::{Decision, Id, Instant, Verdict, limits};
use serde_json::json;

use super::chain::{Chain, read};
use super::node::{Node, Report};
use super::past::{Past, Place, common};
use super::{Unanswerable, words};

/// A decided effect, and what led to it.
pub(super) struct Found {
    pub(super) id: Id,
    pub(super) place: Place,
    pub(super) decision: Decision,
    pub(super) chain: Chain,
}

/// The chain of one effect, given by its id or the beginning of it.
///
/// # Errors
/// When there is no such effect, or the store cannot be read.
pub(crate) fn effect(past: &Past, given: &str) -> Result<Report> {
    let Found { id, place, decision, chain } = find(past, given)?;
    let mut notes = Vec::new();
    let begin = match chain.cause {
        Some(cause) => past.back(cause, |row| row.observed)?.map_or(cause, |row| (cause.0, row.sequence)),
        None => place,
    };
    let mut step = None;
    let mut ended = None;
    let decided = past.reader().journal_row(place.0, place.1)?.map_or(decision.at, |row| row.at);
    match trace(past, begin, &decision, (id, place), decided + limits::WHY_FOLLOWED) {
        Ok(traced) => (step, ended) = traced,
        Err(error) => notes.push(format!("what the step read and wrote cannot be told: {error:#}")),
    }
    let mut facts = chain.nodes;
    if decision.cause.kind.as_ref() == "manual" {
        facts.push(words::decided(&decision));
    } else {
        let mut node = words::step(&decision, step.as_ref());
        node.below.push(words::decided(&decision));
        facts.push(node);
    }
    let settled = settled(past, place, id, ended.as_ref())?;
    facts.extend(settled.iter().map(|(at, settled)| sent(*at, settled)));
    let waiting = past.reader().outbox_of(id)?.into_iter();
    facts.extend(waiting.map(|row| {
        let (sink, attempts, due) = (row.row.outgoing.sink, row.row.attempts, row.row.due);
        Node::new("waiting", format!("waits for {sink}: {attempts} attempts, the next from {due} on"))
            .fact("sink", &*sink)
            .fact("attempts", attempts)
    }));
    if let Some(ended) = &ended {
        facts.push(end(past, place.0, ended)?);
    }
    let status = status(&decision, &settled, ended.as_ref());
    Ok(Report { about: format!("effect {id}: {}: {status}", words::effect(&decision)), facts, notes })
}

/// The effect whose id begins so.
pub(super) fn find(past: &Past, given: &str) -> Result<Found> {
    let id = resolve(past, given)?;
    let row = past.reader().decisions_on(id)?.into_iter().next();
    let row = row.ok_or_else(|| Unanswerable::UnknownEffect { given: given.to_owned(), nearest: None })?;
    let (place, decision) = ((row.partition, row.row.sequence), read(&row)?);
    let chain = past.chain(place, &decision)?;
    Ok(Found { id, place, decision, chain })
}

fn resolve(past: &Past, given: &str) -> Result<Id> {
    let given = given.to_ascii_lowercase();
    let digits = given.bytes().all(|byte| byte.is_ascii_hexdigit());
    if given.is_empty() || given.len() > 32 || !digits {
        return Err(Unanswerable::NotAnId(given).into());
    }
    let range = |prefix: &str| -> Result<(Id, Id)> {
        Ok((format!("{prefix:0<32}").parse()?, format!("{prefix:f<32}").parse()?))
    };
    let found = past.reader().effects_between(range(&given)?, limits::WHY_NAMED)?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            for length in (1..given.len()).rev() {
                let near = past.reader().effects_between(range(&given[..length])?, limits::WHY_NAMED)?;
                let near = near.iter().map(ToString::to_string).max_by_key(|id| common(id, &given));
                if near.is_some() {
                    return Err(Unanswerable::UnknownEffect { given, nearest: near }.into());
                }
            }
            Err(Unanswerable::UnknownEffect { given, nearest: None }.into())
        }
        several => {
            let among = several.iter().map(ToString::to_string).collect();
            Err(Unanswerable::Ambiguous { given, among }.into())
        }
    }
}

/// The step as it runs again, and the end of the effect.
fn trace(
    past: &Past,
    begin: Place,
    decision: &Decision,
    (id, place): (Id, Place),
    until: Instant,
) -> Result<(Option<Step>, Option<Ended>)> {
    let is_step = |step: &&Step| step.deployment == decision.deployment && step.event.id == decision.cause.event;
    let is_end = |ended: &&Ended| ended.effect == id;
    let together = begin.0 == place.0;
    let refused = decision.verdict != Verdict::Allowed;
    let mut replayer = past.replay(begin, &mut |_, at, traced| {
        let stepped = traced.steps.iter().any(|step| is_step(&step));
        let over = !together || refused || traced.ended.iter().any(|ended| is_end(&ended));
        at > until || stepped && over
    })?;
    let traced = replayer.traced();
    let step = traced.steps.iter().rfind(is_step).cloned();
    let mut ended = traced.ended.iter().find(is_end).cloned();
    if !together && !refused {
        let mut replayer =
            past.replay(place, &mut |_, at, traced| at > until || traced.ended.iter().any(|ended| is_end(&ended)))?;
        ended = replayer.traced().ended.iter().find(is_end).cloned();
    }
    Ok((step, ended))
}

/// What sinks answered, as the journal has it.
fn settled(past: &Past, place: Place, id: Id, ended: Option<&Ended>) -> Result<Vec<(Instant, Settled)>> {
    let mut found = Vec::new();
    let last = ended.map_or(place.1 + limits::WHY_SETTLED, |ended| ended.sequence);
    let mut next = place.1;
    loop {
        let page = past.reader().journal(place.0, next, 500)?;
        let Some(end) = page.last().map(|row| row.sequence) else { return Ok(found) };
        for row in page.iter().filter(|row| row.sequence <= last && &*row.kind == "settled") {
            if let Some(Body::Settled(settled)) = Past::input(place.0, row).map(|input| input.body)
                && settled.effect == id
            {
                found.push((row.at, settled));
            }
        }
        if end >= last {
            return Ok(found);
        }
        next = end + 1;
    }
}

fn sent(at: Instant, settled: &Settled) -> Node {
    let reason = settled.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let (sink, attempt, word) = (&settled.sink, settled.attempt, settled.outcome.word());
    let node = Node::new("sent", format!("{sink}, attempt {attempt}: {word}{reason}")).at(at);
    node.fact("sink", &**sink).fact("attempt", attempt).fact("outcome", word).fact("reason", json!(settled.reason))
}

fn end(past: &Past, partition: u16, ended: &Ended) -> Result<Node> {
    let reason = ended.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let times = if ended.attempt > 1 { format!(" after {} times", ended.attempt) } else { String::new() };
    let word = ended.outcome.word();
    let mut node = Node::new("ended", format!("{word}{reason}{times}")).at(ended.at).fact("outcome", word);
    if ended.outcome == Outcome::Confirmed
        && let Some(row) = past.reader().journal_row(partition, ended.sequence)?
        && let Some(input) = Past::input(partition, &row)
        && matches!(input.body, Body::Observation { .. })
    {
        node.below.push(words::input(&input, row.key.as_deref(), row.sequence, row.at));
    }
    Ok(node)
}

/// How far it came on its way.
fn status(decision: &Decision, settled: &[(Instant, Settled)], ended: Option<&Ended>) -> String {
    match (decision.verdict, ended, settled.last()) {
        (Verdict::Allowed, Some(ended), _) => ended.outcome.word().to_owned(),
        (Verdict::Allowed, None, Some((_, settled))) => settled.outcome.word().to_owned(),
        (Verdict::Allowed, None, None) => "committed".to_owned(),
        (verdict, ..) => verdict.word().to_owned(),
    }
}
