//! Where turns end that the clock alone makes, and that nothing depends on it.

use model::limits;

use super::exact::{feed, journal};
use super::*;
use crate::Exact;

const FULL: usize = limits::TURN_INPUTS;

/// Sets as many timers for minute 100 as the reading says, and counts all that wake it in memory that ends with the turn.
fn many_timers(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return tell(event, host) };
    let Value::Number(count) = observation.readings[0].value else { return Ok(Vec::new()) };
    let timer = |n: usize| {
        propose(Effect::SetTimer(Timer {
            name: format!("{}-{n}", event.id).into(),
            due: minute(100) + Span(n as u64),
            overdue: Overdue::Fire,
            payload: None,
            attributes: Vec::new(),
        }))
    };
    Ok((0..count as usize).map(timer).collect())
}

fn timed() -> Vec<(Deployment, Rule)> {
    vec![(deployment("d", vec![each_reading()]), many_timers as Rule)]
}

/// A host that goes down with this many timers and comes back when all of them are overdue.
fn overdue(count: usize) -> Bench {
    let mut bench = Bench::new(1, timed());
    for (at, first) in (1..).zip((0..count).step_by(60)) {
        bench.live(at, 60.min(count - first) as f64);
    }
    bench.crash(1, timed());
    bench.turns.clear();
    bench.decisions.clear();
    bench
}

fn firings(bench: &Bench, kind: &str) -> Vec<usize> {
    let fired = |turn: &Turn| turn.commits.iter().flat_map(|c| &c.journal).filter(|row| row.kind == kind).count();
    bench.turns.iter().map(fired).filter(|fired| *fired > 0).collect()
}

/// As the host does: turn after turn until nothing is due.
fn fire(bench: &mut Bench, now: i64) {
    while !bench.engine.fire(minute(now)) {
        bench.collect();
    }
    bench.engine.advance(minute(now));
    bench.collect();
}

#[test]
fn a_turn_ends_when_the_clock_has_fired_as_much_as_the_limit_says() {
    for (count, turns) in [(FULL, vec![FULL]), (FULL + 1, vec![FULL, 1]), (3 * FULL - 1, vec![FULL, FULL, FULL - 1])] {
        let mut bench = overdue(count);
        bench.take(started(), 200, None);
        fire(&mut bench, 200);
        assert_eq!(firings(&bench, "timer"), turns);
    }
}

#[test]
fn what_came_due_while_the_host_was_down_waits_for_the_record_of_its_start() {
    let mut bench = overdue(3);
    assert!(bench.engine.fire(minute(200)));
    bench.collect();
    assert!(firings(&bench, "timer").is_empty());
    bench.take(started(), 200, None);
    assert_eq!(firings(&bench, "timer"), [3]);
}

#[test]
fn where_a_turn_ends_among_timers_changes_no_decision_and_replays_exactly() {
    let mut parts = overdue(2 * FULL + 10);
    parts.take(started(), 200, None);
    fire(&mut parts, 200);
    let mut whole = overdue(2 * FULL + 10);
    let start = whole.input(started(), None);
    whole.engine.take(&start, minute(200));
    whole.live(201, 1.0);
    parts.live(201, 1.0);
    assert_eq!(parts.decisions, whole.decisions);
    assert!(parts.turns.len() > whole.turns.len());

    let mut bench = Bench::new(1, timed());
    for at in 1..11 {
        bench.live(at, 60.0);
    }
    fire(&mut bench, 150);
    assert_eq!(firings(&bench, "timer"), [FULL, FULL, 600 - 2 * FULL]);
    let recorded = journal(&bench, 0);
    assert_eq!(recorded.rows.iter().filter(|row| row.begins && row.kind == "timer").count(), 3);
    let mut exact = Exact::new(0, setup(1, timed())).expect("a setup");
    assert_eq!(feed(&mut exact, &recorded.rows).expect("the same again"), recorded.decisions);
}

/// As many devices of one site, each with a key of a schedule.
fn scheduled(count: u32) -> Setup {
    let every_hour = Kind::Schedule(Schedule {
        cron: "0 * * * *".into(),
        zone: "UTC".into(),
        overdue: Overdue::Fire,
        spring: Spring::After,
        autumn: None,
    });
    let mut spec = deployment("d", vec![every_hour]);
    spec.roles[0].members = (1..=count).map(DeviceNo).collect();
    let devices = (1..=count).map(|n| device(n, &format!("device-{n:05}"), "kitchen"));
    Setup { devices: Arc::new(Devices::new(devices)), ..setup(1, vec![(spec, tell)]) }
}

fn woken(bench: &Bench) -> Vec<String> {
    bench.decisions.iter().filter(|d| &*d.cause.kind == "schedule").map(|d| d.key.to_string()).collect()
}

#[test]
fn a_schedule_wakes_as_many_keys_in_a_turn_as_the_limit_says_and_the_rest_in_the_next() {
    for (count, turns) in [(FULL, vec![FULL]), (FULL + 1, vec![FULL, 1])] {
        let mut bench = Bench::new(1, Vec::new());
        bench.crash_into(scheduled(count as u32));
        bench.advance(1);
        fire(&mut bench, 61);
        assert_eq!(firings(&bench, "schedule"), turns);
        let woken = woken(&bench);
        assert!(woken.is_sorted() && woken.len() == count);
    }
}

#[test]
fn a_host_that_dies_while_a_schedule_wakes_its_keys_goes_on_with_the_next_key() {
    let setup = || scheduled(600);
    let mut bench = Bench::new(1, Vec::new());
    bench.crash_into(setup());
    bench.take(started(), 1, None);
    assert!(!bench.engine.fire(minute(61)));
    bench.collect();
    assert_eq!(woken(&bench).len(), FULL);
    bench.crash_into(setup());
    bench.take(started(), 90, None);
    fire(&mut bench, 90);
    let woken = woken(&bench);
    assert!(woken.is_sorted(), "each once, in order");
    assert_eq!(woken.len(), 600);
    fire(&mut bench, 121);
    assert_eq!(bench.decisions.iter().filter(|d| &*d.cause.kind == "schedule").count(), 1_200);
    let recorded = journal(&bench, 0);
    let mut exact = Exact::new(0, setup()).expect("a setup");
    assert_eq!(feed(&mut exact, &recorded.rows).expect("the same again"), recorded.decisions);
}

/// Burns as much fuel as the reading says.
struct Burning;

impl Program for Burning {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        Ok(Box::new(Burning))
    }
}

impl Instance for Burning {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, host: Box<dyn Host>) -> Handled {
        let Cause::Observation(observation) = &event.cause else { panic!("only readings wake it") };
        let fuel = observation.readings[0].value.as_f64().expect("a number") as u64;
        Handled { host, result: Ok(Vec::new()), fuel }
    }
}

#[test]
fn a_turn_is_full_when_its_rules_have_burnt_as_much_as_the_limit_says() {
    let mut bench = Bench::new(1, Vec::new());
    let spec = Arc::new(deployment("d", vec![each_reading()]));
    bench.crash_into(Setup { deployments: vec![(spec, Arc::new(Burning))], ..setup(1, Vec::new()) });
    let mut burn = |at, fuel: u64| {
        let input = bench.input(reading(DeviceNo(1), fuel as f64), None);
        bench.engine.take(&input, minute(at));
        bench.engine.is_full()
    };
    assert!(!burn(1, limits::TURN_FUEL - 1));
    assert!(burn(2, 1));
    bench.collect();
    assert!(!bench.engine.is_full(), "the next turn begins with none burnt");
}

#[test]
fn a_checkpoint_is_made_after_as_many_records_as_the_limit_says() {
    let mut bench = Bench::new(1, Vec::new());
    let mut turn = |records: u64| {
        for _ in 0..records {
            let input = bench.input(reading(DeviceNo(99), 1.0), None);
            bench.engine.take(&input, minute(1));
        }
        bench.collect();
        bench.turns.pop().expect("a turn").commits[0].checkpoint
    };
    assert_eq!(turn(limits::CHECKPOINT_RECORDS - 1), None);
    assert_eq!(turn(1), None, "one fewer was too few");
    assert_eq!(turn(1), Some(minute(1)), "and this is the first commit after enough");
    assert_eq!(turn(1), None);
}
