//! Exact replay: whatever a run did, its journal alone gives the same again, partition by partition.

use store::{Commit, JournalRow, Table};

use super::effects::command_rule;
use super::*;
use crate::{Difference, Exact, Recorded};

/// Sets a timer for each event but a timer's, and counts in its state.
fn timing(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let count = host.get("count").and_then(|value| value.as_f64()).unwrap_or_default();
    host.set("count", Value::Number(count + 1.0), None).expect("a small value");
    if matches!(event.cause, Cause::Timer(_)) {
        return command_rule(event, host);
    }
    let timer = Timer {
        name: Name::from(format!("t{count}")),
        due: event.received_at + Span::from_secs(90),
        overdue: Overdue::Fire,
        payload: None,
        attributes: Vec::new(),
    };
    Ok(vec![propose(Effect::SetTimer(timer)), propose(Effect::Emit(emission("told")))])
}

fn emission(name: &str) -> Emission {
    Emission { name: name.into(), key: None, device: None, attributes: Vec::new() }
}

pub(super) fn set() -> Vec<(Deployment, Rule)> {
    let everywhere = |name, triggers| {
        let mut spec = deployment(name, triggers);
        spec.roles[0].members = vec![DeviceNo(1), DeviceNo(2), DeviceNo(3)];
        spec
    };
    let hot = held(Span::from_mins(5), Some(Span::from_mins(8)), Gap::Reset);
    let listener = Deployment { key: KeyKind::One, ..everywhere("b", vec![Kind::Custom { name: "told".into() }]) };
    vec![
        (everywhere("a", vec![each_reading(), hot]), timing),
        (listener, timing),
        (everywhere("c", vec![Kind::Silence { duration: Span::from_mins(7) }]), command_rule),
        (everywhere("d", vec![every_ten_minutes()]), timing),
    ]
}

fn every_ten_minutes() -> Kind {
    Kind::Schedule(Schedule {
        cron: "*/10 * * * *".into(),
        zone: "UTC".into(),
        overdue: Overdue::Fire,
        spring: Spring::After,
        autumn: None,
    })
}

/// A start at which the wall clock is not believed, a reading, and the operator's word.
fn doubted_start(bench: &mut Bench, n: i64) {
    let (engine, zones) = ("test".into(), "test".into());
    bench.take(
        Body::Host(HostEvent::Started { engine, zones, configuration: None, doubted: true, alive: None }),
        n + 1,
        None,
    );
    bench.take(Body::Host(HostEvent::CaughtUp), n + 1, None).take(reading(DeviceNo(1), 21.0), n + 1, None);
    let accepted = HostEvent::ClockAccepted { from: minute(n + 2), operator: true };
    bench.advance(n + 2).take(Body::Host(accepted), n + 3, None);
}

/// A run with readings, gaps, restarts, results of sinks and a wall clock that steps and is doubted.
pub(super) fn run(partitions: u16) -> Bench {
    let mut bench = Bench::new(partitions, set());
    bench.take(started(), 0, None).take(Body::Host(HostEvent::CaughtUp), 0, None);
    for n in 1..200_i64 {
        let device = DeviceNo(1 + u32::try_from(n % 3).expect("small"));
        bench.take(reading(device, 20.0 + (n * 7 % 19) as f64), n, Some(n));
        let effects: Vec<_> = bench.turns.last().into_iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).collect();
        for effect in effects.iter().map(|row| row.outgoing.effect).collect::<Vec<_>>() {
            let outcome = if n % 5 == 0 { Outcome::Failed } else { Outcome::Accepted };
            let settled = Settled { effect, sink: "mqtt".into(), outcome, reason: None, attempt: 1, due: None };
            bench.take(Body::Settled(settled), n, None);
        }
        if n % 37 == 0 {
            bench.crash(partitions, set());
            if n == 111 {
                doubted_start(&mut bench, n);
            } else {
                bench.take(started(), n + 3, None).take(Body::Host(HostEvent::CaughtUp), n + 3, None);
            }
        }
        if n % 45 == 0 {
            let ahead = if n % 2 == 0 { -1_500_000_000 } else { 2_400_000_000 };
            bench.take(Body::Host(HostEvent::ClockStepped { ahead }), n, None);
        }
        if n % 11 == 0 {
            bench.advance(n);
        }
    }
    bench
}

/// Rows by table and key.
type State = BTreeMap<(Table, Box<[u8]>), Box<[u8]>>;

pub(super) struct Journal {
    pub(super) rows: Vec<JournalRow>,
    pub(super) decisions: Vec<Decision>,
}

pub(super) fn journal(bench: &Bench, partition: u16) -> Journal {
    let commits = || bench.turns.iter().flat_map(|turn| &turn.commits).filter(|c| c.partition == partition);
    let rows = commits().flat_map(|commit| commit.journal.iter().cloned()).collect();
    let decisions = commits().flat_map(|commit| &commit.decisions);
    let decisions = decisions.map(|row| crate::rows::decode("decisions", &row.payload).expect("our own")).collect();
    Journal { rows, decisions }
}

pub(super) fn feed(exact: &mut Exact, rows: &[JournalRow]) -> Result<Vec<Decision>, Difference> {
    let mut decisions = Vec::new();
    for row in rows {
        let input: Option<Input> = row.observed.then(|| crate::rows::decode("journal", &row.payload).expect("our own"));
        exact.take(&Recorded::new(row, input.as_ref()), None)?;
        decisions.extend(exact.decisions());
    }
    exact.finish()?;
    decisions.extend(exact.decisions());
    Ok(decisions)
}

/// A value that went stale left no record, but the host that was killed afterwards had it in its state.
#[test]
fn what_the_clock_changed_in_silence_before_a_kill_is_replayed_too() {
    let kind = held(Span::from_mins(30), Some(Span::from_mins(10)), Gap::Pause);
    let set = || vec![(deployment("d", vec![kind.clone()]), tell as Rule)];
    let mut bench = Bench::new(1, set());
    bench.take(started(), 0, None).take(Body::Host(HostEvent::CaughtUp), 0, None).live(1, 9.0).advance(20);
    bench.crash(1, set());
    bench.take(started_after(Some(minute(20))), 25, None).take(Body::Host(HostEvent::CaughtUp), 25, None);
    bench.live(26, 9.0).live(35, 9.0).live(44, 9.0).live(53, 9.0).live(57, 9.0);
    bench.check(&[("began", 46)]);
    let Journal { rows, decisions } = journal(&bench, 0);
    let mut exact = Exact::new(0, setup(1, set())).expect("a setup");
    assert_eq!(feed(&mut exact, &rows).unwrap_or_else(|difference| panic!("{difference}")), decisions);
}

#[test]
fn a_journal_gives_the_same_again_partition_by_partition() {
    for partitions in [1, 4] {
        let bench = run(partitions);
        for number in 0..partitions {
            let recorded = journal(&bench, number);
            let mut exact = Exact::new(number, setup(partitions, set())).expect("a setup");
            let decisions = feed(&mut exact, &recorded.rows).unwrap_or_else(|d| panic!("partition {number}: {d}"));
            assert_eq!(decisions, recorded.decisions, "partition {number}");
        }
        assert!(bench.decisions.len() > 300, "{}", bench.decisions.len());
    }
}

#[test]
fn from_a_checkpoint_equals_from_the_beginning() {
    let bench = run(1);
    let whole = journal(&bench, 0);
    let mut state: State = BTreeMap::new();
    let (mut sequence, mut decided) = (0, 0);
    for (index, commit) in bench.turns.iter().flat_map(|turn| &turn.commits).enumerate() {
        if index % 29 == 3 && sequence > 0 {
            let mut exact = Exact::new(0, setup(1, set())).expect("a setup");
            let rows = state.iter().map(|((table, key), value)| (*table, &**key, &**value));
            exact.restore(sequence, rows).expect("our own rows");
            let rest = usize::try_from(sequence).expect("small");
            let decisions = feed(&mut exact, &whole.rows[rest..]).unwrap_or_else(|d| panic!("after {sequence}: {d}"));
            assert_eq!(decisions, whole.decisions[decided..], "after {sequence}");
        }
        apply(&mut state, commit);
        sequence = commit.journal.last().map_or(sequence, |row| row.sequence);
        decided += commit.decisions.len();
    }
}

#[test]
fn from_a_state_before_the_sources_caught_up_the_clock_decides_nothing_either() {
    let rules = || vec![(deployment("d", vec![held(Span::from_mins(5), None, Gap::Continue)]), tell as Rule)];
    let mut bench = Bench::new(1, rules());
    bench.take(started(), 0, None).live(1, 9.0).live(2, 9.0);
    // The deadline passes by the clock alone; the reading that ends the run decides it first.
    bench.live(20, 5.0).take(Body::Host(HostEvent::CaughtUp), 21, None).live(22, 9.0).live(23, 9.0);
    bench.advance(40).live(41, 5.0);
    let whole = journal(&bench, 0);
    let mut state: State = BTreeMap::new();
    for commit in bench.turns.iter().flat_map(|turn| &turn.commits) {
        apply(&mut state, commit);
        let Some(sequence) = commit.journal.last().map(|row| row.sequence) else { continue };
        let mut exact = Exact::new(0, setup(1, rules())).expect("a setup");
        let rows = state.iter().map(|((table, key), value)| (*table, &**key, &**value));
        exact.restore(sequence, rows).expect("our own rows");
        let rest = &whole.rows[usize::try_from(sequence).expect("small")..];
        feed(&mut exact, rest).unwrap_or_else(|d| panic!("after {sequence}: {d}"));
    }
}

fn apply(state: &mut State, commit: &Commit) {
    for change in &commit.changes {
        match &change.value {
            Some(value) => state.insert((change.table, change.key.clone()), value.clone()),
            None => state.remove(&(change.table, change.key.clone())),
        };
    }
}

#[test]
fn a_record_that_was_changed_is_where_the_replay_stops() {
    let bench = run(1);
    let mut recorded = journal(&bench, 0);
    let at = recorded.rows.iter().position(|row| row.kind == "timer").expect("a timer fired");
    recorded.rows[at].payload = Box::from(&b"another"[..]);
    let mut exact = Exact::new(0, setup(1, set())).expect("a setup");
    let difference = feed(&mut exact, &recorded.rows).expect_err("a difference");
    let sequence = recorded.rows[at].sequence;
    assert!(matches!(difference, Difference::Content { sequence: s, .. } if s == sequence), "{difference}");
}

#[test]
fn a_record_that_is_missing_is_where_the_replay_stops() {
    let bench = run(1);
    let mut recorded = journal(&bench, 0);
    recorded.rows.remove(50);
    let mut exact = Exact::new(0, setup(1, set())).expect("a setup");
    let difference = feed(&mut exact, &recorded.rows).expect_err("a difference");
    assert!(matches!(difference, Difference::Gap { recorded: 52, expected: 51 }), "{difference}");
}

#[test]
fn each_turn_begins_with_a_marked_record_and_a_day_ends_with_a_checkpoint() {
    let mut bench = Bench::new(1, set());
    bench.take(started(), 0, None);
    for n in 0..50 {
        bench.live(n * 60, 20.0);
    }
    for commit in bench.turns.iter().flat_map(|turn| &turn.commits) {
        let begins: Vec<bool> = commit.journal.iter().map(|row| row.begins).collect();
        assert_eq!(begins.iter().position(|begins| *begins), (!begins.is_empty()).then_some(0));
        assert_eq!(begins.iter().filter(|begins| **begins).count(), usize::from(!begins.is_empty()));
    }
    let checkpoints: Vec<_> = bench.turns.iter().flat_map(|t| &t.commits).filter_map(|c| c.checkpoint).collect();
    let days: Vec<i64> = checkpoints.iter().map(|at| at.0 / 86_400_000_000).collect();
    assert_eq!(days, [1, 2], "the first turn of a new day is the last in its checkpoint");
}

#[test]
fn what_is_no_longer_deployed_leaves_nothing_to_one_of_the_same_name() {
    let mut bench = Bench::new(1, set());
    bench.take(started(), 0, None).take(Body::Host(HostEvent::CaughtUp), 0, None).live(1, 25.0);
    assert!(bench.engine.timers() > 0);
    bench.crash(1, vec![(deployment("z", vec![each_reading()]), timing)]);
    bench.take(started(), 2, None);
    bench.crash(1, set());
    bench.take(started(), 3, None).take(Body::Host(HostEvent::CaughtUp), 3, None);
    assert_eq!(bench.engine.timers(), 0);
    bench.live(4, 25.0);
    let own = bench.decisions.iter().filter(|decision| &*decision.deployment == "a");
    let mut set = own.filter_map(|d| match &d.effect.as_ref()?.effect {
        Effect::SetTimer(timer) => Some(timer.name.to_string()),
        _ => None,
    });
    assert_eq!(set.next_back().as_deref(), Some("t0"), "its count began anew");
}
