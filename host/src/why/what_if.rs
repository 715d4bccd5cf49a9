//! What if: the same input with another value, from the same state, and the decisions that would have been others.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use engine::digest;
use model::event::Quality;
use model::input::Body;
use model::unit::Quantity;
use model::{Capability, Decision, Input, Instant, Name, Value};
use serde_json::{Map, Value as Json};

use super::effect::find;
use super::node::{Node, Report};
use super::past::Past;
use super::{Unanswerable, words};
use crate::journal::Merged;

/// One capability with another value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    capability: Capability,
    value: Value,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected CAPABILITY = VALUE")?;
        let (name, value) = (name.trim(), value.trim());
        let capability = Capability::named(name).map_err(|error| error.to_string())?;
        let value = match (value.parse::<Quantity>(), capability.unit()) {
            (Ok(Quantity { number, unit: Some(unit) }), Some(canonical)) => {
                Value::Number(unit.convert(number, canonical).map_err(|error| error.to_string())?)
            }
            (Ok(Quantity { number, .. }), _) => Value::Number(number),
            // What is no JSON is a text: nobody quotes on a command line.
            (Err(_), _) => {
                let json = serde_json::from_str(value).unwrap_or_else(|_| Json::String(value.to_owned()));
                model::value::plain::from_json(&json).ok_or("null is no value")?
            }
        };
        Ok(Self { capability, value })
    }
}

/// Runs the report that led to an effect, or a device's last one, again with changes, in every partition; nothing of it
/// reaches a sink.
///
/// # Errors
/// When there is no such report, or what the replay needs is not kept.
pub(crate) fn what_if(past: &Past, asked: &Asked<'_>, changes: &[Change]) -> Result<Report> {
    let (root, until) = match asked {
        Asked::Effect(given) => {
            let found = find(past, given)?;
            let decided = past.reader().journal_row(found.place.0, found.place.1)?;
            let decided = decided.map_or(found.decision.at, |row| row.at);
            (found.chain.root.ok_or(Unanswerable::NoReport)?, decided)
        }
        Asked::Device(id, at) => {
            let device = past.device(id)?;
            let partition =
                *past.partitions(device)?.first().ok_or_else(|| Unanswerable::NeverReported((*id).to_owned()))?;
            let until = at.unwrap_or(Instant::MAX);
            let last = past.last_at(partition, until)?;
            let own = |row: &store::JournalEntry| row.key.as_ref() == Some(&device.id) && &*row.kind == "observation";
            let found = past.back((partition, last), own)?;
            let found = found.ok_or_else(|| Unanswerable::NeverReported((*id).to_owned()))?;
            ((partition, found.sequence), until)
        }
    };
    let row = past.reader().journal_row(root.0, root.1)?.context("the report is not in the journal any more")?;
    let input = Past::input(root.0, &row).context("the content of the report was deleted")?;
    past.knows(row.key.as_deref().unwrap_or_default(), &input, changes)?;
    let changed = apply(&input, changes);
    let Branched { kept, made, end } = branch(past, (row.at, until), (&input, &changed))?;
    let mut facts = vec![
        words::input(&input, row.key.as_deref(), row.sequence, row.at),
        words::input(&changed, row.key.as_deref(), row.sequence, row.at),
    ];
    facts[1].words = format!("changed: {}", facts[1].words);
    facts.extend(difference(&kept, &made));
    let count = facts.len() - 2;
    let about = format!("what if, from record {} to {end}: {count} decisions would be others", root.1);
    let notes = vec!["how devices would have answered is not known: later reports are those that came".to_owned()];
    Ok(Report { about, facts, notes })
}

/// What is to be run again.
pub(crate) enum Asked<'a> {
    Effect(&'a str),
    Device(&'a str, Option<Instant>),
}

impl Past {
    /// Whether a device reports what is to be changed: a misspelt name would change nothing.
    fn knows(&self, device: &str, input: &Input, changes: &[Change]) -> Result<(), Unanswerable> {
        let mut known: Vec<Capability> = Vec::new();
        if let Body::Observation { readings, .. } = &input.body {
            known.extend(readings.iter().map(|reading| reading.capability));
        }
        let declared = self.devices.iter().find(|found| &*found.id == device).and_then(|found| found.source.as_ref());
        known.extend(declared.into_iter().flat_map(|source| &source.readings).map(|map| map.capability));
        match changes.iter().find(|change| !known.contains(&change.capability)) {
            None => Ok(()),
            Some(change) => {
                let given = change.capability.name();
                Err(Unanswerable::UnknownCapability {
                    device: device.to_owned(),
                    given: given.to_owned(),
                    nearest: config::nearest(given, known.iter().map(|capability| capability.name())),
                })
            }
        }
    }
}

fn unit(change: &Change) -> Option<Name> {
    change.capability.unit().map(|unit| Name::from(unit.code()))
}

fn apply(input: &Input, changes: &[Change]) -> Input {
    let mut changed = input.clone();
    if let Body::Observation { readings, .. } = &mut changed.body {
        for change in changes {
            match readings.iter_mut().find(|reading| reading.capability == change.capability) {
                Some(reading) => {
                    reading.value = change.value.clone();
                    reading.unit = unit(change);
                    // What could not be read live is known now.
                    reading.quality = Quality::Good;
                }
                None => readings.push(model::event::Reading {
                    capability: change.capability,
                    value: change.value.clone(),
                    unit: unit(change),
                    previous: None,
                    quality: Quality::Good,
                    attributes: Vec::new(),
                }),
            }
        }
    }
    changed
}

/// What all partitions decided, and what they would have.
struct Branched {
    kept: Vec<Decision>,
    made: Vec<Decision>,
    /// The last instant that was run.
    end: Instant,
}

/// Runs all partitions together from one instant to another, with one input in the place of another.
fn branch(past: &Past, (from, until): (Instant, Instant), (input, changed): (&Input, &Input)) -> Result<Branched> {
    let mut places = Vec::new();
    let mut kept = Vec::new();
    let mut end = from;
    for partition in 0..past.reader().partitions() {
        let (first, last) = (past.last_at(partition, Instant(from.0 - 1))? + 1, past.last_at(partition, until)?);
        places.push((partition, first));
        if first <= last {
            end = past.reader().journal_row(partition, last)?.map_or(end, |row| end.max(row.at));
            let rows = past.reader().decisions_within(partition, (first, last))?;
            for row in &rows {
                kept.push(engine::rows::decode::<Decision>("decisions", &row.payload)?);
            }
        }
    }
    let replayer = past.stored.before(past.archive()?, &places)?;
    let mut departed = replayer.depart().context("the journal begins with this report")?;
    let mut stream = Merged::new(past.reader(), &places);
    while let Some(found) = stream.next()?.filter(|found| found.at <= end) {
        if found.begins {
            departed.end_turn();
        }
        let is_it = found.at == from && (&found.input.source, &found.input.id) == (&input.source, &input.id);
        departed.feed(if is_it { changed } else { &found.input }, found.at)?;
    }
    let mut made = departed.finish(end);
    kept.sort_by_key(|decision| decision.at);
    made.sort_by_key(|decision| decision.at);
    Ok(Branched { kept, made, end })
}

type Key = (Name, Name, Name, u32, Option<Name>);

/// What would be added, removed and changed, in the order of the decisions.
fn difference(kept: &[Decision], made: &[Decision]) -> Vec<Node> {
    let key = |decision: &Decision| -> Key {
        let member = decision.effect.as_ref().and_then(|record| record.member.clone());
        (decision.deployment.clone(), decision.key.clone(), decision.cause.event.clone(), decision.index, member)
    };
    let notable = |decision: &&Decision| decision.is_notable();
    let before: BTreeMap<Key, &Decision> = kept.iter().filter(notable).map(|one| (key(one), one)).collect();
    let after: BTreeMap<Key, &Decision> = made.iter().filter(notable).map(|one| (key(one), one)).collect();
    let told = |kind: &'static str, sign: &str, decision: &Decision| {
        let mut node = words::decided(decision);
        node.kind = kind;
        node.words = format!("{sign} {} {}: {}", decision.deployment, decision.key, node.words);
        node.at(decision.at)
    };
    let line = |decision: &Decision| -> Map<String, Json> { digest::line(decision) };
    let mut nodes = Vec::new();
    for decision in kept.iter().filter(notable) {
        match after.get(&key(decision)) {
            None => nodes.push(told("removed", "-", decision)),
            Some(other) if line(other) != line(decision) => {
                nodes.push(told("changed-from", "-", decision));
                nodes.push(told("changed-to", "~", other));
            }
            Some(_) => {}
        }
    }
    nodes.extend(
        made.iter().filter(notable).filter(|one| !before.contains_key(&key(one))).map(|one| told("added", "+", one)),
    );
    nodes
}

#[cfg(test)]
mod tests {
    use model::DeviceNo;
    use model::event::{Freshness, Reading};

    use super::*;

    #[test]
    fn what_could_not_be_read_is_good_once_it_is_given() {
        let temperature = Capability::named("temperature").expect("a capability");
        let bad = Reading {
            capability: temperature,
            value: Value::nothing(),
            unit: None,
            previous: Some(Value::Number(4.0)),
            quality: Quality::Bad,
            attributes: Vec::new(),
        };
        let body = Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![bad.clone()] };
        let input = Input {
            id: "line:1".into(),
            source: "test".into(),
            own_id: false,
            redelivery: None,
            occurred_at: None,
            body,
            attributes: Vec::new(),
        };
        let changed = apply(&input, &["temperature = 9 Cel".parse().expect("a change")]);
        let Body::Observation { readings, .. } = changed.body else { panic!("still a report") };
        let good = Reading { value: Value::Number(9.0), unit: Some("Cel".into()), quality: Quality::Good, ..bad };
        assert_eq!(readings, [good]);
    }

    #[test]
    fn a_change_is_a_quantity_or_a_value() {
        let change: Change = "temperature = 48.2 [degF]".parse().expect("a quantity");
        assert_eq!(change.value, Value::Number(9.0));
        let change: Change = "contact = true".parse().expect("a value");
        assert_eq!(change.value, Value::Boolean(true));
        assert!("temperature".parse::<Change>().is_err());
        assert!("temperature = 9 W".parse::<Change>().is_err());
    }
}
