//! Why and why not: a step as it ran, where triggers stand, and what a changed report would have led to.

use sha2::{Digest as _, Sha256};
use store::JournalRow;

use super::effects::command_rule;
use super::*;
use crate::trace::{Read, Write};
use crate::{Branch, Exact, Recorded};

fn counting(_: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let count = host.get("count").and_then(|value| value.as_f64()).unwrap_or_default();
    host.set("count", Value::Number(count + 1.0), None).expect("a small value");
    host.last("fridge", "temperature");
    Ok(Vec::new())
}

/// A run's journal, and a replay that stands before its record `before`.
pub(super) fn replay_before(bench: &Bench, set: Vec<(Deployment, Rule)>, before: u64, traced: bool) -> Exact {
    let mut exact = Exact::new(0, setup(1, set)).expect("a setup");
    if traced {
        exact.trace();
    }
    replay_while(&mut exact, bench, 0, |row| row.sequence < before);
    exact
}

/// Gives a replay the journal of its partition as far as wanted.
fn replay_while(exact: &mut Exact, bench: &Bench, partition: u16, wanted: impl Fn(&JournalRow) -> bool) {
    let commits = bench.turns.iter().flat_map(|turn| &turn.commits).filter(|commit| commit.partition == partition);
    for row in commits.flat_map(|commit| &commit.journal) {
        if !wanted(row) {
            break;
        }
        let input: Option<Input> = row.observed.then(|| crate::rows::decode("journal", &row.payload).expect("our own"));
        let record = Recorded {
            sequence: row.sequence,
            at: row.at,
            begins: row.begins,
            kind: row.kind,
            observed: input.as_ref(),
            digest: Sha256::digest(&row.payload).into(),
        };
        exact.take(&record, None).expect("the same again");
    }
}

#[test]
fn a_traced_step_shows_what_it_read_and_wrote() {
    let set = || vec![(deployment("d", vec![each_reading()]), counting as Rule)];
    let mut bench = Bench::new(1, set());
    bench.live(1, 7.0).live(2, 8.0);
    let mut exact = replay_before(&bench, set(), u64::MAX, true);
    let (steps, _) = exact.traced();
    assert_eq!(steps.len(), 2);
    let count = |value: f64| Some(Value::Number(value));
    assert_eq!(steps[1].reads[0], Read::State { name: "count".into(), value: count(1.0) });
    let Read::Device { known: Some(known), .. } = &steps[1].reads[1] else { panic!("{:?}", steps[1].reads) };
    assert_eq!(known.value, Value::Number(8.0));
    assert_eq!(steps[1].writes, [Write { name: "count".into(), value: count(2.0) }]);
}

#[test]
fn the_end_of_a_command_is_traced() {
    let set = || vec![(deployment("d", vec![each_reading()]), command_rule as Rule)];
    let mut bench = Bench::new(1, set());
    bench.live(1, 20.0).live(2, 21.0);
    let (_, ended) = replay_before(&bench, set(), u64::MAX, true).traced();
    assert_eq!(ended.len(), 1);
    assert_eq!((&ended[0].outcome, ended[0].attempt), (&Outcome::Superseded, 1));
}

#[test]
fn a_changed_report_decides_differently_from_the_same_state() {
    let set = || vec![(deployment("d", vec![held(Span::from_mins(5), None, Gap::Reset)]), tell as Rule)];
    let mut bench = Bench::new(1, set());
    bench.live(1, 7.0).live(2, 7.5).live(8, 7.5);
    assert!(bench.decisions.is_empty());
    let input = bench.input(reading(DeviceNo(1), 9.0), Some(minute(2)));
    let mut branch = Branch::of(vec![replay_before(&bench, set(), 2, false)]).expect("one partition");
    branch.feed(&input, minute(2), None).expect("no other setup");
    branch.advance(minute(8));
    branch.end_turn();
    let decisions: Vec<Decision> = branch.decisions().collect();
    assert_eq!(decisions.iter().map(|decision| decision.at).collect::<Vec<_>>(), [minute(7)]);
}

fn switch_on(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Condition(_) = &event.cause else { return Ok(Vec::new()) };
    Ok(vec![propose(Effect::Command(Command::new(Target::Role("probe".into()), "on")))])
}

/// The only key of `d` lives elsewhere than the fridge that it commands: what it sends there is decided there.
#[test]
fn a_changed_report_changes_what_follows_in_other_partitions() {
    let partitions = 16;
    let set = || {
        let kind = Kind::Threshold { when: when(Test::Above(8.0)), clear: None, snapshot: false, keep: false };
        vec![(Deployment { key: KeyKind::One, ..deployment("d", vec![kind]) }, switch_on as Rule)]
    };
    let (one, home) = (crate::partition_of_one("d", partitions), crate::partition_of_site("kitchen", partitions));
    assert_ne!(one, home);
    let mut bench = Bench::new(partitions, set());
    bench.live(1, 7.0).live(2, 9.0).live(8, 9.0);
    let commanded = |decisions: &[Decision]| decisions.iter().filter(|decision| decision.effect.is_some()).count();
    assert_eq!(commanded(&bench.decisions), 1);
    for (temperature, expected) in [(9.0, 1), (7.5, 0)] {
        let departed = (0..partitions).map(|number| {
            let mut exact = Exact::new(number, setup(partitions, set())).expect("a setup");
            replay_while(&mut exact, &bench, number, |row| row.at < minute(2));
            exact
        });
        let mut branch = Branch::of(departed.collect()).expect("they stand together");
        let mut input = bench.input(reading(DeviceNo(1), temperature), Some(minute(2)));
        // An event is known by the input's id.
        input.id = "line:2".into();
        branch.feed(&input, minute(2), None).expect("no other setup");
        branch.advance(minute(3));
        branch.end_turn();
        let made: Vec<Decision> = branch.decisions().collect();
        assert_eq!(commanded(&made), expected, "with {temperature} °C: {made:?}");
        if temperature > 8.0 {
            let lines = |decisions: &[Decision]| decisions.iter().map(crate::digest::line).collect::<Vec<_>>();
            assert_eq!(lines(&made), lines(&bench.decisions), "the same again is no change");
        }
    }
}

#[test]
fn a_device_whose_clock_is_behind_confirms_what_it_reported_before_the_sink_answered() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.read(10, 5, 20.0);
    let outbox: Vec<_> = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).collect();
    let effect = outbox[0].outgoing.effect;
    let switch = Reading {
        capability: capability("switch"),
        value: Value::Boolean(true),
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    let body = Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![switch] };
    bench.take(body, 10, Some(5));
    let settled =
        Settled { effect, sink: "mqtt".into(), outcome: Outcome::Accepted, reason: None, attempt: 1, due: None };
    bench.take(Body::Settled(settled), 10, None);
    assert_eq!(bench.engine.accounts().confirmed, 1);
}
