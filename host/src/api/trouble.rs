//! What goes wrong and where it can be seen: who is held, what was lost and why, dead letters, hidden state.

use std::collections::BTreeMap;

use engine::quarantine::{DeploymentStanding, Hold, KeyStanding};
use engine::rows::{self, PartitionRow};
use engine::{Accounts, Case, LastKnown, Twin};
use ingest::status::Counts;
use model::device::Devices;
use model::{DeviceNo, Name};
use serde_json::{Value as Json, json};
use server::state::Check;
use store::{Reader, Table};

/// Devices that one line names.
const NAMED: usize = 20;

/// Every key and deployment that is held, as the store has it.
pub(crate) fn held(reader: &Reader) -> Result<Vec<Json>, store::Error> {
    let mut found = Vec::new();
    for partition in 0..reader.partitions() {
        for row in reader.rows(partition, Table::Quarantine, b"")? {
            let mut parts = row.key.splitn(2, |byte| *byte == 0).map(String::from_utf8_lossy);
            let (deployment, key) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let (sentence, throttled) = if key.is_empty() {
                let standing = rows::decode::<DeploymentStanding>("quarantine", &row.value);
                standing.map(|standing| (standing.sentence, standing.throttled)).unwrap_or_default()
            } else {
                let standing = rows::decode::<KeyStanding>("quarantine", &row.value);
                (standing.map(|standing| standing.sentence).unwrap_or_default(), false)
            };
            if sentence.hold.is_none() && !throttled {
                continue;
            }
            // The keys of waiting rows begin with deployment and key.
            let end: &[u8] = if key.is_empty() { b"" } else { b"\0" };
            let waiting = reader.rows(partition, Table::Pending, &[&*row.key, end].concat())?.len();
            found.push(describe(partition, &deployment, &key, sentence.hold.as_ref(), sentence.tries, waiting));
        }
    }
    Ok(found)
}

fn describe(partition: u16, deployment: &str, key: &str, hold: Option<&Hold>, tries: u32, waiting: usize) -> Json {
    let mut shown = json!({
        "deployment": deployment,
        "reason": hold.map_or("over-budget", |hold| &*hold.reason),
        "tries": tries,
        "waiting": waiting,
        "partition": partition,
    });
    if !key.is_empty() {
        shown["key"] = json!(key);
    }
    if let Some(hold) = hold {
        shown["since"] = json!(hold.since.to_string());
        shown["probe-at"] = json!(hold.probe_at.to_string());
    }
    shown
}

/// The devices that have spoken and of which nothing was ever understood, as by paths that are misspelt; none where
/// every device is understood.
pub(crate) fn not_understood(reader: &Reader, devices: &Devices) -> Result<Option<Check>, store::Error> {
    let mut spoken: BTreeMap<DeviceNo, bool> = BTreeMap::new();
    for partition in 0..reader.partitions() {
        for row in reader.rows(partition, Table::Twin, b"")? {
            let Ok(twin) = rows::decode::<Twin>("twin", &row.value) else { continue };
            if twin.newest.is_some() {
                *spoken.entry(twin.device).or_default() |= twin.values().any(LastKnown::was_reported);
            }
        }
    }
    let silent = spoken.into_iter().filter(|(_, understood)| !understood);
    let mut names: Vec<_> = silent.filter_map(|(number, _)| Some(devices.get(number)?.id.to_string())).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let detail =
        format!("{}{more}: spoke, and nothing of it was understood: compare the paths of `readings`", names.join(", "));
    Ok((!names.is_empty()).then(|| Check { name: "devices".to_owned(), ok: false, detail: Some(detail) }))
}

/// What the partitions have counted, summed, as it was at the last commit.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) accounts: Accounts,
    /// What could never become an input, by the code of its reason.
    pub(crate) rejected: BTreeMap<Name, u64>,
}

pub(crate) fn counted(reader: &Reader) -> Result<Counted, store::Error> {
    let mut counted = Counted::default();
    for partition in 0..reader.partitions() {
        for row in reader.rows(partition, Table::Partition, b"")? {
            if let Ok(row) = rows::decode::<PartitionRow>("partition", &row.value) {
                counted.accounts.add(&row.accounts);
                for (code, count) in row.rejected {
                    *counted.rejected.entry(code).or_default() += count;
                }
            }
        }
    }
    Ok(counted)
}

/// Everything that was lost, left out or given up, by cause: one list for all of it. What sources count is since the
/// start of the host, all else since the store was made.
pub(crate) fn losses(
    Counted { accounts, rejected }: &Counted,
    (letters, removed): &(BTreeMap<Name, u64>, u64),
    sources: &[Counts],
) -> Vec<(Name, u64)> {
    let mut losses: Vec<(Name, u64)> = Vec::new();
    let mut add = |cause: &str, count: u64| losses.push((Name::from(cause), count));
    let sum = |count: fn(&Counts) -> u64| sources.iter().map(count).sum::<u64>();
    for (code, count) in rejected {
        add(&format!("message-rejected:{code}"), *count);
    }
    add("value-unread", sum(|counts| counts.bad_values));
    add("nothing-found", sum(|counts| counts.nothing_found.values().sum()));
    // Not lost as far as anybody knows, but nobody would send them again.
    add("qos0-at-risk", sum(|counts| counts.qos0));
    add("session-lost", accounts.sessions_lost);
    add("late", accounts.late);
    add("unknown-device", accounts.unknown_device);
    add("no-key", accounts.no_key);
    for (reason, count) in letters {
        add(&format!("dead-letter:{reason}"), *count);
    }
    add("dead-letter-removed", *removed);
    add("waiting-overflow", accounts.overflowed);
    add("effect-refused", accounts.refused);
    add("effect-superseded", accounts.superseded);
    add("effect-expired:outbox-full", accounts.expired_full);
    add("effect-expired:too-old", accounts.expired_old);
    let own = accounts.expired.saturating_sub(accounts.expired_full + accounts.expired_old);
    add("effect-expired:expires-at", own);
    add("effect-failed", accounts.failed);
    add("effect-withdrawn", accounts.withdrawn);
    add("timer-skipped", accounts.skipped_timers);
    add("schedule-missed", accounts.missed_schedules);
    losses.retain(|(_, count)| *count > 0);
    losses
}

/// The newest dead letters, the newest first.
pub(crate) fn dead_letters(reader: &Reader, limit: usize) -> Result<Vec<Json>, store::Error> {
    Ok(reader.dead_letters(limit)?.iter().map(|letter| json!(letter)).collect())
}

/// The case of a dead letter as a document of its own.
pub(crate) fn dead_letter(reader: &Reader, number: u64) -> Result<Option<Result<Json, String>>, store::Error> {
    let letter = reader.dead_letter(number)?;
    Ok(letter.map(|placed| {
        if placed.row.case.is_empty() {
            return Err(format!("dead letter {number} has no case: its deployment was removed"));
        }
        let case = rows::decode::<Case>("dead letter", &placed.row.case);
        case.map(|case| json!(case)).map_err(|error| error.to_string())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_is_listed_once_under_its_cause_and_none_that_did_not_happen() {
        let accounts =
            Accounts { late: 2, expired: 9, expired_full: 4, expired_old: 3, overflowed: 1, ..Accounts::default() };
        let letters = ([("trap".into(), 2), ("quarantined".into(), 1)].into(), 0);
        let rejected = [("too-large".into(), 1), ("bad-json".into(), 7)].into();
        let source =
            || Counts { qos0: 1, nothing_found: [("a".into(), 2), ("b".into(), 1)].into(), ..Counts::default() };
        let found = losses(&Counted { accounts, rejected }, &letters, &[source(), source()]);
        let found: Vec<(&str, u64)> = found.iter().map(|(cause, count)| (&**cause, *count)).collect();
        assert_eq!(
            found,
            [
                ("message-rejected:bad-json", 7),
                ("message-rejected:too-large", 1),
                ("nothing-found", 6),
                ("qos0-at-risk", 2),
                ("late", 2),
                ("dead-letter:quarantined", 1),
                ("dead-letter:trap", 2),
                ("waiting-overflow", 1),
                ("effect-expired:outbox-full", 4),
                ("effect-expired:too-old", 3),
                ("effect-expired:expires-at", 2),
            ]
        );
    }
}
