//! The outbox empties within a bound once faults have stopped, and nothing is left that waits for something.

use store::Table;

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let left = [
        ("effects in the outbox", evidence.outbox),
        ("effects in flight", evidence.count(Table::Flight)),
        ("steps that wait", evidence.count(Table::Pending)),
        ("timers that are set", evidence.count(Table::Timer)),
    ];
    let never = evidence.quiet_after.is_none().then(|| "it was never done".to_owned());
    never
        .into_iter()
        .chain(left.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")))
        .collect()
}
