//! Failures, duplicates, partitions: what stays in order and what holds back whom.

use super::*;
use crate::seen::OwnIds;

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
    let mut bench = Bench::new(
        1,
        vec![(deployment("a", vec![each_reading()]), fails), (deployment("b", vec![each_reading()]), looks)],
    );
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
    let done = |bench: &Bench| {
        bench.decisions.iter().filter(|d| d.effect.is_some()).map(|d| d.key.to_string()).collect::<Vec<_>>()
    };
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
fn an_own_id_of_a_message_that_may_come_again_counts_once_after_a_restart() {
    let deployments = || vec![(deployment("d", vec![each_reading()]), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    let own = |bench: &mut Bench, id: &str| {
        let mut input = bench.input(reading(DeviceNo(1), 1.0), None);
        (input.id, input.own_id) = (id.into(), true);
        input.redelivery = Some(model::input::Redelivery { session: "s".into(), packet: 7, again: false, digest: 1 });
        input
    };
    let first = own(&mut bench, "a");
    assert!(bench.engine.take(&first, minute(1)));
    bench.collect();
    bench.crash(1, deployments());
    bench.engine.remember(0, &first);
    bench.engine.remember_own_ids(OwnIds { count: 2, ..OwnIds::default() });
    let second = own(&mut bench, "b");
    assert!(bench.engine.take(&second, minute(2)));
    assert!(!bench.engine.take(&first, minute(3)), "two ids are remembered, and it is one of them");
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
fn partitions_and_turn_boundaries_change_no_decision() {
    let run = |partitions: u16, batch: usize| {
        let mut everywhere = deployment("all", vec![each_reading(), held(Span::from_mins(3), None, Gap::Continue)]);
        everywhere.key = KeyKind::One;
        everywhere.roles[0].members = vec![DeviceNo(1), DeviceNo(2), DeviceNo(3)];
        let mut by_device = deployment("own", vec![each_reading(), Kind::Custom { name: "told".into() }]);
        by_device.roles[0].members = vec![DeviceNo(1), DeviceNo(2)];
        let mut listener = deployment("zeta", vec![Kind::Custom { name: "told".into() }]);
        listener.key = KeyKind::One;
        listener.grants.emit = Vec::new();
        let rules: [(Deployment, Rule); 3] = [(everywhere, effects::command_rule), (by_device, tell), (listener, tell)];
        let mut bench = Bench::new(partitions, rules.into());
        for at in 1..20 {
            let device = DeviceNo(u32::try_from(at % 3).expect("small") + 1);
            let input = bench.input(reading(device, at as f64), None);
            bench.engine.take(&input, minute(at));
            if (at as usize).is_multiple_of(batch) {
                bench.collect();
            }
        }
        bench.collect();
        let mut digest = crate::digest::RunDigest::default();
        bench.decisions.iter().for_each(|decision| digest.add(decision));
        (bench.decisions.len(), digest.finish())
    };
    let alone = run(1, 1);
    assert!(alone.0 > 40, "the digest is over decisions");
    for (partitions, batch) in [(1, 7), (1, 256), (5, 1), (16, 1), (16, 7), (16, 256)] {
        assert_eq!(run(partitions, batch), alone, "{partitions} partitions, turns of {batch}");
    }
}

#[test]
fn the_row_of_a_decision_has_the_partitions_time_and_not_the_devices() {
    let mut bench = Bench::one(each_reading());
    bench.read(1_000_000, 5, 7.0);
    let rows: Vec<_> = bench.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.decisions).collect();
    assert_eq!((rows[0].at, bench.decisions[0].at), (minute(1_000_000), minute(5)), "retention goes by the row");
}

#[test]
fn what_was_due_before_a_kill_is_decided_the_same_by_a_run_over_the_records_alone() {
    let remind: Rule = |event, _| {
        Ok(vec![propose(Effect::SetTimer(Timer {
            name: "remind".into(),
            due: event.received_at + Span::from_mins(30),
            overdue: Overdue::Fire,
            payload: None,
            attributes: Vec::new(),
        }))])
    };
    let run = |saw_it: bool| {
        let mut bench =
            Bench::new(1, vec![(deployment("d", vec![held(Span::from_mins(5), None, Gap::Continue)]), remind)]);
        bench.live(0, 9.0);
        if saw_it {
            bench.advance(5);
        }
        bench.take(started_after(Some(minute(5))), 6, None).take(Body::Host(HostEvent::CaughtUp), 7, None);
        bench.decisions
    };
    let live = run(true);
    assert_eq!(live.len(), 1, "{live:?}");
    assert_eq!(run(false), live);
}

/// What is still true of the world when a step that waited runs, not what was when it was put aside.
#[test]
fn a_step_that_waited_sees_the_world_as_it_is_then() {
    fn sees(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        if !event.attributes.iter().any(|(name, _)| &**name == "delayed") {
            return Err(Failure::Transient("not now".into()));
        }
        let seen = |device| host.last(device, "temperature").map_or("none".to_owned(), |known| known.value.to_string());
        let runs = match host.get("runs") {
            Some(Value::Integer(runs)) => runs,
            _ => 0,
        };
        let topic = format!("out/{}-{}-{runs}", seen("fridge"), seen("oven"));
        host.set("runs", Value::Integer(runs + 1), None).expect("room");
        Ok(vec![propose(Effect::Publish(model::event::Message {
            topic: topic.into(),
            payload: Box::default(),
            content_type: None,
            retained: false,
            attributes: Vec::new(),
        }))])
    }
    let mut spec = deployment("d", vec![each_reading()]);
    spec.key = KeyKind::Site;
    spec.roles[0].members.push(DeviceNo(3));
    let mut bench = Bench::new(1, vec![(spec, sees)]);
    bench.live(1, 1.0).take(reading(DeviceNo(3), 7.0), 1, None).take(reading(DeviceNo(1), 3.0), 1, None).advance(10);
    let topic = |decision: &Decision| match &decision.effect.as_ref()?.effect {
        Effect::Publish(message) => Some(message.topic.to_string()),
        _ => None,
    };
    let seen: Vec<_> = bench.decisions.iter().filter_map(topic).collect();
    assert_eq!(seen, ["out/3-7-0", "out/3-7-1", "out/3-7-2"], "the newest values, and what the one before it wrote");
}

#[test]
fn the_event_that_opens_the_second_door_sees_both_open() {
    fn counts(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        let open = |device: &&str| {
            host.last(device, "temperature").is_some_and(|known| matches!(known.value, Value::Number(n) if n > 8.0))
        };
        let count = ["fridge", "oven"].iter().filter(|device| open(device)).count();
        Ok(vec![propose(Effect::Publish(model::event::Message {
            topic: format!("out/{}-{count}", event.trigger).into(),
            payload: Box::default(),
            content_type: None,
            retained: false,
            attributes: Vec::new(),
        }))])
    }
    let role = |name: &str, members: &[u32]| Role {
        name: name.into(),
        capabilities: Vec::new(),
        many: members.len() > 1,
        members: members.iter().copied().map(DeviceNo).collect(),
        selector: None,
    };
    let back =
        Predicate::Test { role: Some("back".into()), capability: capability("temperature"), test: Test::Above(8.0) };
    let both = Predicate::All(vec![when(Test::Above(8.0)), back]);
    let kinds = vec![Kind::Threshold { when: both, clear: None, snapshot: false, keep: false }, each_reading()];
    let mut spec = deployment("d", kinds);
    spec.key = KeyKind::Site;
    spec.roles = vec![role("front", &[1]), role("back", &[3]), role("probe", &[1, 3])];
    spec.triggers[0].role = Some("front".into());
    let seen = |first: u32, second: u32| {
        let mut bench = Bench::new(1, vec![(spec.clone(), counts)]);
        bench.take(reading(DeviceNo(first), 9.0), 1, None).take(reading(DeviceNo(second), 9.0), 2, None);
        let topic = |decision: &Decision| match &decision.effect.as_ref()?.effect {
            Effect::Publish(message) => Some((message.topic.to_string(), decision.at)),
            _ => None,
        };
        bench.decisions.iter().filter_map(topic).collect::<Vec<_>>()
    };
    let expected =
        [("out/t1-1", 1), ("out/t0-2", 2), ("out/t1-2", 2)].map(|(topic, at)| (topic.to_owned(), minute(at)));
    assert_eq!(seen(1, 3), expected);
    assert_eq!(seen(3, 1), expected);
}
