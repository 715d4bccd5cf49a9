//! Conditions are told in turn, began and ended, and a hold that began was true all along: no reading of its time says
//! otherwise.

use std::collections::BTreeMap;

use model::input::Body;
use model::{Instant, Name, Phase, limits};

use crate::evidence::Evidence;
use crate::told::{FOR, LEVELS, WARM};
use crate::world::{World, capability};

/// One temperature, in the order of the journal.
struct Reading {
    sequence: u64,
    at: Instant,
    warm: bool,
}

/// Triggers that are told once a run and look at nothing but this probe's temperature.
const HOLDS: [&str; 4] = ["reset", "stale", "pause", "level"];

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let readings = readings(evidence);
    let mut found = Vec::new();
    let mut phases = BTreeMap::new();
    for told in evidence.told("conditions") {
        let decision = &told.decided.decision;
        let (Some(phase), Some(device)) = (decision.cause.phase, &decision.cause.device) else { continue };
        let what = format!("`{}` of {device}", told.trigger);
        let [since, _] = told.numbers;
        let before = phases.insert((told.trigger, device), phase);
        let again = before == Some(phase) && !(phase == Phase::Began && LEVELS.contains(&&**told.trigger));
        if again || (before.is_none() && phase == Phase::Ended) {
            found.push(format!("{what} {} twice in a row, or out of nothing, at {}", phase.word(), told.at));
        }
        if phase == Phase::Began && HOLDS.contains(&&**told.trigger) {
            let (since, place) = (Instant(since), (told.decided.partition, device.clone()));
            let known = readings.get(&place).map_or(&[][..], Vec::as_slice);
            let cold = known.iter().find(|reading| {
                reading.sequence < told.decided.sequence
                    && since < reading.at
                    && reading.at < since + FOR
                    && !reading.warm
            });
            found.extend(cold.map(|cold| format!("{what} began at {}, cold at {}", since + FOR, cold.at)));
        }
    }
    found
}

/// By partition and probe: the temperatures that count for holds, which are those that came in the order of their time.
fn readings(evidence: &Evidence) -> BTreeMap<(u16, Name), Vec<Reading>> {
    let world = World::of(&evidence.plan);
    let mut all: BTreeMap<_, Vec<Reading>> = BTreeMap::new();
    for record in &evidence.journal {
        let Some(input) = &record.input else { continue };
        let Body::Observation { device, readings, .. } = &input.body else { continue };
        let Some(value) = readings.iter().find(|reading| reading.capability == capability("temperature")) else {
            continue;
        };
        let Some(device) = world.devices.get(*device) else { continue };
        // A time that is ahead of the host's counts as the host's.
        let at = input.occurred_at.filter(|at| *at <= record.at + limits::AHEAD).unwrap_or(record.at);
        let known = all.entry((record.partition, device.id.clone())).or_default();
        if known.last().is_none_or(|last| last.at <= at) {
            let warm = value.value.as_f64().is_some_and(|degrees| degrees > WARM);
            known.push(Reading { sequence: record.sequence, at, warm });
        }
    }
    all
}
