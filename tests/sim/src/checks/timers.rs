//! Each timer once, by its policy: one that fires always has fired, one that may be too late has fired in time or was
//! skipped, and none has fired twice.

use std::collections::BTreeMap;

use model::effect::Overdue;
use model::{Instant, Name, Verdict};

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let mut ticks: BTreeMap<&Name, Vec<Instant>> = BTreeMap::new();
    for decided in evidence.decisions.iter().filter(|decided| &*decided.decision.cause.kind == "timer") {
        // A step that failed for a passing reason is tried again: only its last decision counts.
        let passing = decided.decision.verdict == Verdict::Failed
            && decided.decision.reason.as_deref().is_some_and(|reason| reason == "transient");
        if !passing {
            let at = evidence.record_at(decided.partition, decided.sequence).unwrap_or(Instant::MIN);
            ticks.entry(&decided.decision.cause.event).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    let mut skipped = 0;
    for timer in evidence.timers() {
        let fired = ticks.get(&Name::from(timer.id.to_string())).map_or(&[][..], Vec::as_slice);
        let late = |at: &Instant| at.since(timer.due);
        match (fired, timer.overdue) {
            ([], Overdue::Fire) => found.push(format!("timer {} never fired", timer.id)),
            ([], _) => skipped += 1,
            ([at], Overdue::FireWithin(within)) if late(at) > within => {
                found.push(format!("timer {} fired {} late", timer.id, late(at)));
            }
            ([at], Overdue::Skip) if late(at).0 > 0 => {
                found.push(format!("timer {} fired {} late", timer.id, late(at)))
            }
            ([_], _) => {}
            (many, _) => found.push(format!("timer {} fired {} times", timer.id, many.len())),
        }
    }
    if skipped != evidence.stored_accounts().skipped_timers && evidence.quiet_after.is_some() {
        let counted = evidence.stored_accounts().skipped_timers;
        found.push(format!("{skipped} timers never fired, and {counted} were skipped"));
    }
    found
}
