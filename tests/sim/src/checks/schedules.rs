//! Each instant of a schedule once, by its policy: it wakes each key at its instant while the host runs; of those that
//! came while it did not, the last wakes it after the start, if the policy lets it be so late, and says how many came.

use std::collections::{BTreeMap, BTreeSet};

use model::effect::Overdue;
use model::input::{Body, HostEvent};
use model::{Instant, Span};

use crate::evidence::Evidence;
use crate::told::{EVERY, POLICIES};
use crate::world;

/// Microseconds between two instants.
const STEP: i64 = EVERY as i64 * 1_000_000;

/// A schedule that woke a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Firing {
    due: i64,
    missed: i64,
    at: Instant,
}

/// Instants that were handled together.
struct Round {
    firing: Firing,
    late: Span,
}

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let sites = world::sites(&evidence.plan);
    let mut fired: BTreeMap<(u16, &str, &str), Vec<Firing>> = BTreeMap::new();
    for told in evidence.told("schedules") {
        let [due, missed] = told.numbers;
        let place = (told.decided.partition, &**told.trigger, &*told.decided.decision.key);
        fired.entry(place).or_default().push(Firing { due, missed, at: told.at });
    }
    let homes: BTreeSet<(u16, &str)> = fired.keys().map(|(partition, _, key)| (*partition, *key)).collect();
    let mut found: Vec<_> = sites
        .iter()
        // A wall clock that was set back at once may stay behind what had come for the whole run.
        .filter(|site| evidence.plan.faults.clock_steps == 0 && !homes.iter().any(|(_, key)| key == site))
        .map(|site| format!("no schedule ever came for {site}"))
        .collect();
    let mut missed = 0;
    for partition in homes.iter().map(|(partition, _)| *partition).collect::<BTreeSet<_>>() {
        let (rounds, end) = expected(evidence, partition);
        for (trigger, overdue) in POLICIES {
            missed += rounds.iter().map(|round| round.missed(overdue)).sum::<u64>();
            for (_, site) in homes.iter().filter(|(home, _)| *home == partition) {
                let own = fired.get(&(partition, trigger, site)).map_or(&[][..], Vec::as_slice);
                let what = format!("schedule `{trigger}` of {site}");
                found.extend(chain(own, overdue).map(|wrong| format!("{what} {wrong}")));
                // What a wall clock that is stepped makes of them is not computed here.
                if evidence.plan.faults.clock_steps == 0 {
                    let wanted = rounds.iter().filter(|round| round.fires(overdue)).map(|round| round.firing);
                    found.extend(differences(own, wanted, end).map(|wrong| format!("{what} {wrong}")));
                }
            }
        }
    }
    let counted = evidence.stored_accounts().missed_schedules;
    if evidence.plan.faults.clock_steps == 0 && missed != counted {
        found.push(format!("{missed} instants of schedules were missed, and {counted} are in the account"));
    }
    found
}

impl Round {
    fn fires(&self, overdue: Overdue) -> bool {
        match overdue {
            Overdue::Fire => true,
            Overdue::FireWithin(within) => self.late <= within,
            Overdue::Skip => self.late == Span::ZERO,
        }
    }

    /// Instants that did not wake anyone.
    fn missed(&self, overdue: Overdue) -> u64 {
        u64::try_from(self.firing.missed).expect("a count") + u64::from(!self.fires(overdue))
    }
}

/// What comes in a partition, by the starts in its journal, and up to when.
fn expected(evidence: &Evidence, partition: u16) -> (Vec<Round>, Instant) {
    let records: BTreeSet<Instant> = evidence.journal.iter().map(|record| record.at).collect();
    let own = || evidence.journal.iter().filter(|record| record.partition == partition);
    let starts = own().filter_map(|record| match record.input.as_ref()?.body {
        Body::Host(HostEvent::Started { alive, .. }) => Some((record.at, alive)),
        _ => None,
    });
    let end = own().next_back().map_or(Instant::MIN, |record| record.at);
    let mut rounds = Vec::new();
    let mut last: Option<i64> = None;
    for (at, alive) in starts.chain([(end, Some(end))]) {
        // The first start begins them all.
        let Some(before) = last.replace(at.0) else { continue };
        // Until when the host before is known to have run.
        let ran = records.range(..at).next_back().copied().max(alive).unwrap_or_default();
        let dues: Vec<i64> = (before.div_euclid(STEP) + 1..=at.0.div_euclid(STEP)).map(|n| n * STEP).collect();
        let in_time = dues.iter().filter(|due| **due <= ran.0);
        rounds.extend(
            in_time.map(|due| Round { firing: Firing { due: *due, missed: 0, at: Instant(*due) }, late: Span::ZERO }),
        );
        let late: Vec<_> = dues.iter().filter(|due| **due > ran.0).collect();
        if let Some(due) = late.last() {
            let missed = i64::try_from(late.len() - 1).expect("few");
            rounds.push(Round { firing: Firing { due: **due, missed, at }, late: at.since(Instant(**due)) });
        }
    }
    (rounds, end)
}

/// What is wrong with the order of what came: no instant twice, and none lost where each one counts.
fn chain(own: &[Firing], overdue: Overdue) -> impl Iterator<Item = String> {
    own.windows(2).filter_map(move |pair| {
        let (before, after) = (pair[0].due, pair[1].due);
        let between = (after - before) / STEP - 1;
        let whole = if overdue == Overdue::Fire { pair[1].missed == between } else { pair[1].missed <= between };
        let lost = !whole && between >= 0;
        let after = Instant(after);
        (between < 0)
            .then(|| format!("came for {after} once more"))
            .or_else(|| lost.then(|| format!("says for {after} that {} were missed of {between}", pair[1].missed)))
    })
}

/// Where what came is not what should have come.
fn differences(own: &[Firing], wanted: impl Iterator<Item = Firing>, end: Instant) -> impl Iterator<Item = String> {
    let (own, wanted): (BTreeSet<_>, BTreeSet<_>) = (own.iter().copied().collect(), wanted.collect());
    // The last turn may have ended between two keys.
    let missing: Vec<_> = wanted.difference(&own).filter(|firing| firing.at < end).copied().collect();
    let more: Vec<_> = own.difference(&wanted).copied().collect();
    let words = |Firing { due, missed, at }: Firing| format!("for {}, with {missed} missed, at {at}", Instant(due));
    let missing = missing.into_iter().map(move |firing| format!("did not come {}", words(firing)));
    missing.chain(more.into_iter().map(move |firing| format!("came {}", words(firing))))
}
