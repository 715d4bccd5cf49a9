//! The three accounts balance after every turn, in the store as in memory, and agree with the rows that they count.

use store::Table;

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let mut found = evidence.imbalances.clone();
    let stored = evidence.stored_accounts();
    found.extend(stored.imbalance());
    // What is in memory alone at the end are messages that came again and changed nothing.
    let counted = [
        ("inputs", stored.journalled, observed(evidence)),
        ("dead letters", stored.dead_lettered, evidence.dead_letters as u64),
        ("waiting steps", stored.pending, evidence.count(Table::Pending) as u64),
        ("waiting effects", stored.waiting, evidence.count(Table::Flight) as u64),
    ];
    let differs = counted.into_iter().filter(|(_, account, rows)| account != rows);
    found.extend(differs.map(|(what, account, rows)| format!("{what}: {account} in the account, {rows} rows")));
    found
}

fn observed(evidence: &Evidence) -> u64 {
    evidence.journal.iter().filter(|record| record.input.is_some()).count() as u64
}
