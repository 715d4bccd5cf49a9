//! The oracle: rule state equals that of the run without faults, and a fresh engine that is fed the journal alone comes
//! to the same rows as the host that ended so often.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Engine, Persistence};
use model::input::{Body, HostEvent};
use model::{Input, Instant};
use store::Table;

use crate::evidence::{Evidence, Rows};
use crate::rules;
use crate::world::World;

/// Rules whose state does not depend on when something came.
const TIMELESS: [&str; 2] = ["count", "flaky"];
/// What follows from the journal alone. Not among them: rows that count what left no record.
const DERIVED: [Table; 7] =
    [Table::Twin, Table::Trigger, Table::State, Table::Timer, Table::Pending, Table::History, Table::Flight];

pub(super) fn check(evidence: &Evidence, calm: &Evidence) -> Vec<String> {
    let mut found = Vec::new();
    if evidence.quiet_after.is_some() {
        for name in TIMELESS {
            differences(&format!("state of `{name}`"), &state_of(evidence, name), &state_of(calm, name), &mut found);
        }
    }
    let again = replay(evidence);
    for table in DERIVED {
        for partition in 0..evidence.plan.partitions {
            let (empty, place) = (Rows::new(), (partition, table));
            let own = evidence.state.get(&place).unwrap_or(&empty);
            let fed = again.get(&place).unwrap_or(&empty);
            differences(&format!("{table:?} of partition {partition}"), own, fed, &mut found);
        }
    }
    found
}

/// A deployment's state in all partitions.
fn state_of(evidence: &Evidence, deployment: &str) -> Rows {
    let rows = evidence.state.iter().filter(|((_, table), _)| *table == Table::State).flat_map(|(_, rows)| rows);
    let own = |key: &[u8]| key.split(|byte| *byte == 0).next() == Some(deployment.as_bytes());
    rows.filter(|(key, _)| own(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn differences(what: &str, own: &Rows, other: &Rows, found: &mut Vec<String>) {
    let keys: BTreeSet<_> = own.keys().chain(other.keys()).collect();
    for key in keys.into_iter().filter(|key| own.get(*key) != other.get(*key)) {
        let side = match (own.get(key), other.get(key)) {
            (None, _) => "is missing",
            (_, None) => "should not be there",
            _ => "is another",
        };
        found.push(format!("{what}: row `{}` {side}", readable(key)));
    }
}

/// A key's texts, or its bytes in hexadecimal digits.
fn readable(key: &[u8]) -> String {
    std::str::from_utf8(key).map_or_else(|_| hex::encode(key), |text| text.replace('\0', " "))
}

/// What an engine without any past makes of the journal.
fn replay(evidence: &Evidence) -> BTreeMap<(u16, Table), Rows> {
    let setup = rules::setup(&evidence.plan, &World::of(&evidence.plan));
    let mut engine = Engine::new(setup, Persistence::Store).expect("a valid setup");
    let mut rows: BTreeMap<(u16, Table), Rows> = BTreeMap::new();
    let records: BTreeSet<Instant> = evidence.journal.iter().map(|record| record.at).collect();
    for (at, input) in inputs(evidence) {
        if let Body::Host(HostEvent::Started { alive, .. }) = &input.body {
            // A start fires nothing of before it: what the clock had brought by then stands in front of it.
            records.range(..at).next_back().into_iter().chain(alive).for_each(|before| engine.advance(*before));
        }
        engine.take(input, at);
    }
    // What the clock brought after the last input.
    engine.advance(evidence.clock());
    for commit in engine.finish().commits {
        for change in commit.changes {
            let table = rows.entry((commit.partition, change.table)).or_default();
            match change.value {
                Some(value) => table.insert(change.key, value),
                None => table.remove(&change.key),
            };
        }
    }
    rows
}

/// The observed inputs in the order in which they were taken, each once: the clock gives no instant twice.
fn inputs(evidence: &Evidence) -> BTreeMap<Instant, &Input> {
    let observed = evidence.journal.iter().filter_map(|record| Some((record.at, record.input.as_ref()?)));
    observed.filter(|(_, input)| !matches!(input.body, Body::Transfer(_))).collect()
}
