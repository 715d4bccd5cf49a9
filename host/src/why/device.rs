//! Why not: what a device reported, what came of it, and the first thing that stopped each trigger that watches it.

use anyhow::Result;
use engine::trace::Step;
use engine::{Explained, WhyNot};
use model::{Decision, Device, Instant, limits};
use store::JournalEntry;

use super::node::{Node, Report};
use super::past::Past;
use super::words;
use crate::journal::Replayer;
use host::system_clock::wall;

/// What a device's events led to around an instant, and what they did not.
///
/// # Errors
/// When there is no such device, or the store cannot be read.
pub(crate) fn device(past: &Past, id: &str, at: Option<Instant>, deployment: Option<&str>) -> Result<Report> {
    let device = past.device(id)?;
    let mut facts = Vec::new();
    let mut notes = Vec::new();
    for partition in past.partitions(device)? {
        let found = around(past, partition, device, at.unwrap_or_else(wall), deployment)?;
        if facts.is_empty() {
            facts.extend(found.reports);
        }
        facts.extend(found.told);
        notes.extend(found.note);
    }
    if facts.is_empty() {
        notes.push("the journal holds no report of it up to then".to_owned());
    }
    let about = at.map_or_else(|| format!("device {id} now"), |at| format!("device {id} at {at}"));
    Ok(Report { about, facts, notes })
}

struct Around {
    reports: Vec<Node>,
    told: Vec<Node>,
    note: Option<String>,
}

fn around(past: &Past, partition: u16, device: &Device, at: Instant, deployment: Option<&str>) -> Result<Around> {
    let last = past.last_at(partition, at)?;
    let reported = reports(past, partition, last, device)?;
    let shown = reported
        .iter()
        .rev()
        .filter_map(|row| Some(words::input(&Past::input(partition, row)?, row.key.as_deref(), row.sequence, row.at)));
    let reports = shown.collect();
    let from = reported.first().map_or(last + 1, |row| row.sequence);
    let newest = reported.iter().find(|row| &*row.kind == "observation");
    let observed = newest.and_then(|row| Past::input(partition, row));
    let replayed = past.replay((partition, from), &mut |sequence, _, _| sequence > last);
    let (told, note) = match replayed {
        Ok(mut replayer) => {
            let standing = replayer.exact(partition).map(|exact| exact.explain(&device.id, observed.as_ref(), at));
            let standing = standing.unwrap_or_default();
            let wanted = |explained: &&Explained| deployment.is_none_or(|name| *name == *explained.deployment);
            (standing.iter().filter(wanted).map(|explained| tell(explained, &mut replayer)).collect(), None)
        }
        Err(error) => (Vec::new(), Some(format!("what stopped the triggers cannot be told: {error:#}"))),
    };
    Ok(Around { reports, told, note })
}

/// The newest reports of a device, the newest first.
fn reports(past: &Past, partition: u16, last: u64, device: &Device) -> Result<Vec<JournalEntry>> {
    let mut found: Vec<JournalEntry> = Vec::new();
    let mut next = last;
    while found.len() < limits::WHY_REPORTS && next > 0 {
        let own = |row: &JournalEntry| {
            row.key.as_ref() == Some(&device.id) && matches!(&*row.kind, "observation" | "availability")
        };
        let Some(row) = past.back((partition, next), own)? else { break };
        next = row.sequence - 1;
        found.push(row);
    }
    Ok(found)
}

/// One trigger: the steps that it led to since the last report, else what stopped it.
fn tell(explained: &Explained, replayer: &mut Replayer<'_>) -> Node {
    let Explained { deployment, key, trigger, kind, .. } = explained;
    let traced = replayer.traced();
    let own = |step: &&Step| step.deployment == *deployment && step.event.trigger == *trigger && step.event.key == *key;
    let condition = explained.condition.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
    let head = format!("deployment {deployment}, trigger `{trigger}`, {kind}{condition}");
    let mut node = Node::new("trigger", head);
    node = node.fact("deployment", &**deployment).fact("trigger", &**trigger).fact("key", &**key);
    let steps: Vec<&Step> = traced.steps.iter().filter(own).collect();
    for step in &steps {
        let of = |decision: &&Decision| decision.deployment == *deployment && decision.cause.event == step.event.id;
        let mut ran = Node::new("step", format!("the rule ran for key {key}")).at(step.at);
        ran.below = traced.decisions.iter().filter(of).map(words::decided).collect();
        node.below.push(ran);
    }
    if let Some(hold) = &explained.hold {
        let words = format!("quarantined since {} ({}); tried again at {}", hold.since, hold.reason, hold.probe_at);
        node.below.push(Node::new("quarantined", words).fact("reason", &*hold.reason));
    }
    if explained.waiting > 0 {
        let words = format!("{} of its events wait behind a failed step", explained.waiting);
        node.below.push(Node::new("waiting", words).fact("waiting", explained.waiting));
    }
    let why = &explained.why_not;
    if steps.is_empty() && (*why != WhyNot::Nothing || node.below.is_empty()) {
        node.below.push(Node::new("why-not", format!("nothing, since: {why}")).fact("reason", why.code()));
    }
    node
}
