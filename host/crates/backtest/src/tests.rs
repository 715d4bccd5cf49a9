//! The difference of two runs: each class, both ends of the window, the border of what counts, answers for sinks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::deployment::{
    CommandGrant, Deployment, Grants, KeyKind, Lifecycle, Limits, PackageDigest, PackageRef, Role, World,
};
use model::device::{Action, Actions, Confirm, Device, Devices, ReadingMap, Sets, Source};
use model::effect::{Command, Emission, Target};
use model::event::{Cause, Freshness, Outcome};
use model::guest::{Failure, Handled, Host, Instance, Program, Validated};
use model::input::{Body, Settled};
use model::trigger::{Gap, Kind, Predicate, Test};
use model::{
    Capability, DeviceNo, Effect, Event, Id, Input, Instant, Name, Proposal, Reading, Span, Trigger, Value, limits,
};

use crate::{Backtest, Class, Options, Report, Results, render, warm_up};

type Rule = fn(&Event, &mut dyn Host) -> Result<Vec<Proposal>, Failure>;

/// A rule in native code; remembers whether its instance has run before.
struct Native(Rule, bool);

impl Program for Native {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        Ok(Box::new(Self(self.0, false)))
    }
}

impl Instance for Native {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, mut host: Box<dyn Host>) -> Handled {
        assert!(!std::mem::replace(&mut self.1, true), "an instance was used twice");
        let result = (self.0)(event, &mut *host);
        Handled { host, result, fuel: 0 }
    }
}

fn proposal(effect: Effect) -> Vec<Proposal> {
    vec![Proposal { effect, tag: None, because: None, attributes: Vec::new() }]
}

fn emission(attributes: model::Attributes) -> Vec<Proposal> {
    proposal(Effect::Emit(Emission { name: "alarm".into(), key: None, device: None, attributes }))
}

/// Tells each beginning.
fn alarm(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Condition(condition) = &event.cause else { return Ok(Vec::new()) };
    Ok(if condition.phase == model::Phase::Began { emission(Vec::new()) } else { Vec::new() })
}

/// The same, with something to say.
fn loud(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let told = alarm(event, host)?;
    Ok(if told.is_empty() { told } else { emission(vec![("loud".into(), Value::Boolean(true))]) })
}

/// Switches on at each beginning, and tells what became of it.
fn switch(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    Ok(match &event.cause {
        Cause::Completion(completion) => emission(vec![("outcome".into(), Value::text(completion.outcome.word()))]),
        Cause::Condition(condition) if condition.phase == model::Phase::Began => {
            proposal(Effect::Command(Command::new(Target::Device("fridge".into()), "on")))
        }
        _ => Vec::new(),
    })
}

fn capability(name: &str) -> Capability {
    Capability::named(name).expect("a name")
}

fn when(above: f64) -> Predicate {
    Predicate::Test { role: None, capability: capability("temperature"), test: Test::Above(above) }
}

fn threshold(above: f64) -> Kind {
    Kind::Threshold { when: when(above), clear: None, snapshot: false, keep: false }
}

fn held(above: f64, minutes: u64) -> Kind {
    let duration = Span::from_mins(minutes);
    Kind::Held {
        when: when(above),
        duration,
        stale: None,
        gap: Gap::Continue,
        gap_max: limits::GAP_MAX,
        snapshot: false,
        keep: false,
    }
}

fn fridge() -> Device {
    let sets = Some(Sets { capability: capability("switch"), value: Some(Value::Boolean(true)) });
    let map = ReadingMap { capability: capability("switch"), path: "/on".into(), unit: None, values: BTreeMap::new() };
    Device {
        number: DeviceNo(1),
        id: "fridge".into(),
        kind: "fridge".into(),
        site: "kitchen".into(),
        source: Some(Source { connection: None, topic: "f".into(), readings: vec![map], time: None, id: None }),
        availability: None,
        commands: Actions::from_iter([(
            "on".into(),
            Action {
                sets,
                momentary: false,
                idempotent: false,
                expires: limits::COMMAND_EXPIRY,
                topic: "f/set".into(),
                payload: "ON".into(),
            },
        )]),
        confirm: Confirm { within: Span::from_secs(5), retries: 0 },
        about: Vec::new(),
    }
}

fn set(kind: Kind, rule: Rule) -> engine::Setup {
    let role = |members| Role { name: "probe".into(), capabilities: Vec::new(), many: true, members, selector: None };
    let deployment = Deployment {
        name: "cold".into(),
        package: PackageRef { id: "rule".into(), version: "1.0.0".into(), digest: PackageDigest([7; 32]) },
        world: World::Rule,
        key: KeyKind::Device,
        lifecycle: Lifecycle::Warm,
        state_version: 1,
        completions: ["failed", "confirmed", "expired"].map(Name::from).to_vec(),
        settings: "{}".into(),
        roles: vec![role(vec![DeviceNo(1)])],
        triggers: vec![Trigger { name: "warm".into(), role: Some("probe".into()), kind }],
        histories: Vec::new(),
        grants: Grants {
            commands: vec![CommandGrant {
                role: "probe".into(),
                action: "on".into(),
                arguments: BTreeMap::new(),
                priority: (9, 16),
                hours: None,
            }],
            emit: vec!["alarm".into()],
            ..Grants::default()
        },
        metrics: Vec::new(),
        limits: Limits::default(),
    };
    engine::Setup {
        partitions: 1,
        devices: Arc::new(Devices::new([fridge()])),
        deployments: vec![(Arc::new(deployment), Arc::new(Native(rule, false)) as Arc<dyn Program>)],
        groups: Vec::new(),
        default_sink: "mqtt".into(),
    }
}

fn minute(n: i64) -> Instant {
    Instant(n * 60_000_000)
}

fn input(id: usize, body: Body) -> Input {
    Input {
        id: Name::from(format!("line:{id}")),
        source: "test".into(),
        own_id: false,
        occurred_at: None,
        body,
        attributes: Vec::new(),
        redelivery: None,
    }
}

fn reading(name: &str, value: Value) -> Body {
    let reading = Reading {
        capability: capability(name),
        value,
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![reading] }
}

/// Both sets over temperatures by minute; decisions from minute `from` on count.
fn run(old: engine::Setup, new: engine::Setup, from: Option<i64>, window: Span, readings: &[(i64, f64)]) -> Report {
    let options = Options {
        old: "old".into(),
        new: "new".into(),
        stream: "test".into(),
        from: from.map(minute),
        window,
        zone: "Europe/Berlin".into(),
    };
    let mut run = Backtest::new(old, new, Results::new(), options).expect("two sets");
    for (id, (at, value)) in readings.iter().enumerate() {
        run.take(input(id, reading("temperature", Value::Number(*value))), minute(*at));
    }
    run.finish(None)
}

const HOUR: Span = Span::from_hours(1);

/// What differs: class, minute, and how many seconds later.
#[track_caller]
fn check(report: &Report, expected: &[(Class, i64, Option<f64>)]) {
    let found: Vec<_> = report.differences.iter().map(|d| (d.class, d.at.0 / 60_000_000, d.moved_seconds)).collect();
    assert_eq!(found, expected);
    let counts = report.counts;
    assert_eq!(counts.differing(), expected.len() as u64);
    assert_eq!(counts.old, counts.same + counts.removed + counts.moved + counts.changed);
    assert_eq!(counts.new, counts.same + counts.added + counts.moved + counts.changed);
}

#[test]
fn the_same_set_twice_differs_in_nothing() {
    let report = run(
        set(threshold(8.0), alarm),
        set(threshold(8.0), alarm),
        None,
        HOUR,
        &[(1, 5.0), (2, 9.0), (3, 5.0), (4, 9.0)],
    );
    check(&report, &[]);
    assert_eq!(report.counts.same, 2);
    assert!(report.sentence().starts_with("Nothing changes"), "{}", report.sentence());
}

#[test]
fn a_higher_limit_only_removes_and_a_lower_one_only_adds() {
    let readings = [(100, 5.0), (101, 8.5), (102, 5.0), (200, 9.5), (201, 5.0)];
    let report = run(set(threshold(8.0), alarm), set(threshold(9.0), alarm), None, HOUR, &readings);
    check(&report, &[(Class::Removed, 101, None)]);
    assert_eq!(report.counts.same, 1);
    let report = run(set(threshold(9.0), alarm), set(threshold(8.0), alarm), None, HOUR, &readings);
    check(&report, &[(Class::Added, 101, None)]);
    assert!(report.differences[0].old.is_none() && report.differences[0].new.is_some());
}

#[test]
fn a_longer_hold_moves_the_alarm_as_far_as_the_window_reaches() {
    let readings: Vec<(i64, f64)> = (0..120).map(|minute| (minute, if minute < 10 { 5.0 } else { 9.0 })).collect();
    let moved = |window| run(set(held(8.0, 10), alarm), set(held(8.0, 40), alarm), None, window, &readings);
    check(&moved(Span::from_mins(30)), &[(Class::Moved, 20, Some(1_800.0))]);
    check(&moved(Span(Span::from_mins(30).0 - 1)), &[(Class::Removed, 20, None), (Class::Added, 50, None)]);
    let earlier = run(set(held(8.0, 40), alarm), set(held(8.0, 10), alarm), None, HOUR, &readings);
    check(&earlier, &[(Class::Moved, 50, Some(-1_800.0))]);
}

#[test]
fn another_content_at_the_same_instant_is_a_change_and_says_what() {
    let report = run(set(threshold(8.0), alarm), set(threshold(8.0), loud), None, HOUR, &[(1, 5.0), (2, 9.0)]);
    check(&report, &[(Class::Changed, 2, None)]);
    let field = &report.differences[0].fields[0];
    assert_eq!((&*field.path, field.new.clone()), ("effect.attributes.loud", serde_json::json!(true)));
}

#[test]
fn the_nearest_in_time_belong_together() {
    // The old set tells at 10, 30 and 50, the new one at 12 and 50: 30 has nobody.
    let low = [(0, 5.0), (10, 8.5), (12, 9.5), (14, 5.0), (30, 8.5), (31, 5.0), (50, 9.5)];
    let report = run(set(threshold(8.0), alarm), set(threshold(9.0), alarm), None, HOUR, &low);
    check(&report, &[(Class::Moved, 10, Some(120.0)), (Class::Removed, 30, None)]);
}

#[test]
fn what_came_before_warms_up_and_does_not_count() {
    let readings = [(0, 5.0), (5, 8.5), (6, 5.0), (10, 8.5), (11, 5.0)];
    let from = |from| run(set(threshold(8.0), alarm), set(threshold(9.0), alarm), Some(from), HOUR, &readings);
    check(&from(5), &[(Class::Removed, 5, None), (Class::Removed, 10, None)]);
    check(&from(6), &[(Class::Removed, 10, None)]);
    // The hold began before the border and is known after it.
    let readings: Vec<(i64, f64)> = (1..60).map(|minute| (minute, 9.0)).collect();
    let report = run(set(held(8.0, 30), alarm), set(held(8.0, 90), alarm), Some(25), HOUR, &readings);
    check(&report, &[(Class::Removed, 31, None)]);
}

#[test]
fn differences_are_counted_by_deployment_device_and_hour() {
    let report = run(set(threshold(8.0), alarm), set(threshold(9.0), alarm), None, HOUR, &[(0, 5.0), (61, 8.5)]);
    let named =
        |rows: &[crate::Named]| rows.iter().map(|row| (row.name.to_string(), row.counts.removed)).collect::<Vec<_>>();
    assert_eq!(named(&report.deployments), [("cold".to_owned(), 1)]);
    assert_eq!(named(&report.devices), [("fridge".to_owned(), 1)]);
    // One minute past one, UTC, in the winter of 1970.
    assert_eq!(report.hours[2].removed, 1);
    assert_eq!(
        report.timeline.iter().map(|bar| (bar.old, bar.new)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
        (1, 0)
    );
}

/// What became of the command of the new set, where the stream goes on as given.
fn outcomes(rest: &[(i64, Body)], results: Results) -> (Vec<String>, Report) {
    let options = Options {
        old: "old".into(),
        new: "new".into(),
        stream: "test".into(),
        from: None,
        window: HOUR,
        zone: "UTC".into(),
    };
    let mut run =
        Backtest::new(set(threshold(90.0), switch), set(threshold(8.0), switch), results, options).expect("sets");
    run.take(input(0, reading("temperature", Value::Number(5.0))), minute(0));
    run.take(input(1, reading("temperature", Value::Number(9.0))), minute(1));
    for (id, (seconds, body)) in rest.iter().enumerate() {
        run.take(input(2 + id, body.clone()), Instant(minute(1).0 + seconds * 1_000_000));
    }
    let report = run.finish(Some(minute(5)));
    let outcome = |d: &crate::Difference| Some(d.new.as_ref()?["effect"]["attributes"]["outcome"].as_str()?.to_owned());
    (report.differences.iter().filter_map(outcome).collect(), report)
}

#[test]
fn sinks_are_answered_for_and_what_devices_would_have_said_is_named() {
    let (silent, report) = outcomes(&[], Results::new());
    assert_eq!(silent, ["failed"], "the stream holds no report of the device");
    assert!(report.unknown.iter().any(|line| line.contains("`fridge` to `on` (old 0, new 1)")), "{:?}", report.unknown);
    assert!(report.unknown.iter().any(|line| line.contains("accepted at once")), "{:?}", report.unknown);
    let (echoed, _) = outcomes(&[(3, reading("switch", Value::Boolean(true)))], Results::new());
    assert_eq!(echoed, ["confirmed"]);
}

#[test]
fn what_was_sent_while_warming_up_is_not_told() {
    let readings = [(0, 5.0), (5, 9.0), (6, 5.0), (10, 9.0)];
    let told = |from| {
        let report = run(set(threshold(90.0), switch), set(threshold(8.0), switch), Some(from), HOUR, &readings);
        report.unknown.join("\n")
    };
    assert!(told(1).contains("`fridge` to `on` (old 0, new 2)"), "{}", told(1));
    assert!(told(8).contains("`fridge` to `on` (old 0, new 1)"), "{}", told(8));
}

#[test]
fn a_result_that_the_stream_holds_is_waited_for() {
    let (_, report) = outcomes(&[], Results::new());
    let id = report.differences.iter().find_map(|d| d.new.as_ref()?["effect"]["id"].as_str().map(str::to_owned));
    let effect: Id = id.expect("a command").parse().expect("an id");
    let settled =
        Settled { effect, sink: "mqtt".into(), outcome: Outcome::Expired, reason: None, attempt: 1, due: None };
    let results: Results = HashMap::from([((effect, Name::from("mqtt")), 1)]);
    let (recorded, report) = outcomes(&[(2, Body::Settled(settled))], results);
    assert_eq!(recorded, ["expired"]);
    assert!(!report.unknown.iter().any(|line| line.contains("accepted at once")), "{:?}", report.unknown);
}

#[test]
fn sets_look_back_as_far_as_their_longest_hold_and_history() {
    let spec = |setup: engine::Setup| (*setup.deployments[0].0).clone();
    assert_eq!(warm_up([&spec(set(threshold(8.0), alarm))]), Span::ZERO);
    assert_eq!(warm_up([&spec(set(held(8.0, 90), alarm))]), Span(Span::from_mins(90).0 + limits::GAP_MAX.0));
}

#[test]
fn the_page_holds_its_charts_and_nothing_from_elsewhere() {
    let report = run(set(threshold(8.0), alarm), set(threshold(9.0), alarm), None, HOUR, &[(0, 5.0), (61, 8.5)]);
    let page = render(&report).expect("our own template");
    assert_eq!(page.matches("<svg").count(), 4, "timeline, deployments, devices, hours");
    assert!(page.contains("1 only in the old") && page.contains("prefers-color-scheme: dark"));
    for other in ["<script", "http://", "https://", "<link", "@import", "url("] {
        assert!(!page.contains(other), "{other}");
    }
}
