//! An operator's own commands: decided at the actuator like a rule's, and the same again from the journal.

use model::limits;

use super::effects::command_rule;
use super::exact::{feed, journal};
use super::*;
use crate::Exact;

const FRIDGE: DeviceNo = DeviceNo(1);

fn manual(device: DeviceNo, action: &str) -> Body {
    Body::Manual { device, action: action.into(), arguments: Vec::new() }
}

fn switched(on: bool) -> Body {
    let reading = Reading {
        capability: capability("switch"),
        value: Value::Boolean(on),
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    Body::Observation { device: FRIDGE, freshness: Freshness::Live, readings: vec![reading] }
}

fn settled(effect: model::Id, outcome: Outcome) -> Body {
    Body::Settled(Settled { effect, sink: "mqtt".into(), outcome, reason: None, attempt: 1, due: None })
}

/// The effects that were put into the outbox, in order.
fn sent(bench: &Bench) -> Vec<model::Id> {
    let rows = bench.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.outbox);
    rows.map(|row| row.outgoing.effect).collect()
}

/// What the fridge's switch should be and what it is.
fn switch(bench: &Bench) -> (Option<Value>, Option<Value>) {
    let twin = bench.engine.twin(FRIDGE);
    let held = twin.and_then(|twin| twin.get(capability("switch")));
    (held.and_then(|held| held.desired.clone()), held.and_then(|held| held.value.clone()))
}

/// No rule sees the device.
fn alone(partitions: u16) -> Bench {
    Bench::new(partitions, Vec::new())
}

#[test]
fn a_manual_command_is_decided_at_its_actuator_and_said_to_be_the_operators() {
    let mut bench = alone(1);
    bench.take(manual(FRIDGE, "on"), 1, None);
    let decision = bench.decisions.first().expect("a decision");
    let effect = decision.effect.as_ref().expect("an effect");
    assert_eq!((&*decision.deployment, &*decision.key, decision.reason.as_deref()), ("operator", "fridge", None));
    assert_eq!((&*decision.cause.kind, &*decision.cause.name, &*decision.cause.event), ("manual", "on", "line:1"));
    let gates: Vec<_> = decision.gates.iter().map(|gate| &*gate.gate).collect();
    assert_eq!(gates, ["precondition", "priority", "rate"], "no deployment stands behind it");
    assert_eq!(sent(&bench), [effect.id]);
}

#[test]
fn an_action_that_the_device_does_not_have_is_refused_and_asks_nothing_of_it() {
    let mut bench = alone(1);
    bench.take(manual(FRIDGE, "dim"), 1, None);
    assert_eq!(verdicts(&bench), (vec!["no-such-action".to_owned()], 0));
    assert!(sent(&bench).is_empty());
    assert_eq!(switch(&bench), (None, None));
    let accounts = bench.engine.accounts();
    assert_eq!((accounts.proposed, accounts.refused, accounts.waiting), (1, 1, 0));
}

#[test]
fn the_devices_own_rate_holds_for_the_operator_too() {
    let mut bench = alone(1);
    let limit = usize::try_from(limits::COMMANDS_PER_TARGET_PER_MINUTE).expect("small");
    for _ in 0..=limit {
        bench.take(manual(FRIDGE, "toggle"), 1, None);
    }
    assert_eq!(verdicts(&bench), (vec!["target-rate".to_owned()], limit));
    assert_eq!(sent(&bench).len(), limit);
    bench.take(manual(FRIDGE, "toggle"), 2, None);
    assert_eq!(sent(&bench).len(), limit + 1, "the next minute is another one");
}

#[test]
fn what_was_asked_for_stands_beside_what_is_until_the_device_reports_it() {
    let mut bench = alone(1);
    bench.take(switched(false), 0, None).take(manual(FRIDGE, "on"), 1, None);
    assert_eq!(switch(&bench), (Some(Value::Boolean(true)), Some(Value::Boolean(false))));
    bench.take(settled(sent(&bench)[0], Outcome::Accepted), 1, None);
    assert_eq!((bench.engine.accounts().waiting, bench.engine.accounts().confirmed), (1, 0));
    bench.take(switched(true), 1, None);
    assert_eq!(switch(&bench).1, Some(Value::Boolean(true)));
    assert_eq!((bench.engine.accounts().waiting, bench.engine.accounts().confirmed), (0, 1));
}

#[test]
fn a_manual_command_that_waits_is_superseded_by_a_rules_and_the_other_way_round() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), command_rule)]);
    bench.take(manual(FRIDGE, "on"), 1, None).live(2, 20.0).take(manual(FRIDGE, "on"), 3, None);
    let sent = sent(&bench);
    assert_eq!(sent.len(), 3);
    let settled: Vec<_> =
        bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.settled).map(|(effect, _)| *effect).collect();
    assert_eq!(settled, sent[..2]);
    assert_eq!((bench.engine.accounts().superseded, bench.engine.accounts().waiting), (2, 1));
}

#[test]
fn a_manual_command_is_waited_for_over_a_crash() {
    let mut bench = alone(1);
    bench.take(manual(FRIDGE, "on"), 1, None);
    let effect = sent(&bench)[0];
    bench.crash(1, Vec::new());
    assert_eq!(switch(&bench).0, Some(Value::Boolean(true)));
    bench.take(settled(effect, Outcome::Accepted), 1, None).take(switched(true), 1, None);
    assert_eq!(bench.engine.accounts().confirmed, 1);
}

/// The home of the device decides, wherever keys of rules live that bind it.
#[test]
fn manual_commands_give_the_same_again_partition_by_partition() {
    for partitions in [1, 4] {
        let one = || {
            let spec = Deployment { key: KeyKind::One, ..deployment("one", vec![each_reading()]) };
            vec![(spec, command_rule as Rule), (deployment("d", vec![each_reading()]), command_rule)]
        };
        let mut bench = Bench::new(partitions, one());
        for n in 1..60 {
            let action = ["on", "toggle", "dim"][usize::try_from(n % 3).expect("small")];
            let device = DeviceNo(1 + u32::try_from(n % 2).expect("small"));
            bench.take(manual(device, action), n, None).live(n, 20.0).take(switched(n % 5 != 0), n, None);
            if n % 20 == 0 {
                bench.crash(partitions, one());
            }
        }
        let operators = bench.decisions.iter().filter(|decision| &*decision.deployment == "operator");
        assert_eq!(operators.count(), 59, "each is decided once");
        for number in 0..partitions {
            let recorded = journal(&bench, number);
            let mut exact = Exact::new(number, setup(partitions, one())).expect("a setup");
            let decisions = feed(&mut exact, &recorded.rows).unwrap_or_else(|d| panic!("partition {number}: {d}"));
            assert_eq!(decisions, recorded.decisions, "partition {number} of {partitions}");
        }
    }
}
