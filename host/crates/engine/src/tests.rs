//! Behaviour of the engine as a whole, with native rules in place of packages.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::deployment::{
    CommandGrant, Deployment, Grants, KeyKind, Lifecycle, Limits, NotificationGrant, PackageDigest, PackageRef, Role, World,
};
use model::device::{Action, Confirm, Device, Devices, Sets};
use model::effect::{Audience, Command, Emission, Notification, Overdue, Target, Timer, Urgency};
use model::event::{Cause, Freshness, Outcome, Reading};
use model::guest::{Failure, Handled, Host, Instance, Program, Validated};
use model::input::{Body, HostEvent, Settled};
use model::notification::{Class, Group};
use model::trigger::{Gap, Kind, Predicate, Schedule, Spring, Test};
use model::{Capability, Decision, DeviceNo, Effect, Event, Input, Instant, Name, Proposal, Span, Trigger, Value};

use crate::{Engine, Persistence, Setup, Turn};

/// A rule in native code.
type Rule = fn(&Event, &mut dyn Host) -> Result<Vec<Proposal>, Failure>;

struct Native(Rule);

impl Program for Native {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        Ok(Box::new(Native(self.0)))
    }
}

impl Instance for Native {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, mut host: Box<dyn Host>) -> Handled {
        let result = (self.0)(event, &mut *host);
        Handled { host, result, fuel: 0 }
    }
}

fn propose(effect: Effect) -> Proposal {
    Proposal { effect, tag: None, because: None, attributes: Vec::new() }
}

/// Emits one `told` for every event.
fn tell(_: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    Ok(vec![propose(Effect::Emit(Emission { name: "told".into(), key: None, device: None, attributes: Vec::new() }))])
}

fn capability(name: &str) -> Capability {
    Capability::named(name).expect("a name")
}

fn when(test: Test) -> Predicate {
    Predicate::Test { role: None, capability: capability("temperature"), test }
}

fn held(duration: Span, stale: Option<Span>, gap: Gap) -> Kind {
    let gap_max = stale.unwrap_or(model::limits::GAP_MAX);
    Kind::Held { when: when(Test::Above(8.0)), duration, stale, gap, gap_max, snapshot: false }
}

fn device(number: u32, id: &str, site: &str) -> Device {
    let on = Action {
        sets: Some(Sets { capability: capability("switch"), value: Some(Value::Boolean(true)) }),
        momentary: false,
        topic: "lamp/set".into(),
        payload: "ON".into(),
    };
    Device {
        number: DeviceNo(number),
        id: id.into(),
        kind: "thermometer".into(),
        site: site.into(),
        source: None,
        availability: None,
        commands: BTreeMap::from([("on".into(), on)]),
        confirm: Confirm { within: Span::from_secs(5), retries: 1 },
        about: Vec::new(),
    }
}

fn deployment(name: &str, kinds: Vec<Kind>) -> Deployment {
    let role = Role { name: "probe".into(), capabilities: Vec::new(), many: true, members: vec![DeviceNo(1)], selector: None };
    let roleless = |kind: &Kind| matches!(kind, Kind::Schedule(_) | Kind::Message { .. } | Kind::Custom { .. });
    let triggers = kinds.into_iter().enumerate().map(|(index, kind)| Trigger {
        name: format!("t{index}").into(),
        role: (!roleless(&kind)).then(|| Name::from("probe")),
        kind,
    });
    Deployment {
        name: name.into(),
        package: PackageRef { id: "rule".into(), version: "1.0.0".into(), digest: PackageDigest([7; 32]) },
        world: World::Rule,
        key: KeyKind::Device,
        lifecycle: Lifecycle::Turn,
        state_version: 1,
        completions: ["refused", "failed", "superseded", "confirmed"].map(Name::from).to_vec(),
        settings: "{}".into(),
        roles: vec![role],
        triggers: triggers.collect(),
        histories: Vec::new(),
        grants: Grants {
            commands: vec![CommandGrant {
                role: "probe".into(),
                action: "on".into(),
                arguments: BTreeMap::new(),
                priority: (9, 16),
            }],
            notifications: vec![NotificationGrant { template: "offer".into(), class: Class::Marketing, purpose: "marketing".into() }],
            publish: vec!["out/+".into()],
            emit: vec!["told".into()],
        },
        metrics: Vec::new(),
        limits: Limits::default(),
    }
}

/// An engine and its clock, fed with the readings of one device.
struct Bench {
    engine: Engine,
    number: u32,
    decisions: Vec<Decision>,
    turns: Vec<Turn>,
}

impl Bench {
    fn new(partitions: u16, deployments: Vec<(Deployment, Rule)>) -> Self {
        Self { engine: Engine::new(setup(partitions, deployments), Persistence::Store).expect("a setup"), number: 0, decisions: Vec::new(), turns: Vec::new() }
    }

    fn one(kind: Kind) -> Self {
        Self::new(1, vec![(deployment("d", vec![kind]), tell)])
    }

    fn input(&mut self, body: Body, occurred_at: Option<Instant>) -> Input {
        self.number += 1;
        let id = Name::from(format!("line:{}", self.number));
        Input { id, source: "test".into(), own_id: false, occurred_at, body, attributes: Vec::new(), redelivery: None }
    }

    fn take(&mut self, body: Body, received: i64, occurred: Option<i64>) -> &mut Self {
        let input = self.input(body, occurred.map(minute));
        self.engine.take(&input, minute(received));
        self.collect();
        self
    }

    fn read(&mut self, received: i64, occurred: i64, temperature: f64) -> &mut Self {
        self.take(reading(DeviceNo(1), temperature), received, Some(occurred))
    }

    fn live(&mut self, at: i64, temperature: f64) -> &mut Self {
        self.read(at, at, temperature)
    }

    fn advance(&mut self, to: i64) -> &mut Self {
        self.engine.advance(minute(to));
        self.collect();
        self
    }

    fn collect(&mut self) {
        let mut turn = self.engine.finish();
        self.decisions.append(&mut turn.decisions);
        self.turns.push(turn);
        assert_eq!(self.engine.accounts().imbalance(), None);
    }

    /// Everything told: (phase or kind, minute).
    fn told(&self) -> Vec<(String, i64)> {
        let word = |d: &Decision| d.cause.phase.map_or_else(|| d.cause.kind.to_string(), |phase| phase.word().to_owned());
        self.decisions.iter().map(|decision| (word(decision), decision.at.0 / 60_000_000)).collect()
    }

    #[track_caller]
    fn check(&self, expected: &[(&str, i64)]) {
        let told = self.told();
        let told: Vec<(&str, i64)> = told.iter().map(|(word, at)| (word.as_str(), *at)).collect();
        assert_eq!(told, expected);
    }

    /// Stops at once and starts again from what was committed.
    fn crash(&mut self, partitions: u16, deployments: Vec<(Deployment, Rule)>) {
        let mut engine = Engine::new(setup(partitions, deployments), Persistence::Store).expect("a setup");
        for partition in 0..partitions {
            let mut rows = BTreeMap::new();
            let mut sequence = 0;
            for commit in self.turns.iter().flat_map(|turn| &turn.commits).filter(|c| c.partition == partition) {
                sequence = commit.journal.last().map_or(sequence, |row| row.sequence);
                for change in &commit.changes {
                    match &change.value {
                        Some(value) => rows.insert((change.table, change.key.clone()), value.clone()),
                        None => rows.remove(&(change.table, change.key.clone())),
                    };
                }
            }
            let rows = rows.iter().map(|((table, key), value)| (*table, &**key, &**value));
            engine.restore(partition, sequence, rows).expect("our own rows");
        }
        self.engine = engine;
    }
}

fn setup(partitions: u16, deployments: Vec<(Deployment, Rule)>) -> Setup {
    let devices = Devices::new([device(1, "fridge", "kitchen"), device(2, "freezer", "cellar"), device(3, "oven", "kitchen")]);
    let load = |(deployment, rule): (Deployment, Rule)| (Arc::new(deployment), Arc::new(Native(rule)) as Arc<dyn Program>);
    let groups = vec![Group { name: "staff".into(), sinks: vec!["hook".into()] }];
    Setup { partitions, devices: Arc::new(devices), deployments: deployments.into_iter().map(load).collect(), groups, default_sink: "mqtt".into() }
}

fn minute(n: i64) -> Instant {
    Instant(n * 60_000_000)
}

fn reading(device: DeviceNo, temperature: f64) -> Body {
    let reading = Reading {
        capability: capability("temperature"),
        value: Value::Number(temperature),
        unit: Some("Cel".into()),
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    Body::Observation { device, freshness: Freshness::Live, readings: vec![reading] }
}

fn started() -> Body {
    Body::Host(HostEvent::Started { engine: "test".into(), zones: "test".into() })
}

#[test]
fn a_hold_fires_at_its_start_plus_its_time_and_once() {
    let mut bench = Bench::one(held(Span::from_mins(30), None, Gap::Continue));
    bench.live(1, 7.0).live(10, 9.0).live(20, 9.5).live(41, 9.0).live(80, 9.0).live(90, 7.0);
    bench.check(&[("began", 40), ("ended", 90)]);
}

#[test]
fn a_hold_fires_at_a_tie_with_the_reading_that_ends_it() {
    let mut bench = Bench::one(held(Span::from_mins(30), None, Gap::Continue));
    bench.live(10, 9.0).live(40, 7.0);
    bench.check(&[("began", 40), ("ended", 40)]);
}

#[test]
fn the_clock_alone_decides_a_hold() {
    let mut bench = Bench::one(held(Span::from_mins(30), None, Gap::Continue));
    bench.live(10, 9.0).advance(39);
    bench.check(&[]);
    bench.advance(40);
    bench.check(&[("began", 40)]);
}

#[test]
fn the_clock_gives_a_device_that_lags_its_lag() {
    let mut bench = Bench::one(held(Span::from_mins(30), None, Gap::Continue));
    bench.read(15, 10, 9.0).advance(44);
    bench.check(&[]);
    bench.advance(45);
    bench.check(&[("began", 40)]);
}

#[test]
fn an_uploaded_hour_is_judged_by_its_own_stamps() {
    let mut bench = Bench::one(held(Span::from_mins(30), None, Gap::Continue));
    for at in 0..60 {
        bench.read(100, 40 + at, if at < 45 { 9.0 } else { 7.0 });
    }
    bench.check(&[("began", 70), ("ended", 85)]);
}

#[test]
fn a_stale_value_ends_a_run_where_gaps_reset() {
    let mut bench = Bench::one(held(Span::from_mins(30), Some(Span::from_mins(15)), Gap::Reset));
    bench.live(0, 9.0).live(15, 9.0).live(31, 9.0).live(46, 9.0).live(61, 9.0).live(70, 9.0);
    bench.check(&[("began", 61)]);
}

#[test]
fn unknown_time_does_not_count_where_gaps_pause() {
    let mut bench = Bench::one(held(Span::from_mins(30), Some(Span::from_mins(15)), Gap::Pause));
    // Known from 0 to 15 and again from 25: ten minutes do not count.
    bench.live(1, 9.0).live(26, 9.0).live(36, 9.0).advance(40).live(41, 9.0);
    bench.check(&[("began", 41)]);
}

#[test]
fn unknown_time_counts_up_to_the_longest_gap() {
    let continued = held(Span::from_mins(30), Some(Span::from_mins(15)), Gap::Continue);
    let mut bench = Bench::one(continued.clone());
    bench.live(1, 9.0).advance(60);
    bench.check(&[("began", 31), ("ended", 31)]);
    let mut bench = Bench::one(Kind::Held {
        when: when(Test::Above(8.0)),
        duration: Span::from_mins(30),
        stale: Some(Span::from_mins(10)),
        gap: Gap::Continue,
        gap_max: Span::from_mins(10),
        snapshot: false,
    });
    bench.live(1, 9.0).advance(60);
    bench.check(&[]);
    drop(continued);
}

#[test]
fn a_hold_survives_a_crash_in_its_middle() {
    let kind = held(Span::from_mins(3), None, Gap::Continue);
    let deployments = || vec![(deployment("d", vec![kind.clone()]), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.live(10, 9.0);
    bench.crash(1, deployments());
    bench.take(started(), 12, None).advance(13);
    bench.check(&[]);
    bench.take(Body::Host(HostEvent::CaughtUp), 14, None).advance(30);
    bench.check(&[("began", 13)]);
}

#[test]
fn a_message_that_waited_during_downtime_raises_no_false_alarm() {
    let kind = held(Span::from_mins(3), None, Gap::Continue);
    let deployments = || vec![(deployment("d", vec![kind.clone()]), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.live(10, 9.0);
    bench.crash(1, deployments());
    bench.take(started(), 20, None).read(20, 12, 7.0).take(Body::Host(HostEvent::CaughtUp), 21, None).advance(60);
    bench.check(&[]);
}

#[test]
fn thresholds_have_hysteresis() {
    let mut bench = Bench::one(Kind::Threshold { when: when(Test::AtLeast(8.0)), clear: Some(when(Test::Below(7.0))), snapshot: false });
    bench.live(1, 7.9).live(2, 8.0).live(3, 7.5).live(4, 8.2).live(5, 7.0).live(6, 6.9).live(7, 8.0);
    bench.check(&[("began", 2), ("ended", 6), ("began", 7)]);
}

#[test]
fn a_snapshot_ends_what_had_begun_and_begins_nothing() {
    let mut bench = Bench::one(Kind::Threshold { when: when(Test::AtLeast(8.0)), clear: None, snapshot: false });
    let snapshot = |temperature: f64| match reading(DeviceNo(1), temperature) {
        Body::Observation { device, readings, .. } => Body::Observation { device, readings, freshness: Freshness::Snapshot },
        other => other,
    };
    bench.take(snapshot(9.0), 1, None);
    bench.check(&[]);
    bench.live(2, 9.0).take(snapshot(5.0), 3, None);
    bench.check(&[("began", 2), ("ended", 3)]);
}

#[test]
fn out_of_order_and_late_readings_change_no_hold() {
    let mut bench = Bench::one(held(Span::from_mins(30), None, Gap::Continue));
    bench.live(10, 9.0).live(20, 9.0).read(21, 15, 5.0).read(22, 9, 5.0).live(41, 9.0);
    bench.check(&[("began", 40)]);
    assert_eq!((bench.engine.accounts().out_of_order, bench.engine.accounts().late), (1, 1));
}

#[test]
fn a_deadband_fires_on_slow_drift() {
    let kind = Kind::Change { capability: capability("temperature"), from: None, to: None, deadband: Some(1.0), snapshot: false };
    let mut bench = Bench::one(kind);
    for (at, value) in [(1, 20.0), (2, 20.4), (3, 20.8), (4, 21.0), (5, 21.9), (6, 19.9)] {
        bench.live(at, value);
    }
    bench.check(&[("observation", 4), ("observation", 6)]);
}

#[test]
fn silence_counts_for_a_device_that_never_spoke() {
    let mut bench = Bench::one(Kind::Silence { duration: Span::from_mins(15) });
    bench.advance(1).advance(16).advance(40).live(41, 5.0).live(50, 5.0).advance(64);
    bench.check(&[("began", 16), ("ended", 41)]);
    bench.advance(65);
    bench.check(&[("began", 16), ("ended", 41), ("began", 65)]);
}

/// A recording played years later with its own stamps: silence is judged in the device's time, not the host's.
#[test]
fn silence_is_judged_in_the_time_of_a_device_that_lags() {
    let mut bench = Bench::one(Kind::Silence { duration: Span::from_mins(15) });
    bench.take(started(), 100_000, None).take(Body::Host(HostEvent::CaughtUp), 100_000, None);
    bench.read(100_001, 10, 5.0).read(100_001, 20, 5.0).read(100_001, 40, 5.0);
    bench.check(&[("began", 35), ("ended", 40)]);
}

#[test]
fn a_blink_of_unavailability_is_no_event() {
    let mut bench = Bench::one(Kind::Availability { outage_min: Span::from_mins(5) });
    let gone = |available| Body::Availability { device: DeviceNo(1), available };
    bench.take(gone(true), 1, None).take(gone(false), 10, None).take(gone(true), 14, None).advance(20);
    bench.check(&[]);
    bench.take(gone(false), 30, None).advance(40).take(gone(true), 50, None);
    bench.check(&[("began", 35), ("ended", 50)]);
}

#[test]
fn a_schedule_missed_while_down_fires_once_and_says_how_many() {
    let kind = Kind::Schedule(Schedule {
        cron: "*/10 * * * *".into(),
        zone: "UTC".into(),
        overdue: Overdue::FireWithin(Span::from_hours(1)),
        spring: Spring::After,
        autumn: None,
    });
    fn missed(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        let Cause::Schedule(tick) = &event.cause else { return Err(Failure::Permanent("no schedule".into())) };
        assert_eq!(host.get("last").is_some(), tick.due > minute(10));
        host.set("last", Value::Integer(tick.due.0), None).expect("room");
        Ok(vec![propose(Effect::Publish(model::event::Message {
            topic: format!("out/{}", tick.missed).into(),
            payload: Box::default(),
            content_type: None,
            retained: false,
            attributes: Vec::new(),
        }))])
    }
    let deployments = || vec![(deployment("d", vec![kind.clone()]), missed as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.advance(1).advance(25);
    bench.check(&[("schedule", 10), ("schedule", 20)]);
    bench.crash(1, deployments());
    bench.take(started(), 65, None).advance(70);
    bench.check(&[("schedule", 10), ("schedule", 20), ("schedule", 60), ("schedule", 70)]);
    let topics = bench.decisions.iter().filter_map(|d| match &d.effect.as_ref()?.effect {
        Effect::Publish(message) => Some(message.topic.to_string()),
        _ => None,
    });
    assert_eq!(topics.collect::<Vec<_>>(), ["out/0", "out/0", "out/3", "out/0"]);
}

fn timer_rule(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    match &event.cause {
        Cause::Observation(_) => Ok(vec![propose(Effect::SetTimer(Timer {
            name: "later".into(),
            due: event.received_at + Span::from_mins(10),
            overdue: Overdue::FireWithin(Span::from_mins(30)),
            payload: Some(Value::text("kept")),
            attributes: Vec::new(),
        }))]),
        Cause::Timer(tick) if tick.payload == Some(Value::text("kept")) => tell(event, &mut crate::Nowhere::new("{}")),
        other => Err(Failure::Permanent(format!("{other:?}"))),
    }
}

fn each_reading() -> Kind {
    Kind::Reading { capability: None, snapshot: false, late: false }
}

#[test]
fn a_timer_survives_a_crash_and_fires_late_within_its_bound() {
    let deployments = || vec![(deployment("d", vec![each_reading()]), timer_rule as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.live(1, 5.0);
    bench.crash(1, deployments());
    bench.take(started(), 31, None);
    bench.check(&[("observation", 1), ("timer", 11)]);
    let mut bench = Bench::new(1, deployments());
    bench.live(1, 5.0);
    bench.crash(1, deployments());
    bench.take(started(), 42, None);
    bench.check(&[("observation", 1)]);
    assert_eq!(bench.engine.accounts().skipped_timers, 1);
}

#[test]
fn setting_a_timer_again_moves_it() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), timer_rule)]);
    bench.live(1, 5.0).live(6, 5.0).advance(60);
    bench.check(&[("observation", 1), ("observation", 6), ("timer", 16)]);
    assert_eq!(bench.engine.timers(), 0);
}

fn command_rule(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    let Value::Number(temperature) = observation.readings[0].value else { return Ok(Vec::new()) };
    let command = Command {
        target: if temperature > 50.0 { Target::Device("oven".into()) } else { Target::Role("probe".into()) },
        action: if temperature > 40.0 && temperature <= 50.0 { "off".into() } else { "on".into() },
        arguments: Vec::new(),
        priority: (temperature > 30.0 && temperature <= 40.0).then_some(10),
        hold: None,
        expires_at: None,
        only_if: Vec::new(),
        attributes: Vec::new(),
    };
    Ok(vec![propose(Effect::Command(command))])
}

/// The reasons of all refusals, and how many effects were allowed.
fn verdicts(bench: &Bench) -> (Vec<String>, usize) {
    let refused = bench.decisions.iter().filter(|d| d.effect.is_some()).filter_map(|d| d.reason.as_ref());
    let allowed = bench.decisions.iter().filter(|d| d.effect.is_some() && d.reason.is_none()).count();
    (refused.map(ToString::to_string).collect(), allowed)
}

#[test]
fn a_command_needs_a_granted_action_on_a_member_and_no_gate_that_is_missing() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0).live(2, 35.0).live(3, 45.0).live(4, 55.0);
    assert_eq!(verdicts(&bench), (["no-priority-array", "not-granted", "not-granted"].map(String::from).to_vec(), 1));
}

#[test]
fn a_command_is_confirmed_by_what_the_device_reports() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0);
    let effect = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).next().expect("a command").outgoing.effect;
    let settled = Settled { effect, sink: "mqtt".into(), outcome: Outcome::Accepted, reason: None, attempt: 1 };
    bench.take(Body::Settled(settled), 1, None);
    let switch = Reading {
        capability: capability("switch"),
        value: Value::Boolean(true),
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    bench.take(Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![switch] }, 1, None);
    assert_eq!(bench.engine.accounts().confirmed, 1);
}

#[test]
fn a_command_that_nobody_confirms_is_sent_again_and_then_fails() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0);
    for at in [1, 2] {
        let rows: Vec<_> = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.outbox).collect();
        assert_eq!(rows.len(), usize::try_from(at).expect("small"), "the same effect each time");
        assert_eq!(rows[0].outgoing.effect, rows[rows.len() - 1].outgoing.effect);
        let settled = Settled { effect: rows[0].outgoing.effect, sink: "mqtt".into(), outcome: Outcome::Accepted, reason: None, attempt: 1 };
        bench.take(Body::Settled(settled), at, None).advance(at + 1);
    }
    assert_eq!(bench.engine.accounts().failed, 1);
}

#[test]
fn a_newer_command_supersedes_one_that_has_not_arrived() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.live(1, 20.0).live(2, 21.0);
    let accounts = bench.engine.accounts();
    assert_eq!((accounts.superseded, accounts.waiting), (1, 1));
}

#[test]
fn marketing_is_refused_until_consent_exists() {
    fn offer(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        if !matches!(event.cause, Cause::Observation(_)) {
            return Ok(Vec::new());
        }
        Ok(vec![propose(Effect::Notification(Notification {
            template: "offer".into(),
            to: Audience::Group("staff".into()),
            parameters: Vec::new(),
            urgency: Urgency::Normal,
            dedupe: None,
            not_before: None,
            expires_at: None,
            attributes: Vec::new(),
        }))])
    }
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), offer)]);
    bench.live(1, 20.0);
    assert_eq!(verdicts(&bench), (vec!["no-consent".to_owned()], 0));
    let mut service = deployment("d", vec![each_reading()]);
    service.grants.notifications[0].class = Class::Service;
    let mut bench = Bench::new(1, vec![(service, offer)]);
    bench.live(1, 20.0);
    assert_eq!(verdicts(&bench), (Vec::new(), 1));
}

#[test]
fn rules_that_wake_each_other_stop_at_the_causal_limits() {
    let echo = |name: &str| deployment(name, vec![Kind::Custom { name: "told".into() }, each_reading()]);
    let mut bench = Bench::new(1, vec![(echo("a"), tell), (echo("b"), tell)]);
    bench.live(1, 20.0);
    let (refused, allowed) = verdicts(&bench);
    assert!(allowed <= model::limits::EFFECTS_PER_ROOT as usize, "{allowed}");
    assert!(refused.iter().any(|reason| reason == "too-many-effects" || reason == "too-deep"));
}

#[test]
fn a_failed_step_leaves_nothing_and_others_go_on() {
    fn fails(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        host.set("written", Value::Boolean(true), None).expect("room");
        assert!(host.get("written").is_some());
        Err(Failure::Permanent(format!("cannot do {}", event.trigger)))
    }
    fn looks(_: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        assert!(host.get("written").is_none());
        tell(&Event { ..dummy() }, host)
    }
    let mut bench = Bench::new(1, vec![(deployment("a", vec![each_reading()]), fails), (deployment("b", vec![each_reading()]), looks)]);
    bench.live(1, 20.0);
    assert_eq!(verdicts(&bench), (Vec::new(), 1));
    let commit = &bench.turns[0].commits[0];
    assert_eq!(commit.dead_letters.len(), 1);
    assert!(commit.changes.iter().all(|change| change.table != store::Table::State));
}

fn dummy() -> Event {
    Event {
        id: "x".into(),
        trigger: "".into(),
        key: "".into(),
        occurred_at: Instant(0),
        received_at: Instant(0),
        cause: Cause::Custom(model::event::Custom { name: "x".into(), attributes: Vec::new() }),
        attributes: Vec::new(),
    }
}

#[test]
fn a_passing_failure_is_tried_again_in_order_and_holds_back_only_its_key() {
    fn flaky(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        let tried = event.attributes.iter().any(|(name, _)| &**name == "delayed");
        if event.key == Name::from("fridge") && !tried {
            return Err(Failure::Transient("not now".into()));
        }
        tell(event, host)
    }
    let mut spec = deployment("d", vec![each_reading()]);
    spec.roles[0].members.push(DeviceNo(3));
    let mut bench = Bench::new(1, vec![(spec, flaky)]);
    bench.live(1, 1.0).take(reading(DeviceNo(3), 2.0), 1, None).take(reading(DeviceNo(1), 3.0), 1, None);
    let done = |bench: &Bench| bench.decisions.iter().filter(|d| d.effect.is_some()).map(|d| d.key.to_string()).collect::<Vec<_>>();
    assert_eq!(done(&bench), ["oven"]);
    assert_eq!(bench.engine.accounts().pending, 2);
    bench.advance(2);
    assert_eq!(done(&bench), ["oven", "fridge", "fridge"]);
    assert_eq!(bench.engine.accounts().pending, 0);
}

#[test]
fn the_same_own_id_again_is_a_duplicate_and_equal_payloads_are_not() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), tell)]);
    bench.live(1, 1.0).live(1, 1.0);
    assert_eq!(bench.decisions.len(), 2);
    let mut input = bench.input(reading(DeviceNo(1), 1.0), None);
    input.own_id = true;
    assert!(bench.engine.take(&input, minute(2)));
    assert!(!bench.engine.take(&input, minute(3)));
    bench.collect();
    assert_eq!(bench.decisions.len(), 3);
}

#[test]
fn a_redelivered_message_is_taken_once_and_a_reused_packet_is_new() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), tell)]);
    let mut deliver = |device: u32, digest: u64, again: bool| {
        let mut input = bench.input(reading(DeviceNo(device), 1.0), None);
        input.redelivery = Some(model::input::Redelivery { session: "s".into(), packet: 7, again, digest });
        let new = bench.engine.take(&input, minute(1));
        bench.collect();
        new
    };
    assert!(deliver(1, 10, false), "first part of a message");
    assert!(deliver(3, 10, false), "second part of it");
    assert!(!deliver(1, 10, true), "the first part again");
    assert!(!deliver(3, 10, true), "the second part again");
    assert!(deliver(1, 11, false), "another message under the same packet identifier");
    assert!(deliver(3, 10, true), "not a redelivery: the identifier was used for another message since");
}

#[test]
fn partitions_change_no_decision() {
    let run = |partitions: u16| {
        let mut everywhere = deployment("all", vec![each_reading(), held(Span::from_mins(3), None, Gap::Continue)]);
        everywhere.key = KeyKind::One;
        everywhere.roles[0].members = vec![DeviceNo(1), DeviceNo(2), DeviceNo(3)];
        let mut by_device = deployment("own", vec![each_reading(), Kind::Custom { name: "told".into() }]);
        by_device.roles[0].members = vec![DeviceNo(1), DeviceNo(2)];
        let mut bench = Bench::new(partitions, vec![(everywhere, command_rule), (by_device, tell)]);
        for at in 1..20 {
            let device = DeviceNo(u32::try_from(at % 3).expect("small") + 1);
            bench.take(reading(device, at as f64), at, None);
        }
        let mut digest = crate::digest::RunDigest::default();
        bench.decisions.iter().for_each(|decision| digest.add(decision));
        (bench.decisions.len(), digest.finish())
    };
    assert_eq!(run(1), run(16));
    assert_eq!(run(1), run(5));
}
