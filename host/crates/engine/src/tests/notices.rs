//! Notifications that are planned for later, and those that are the same as one before.

use model::limits;

use super::*;

/// What a reading asks for: `20` tells with a key, `0` takes it back, anything above 50 plans for that minute.
fn warn(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    let Value::Number(asked) = observation.readings[0].value else { return Ok(Vec::new()) };
    if asked == 0.0 {
        return Ok(vec![propose(Effect::Cancel("warning".into()))]);
    }
    let planned = (asked > 50.0).then_some(Instant((asked * 60e6) as i64));
    let notification = Notification {
        template: "offer".into(),
        to: Audience::Group("staff".into()),
        parameters: Vec::new(),
        urgency: Urgency::Normal,
        dedupe: (asked == 20.0).then(|| "cold".into()),
        not_before: planned,
        expires_at: (asked == 99.0).then_some(minute(98)),
        attributes: Vec::new(),
    };
    Ok(vec![Proposal { tag: Some("warning".into()), ..propose(Effect::Notification(notification)) }])
}

fn deployments() -> Vec<(Deployment, Rule)> {
    let mut spec = deployment("d", vec![each_reading()]);
    spec.grants.notifications[0].class = Class::Service;
    spec.roles[0].members = vec![DeviceNo(1), DeviceNo(2)];
    vec![(spec, warn)]
}

fn bench() -> Bench {
    Bench::new(1, deployments())
}

fn sent(bench: &Bench) -> Vec<&store::OutboxRow> {
    bench.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.outbox).collect()
}

fn answer(bench: &mut Bench, outcome: Outcome, at: i64) {
    let effect = sent(bench).last().expect("a notification").outgoing.effect;
    let settled = Settled { effect, sink: "hook".into(), outcome, reason: None, attempt: 1, due: None };
    bench.take(Body::Settled(settled), at, None);
}

#[test]
fn two_notifications_with_one_key_are_one_for_a_day_also_over_a_restart() {
    let mut bench = bench();
    bench.live(1, 20.0).live(2, 20.0);
    assert_eq!(verdicts(&bench), (vec!["duplicate".to_owned()], 1));
    bench.crash(1, deployments());
    let day = limits::DEDUPE_WITHIN.0 as i64 / 60_000_000;
    bench.live(day, 20.0);
    assert_eq!(verdicts(&bench), (vec!["duplicate".to_owned(); 2], 1));
    bench.live(day + 1, 20.0).live(day + 2, 21.0).live(day + 3, 21.0);
    assert_eq!(verdicts(&bench), (vec!["duplicate".to_owned(); 2], 4), "a day later, and each without a key");
    let last = bench.decisions.iter().find(|decision| decision.reason.is_some()).expect("a refusal");
    let gates: Vec<&str> = last.gates.iter().map(|gate| &*gate.gate).collect();
    assert_eq!(gates, ["capability", "rate", "loop", "duplicate"]);
}

#[test]
fn one_key_is_the_same_for_rules_in_all_partitions() {
    for partitions in [1, 16] {
        let mut bench = Bench::new(partitions, deployments());
        bench.take(reading(DeviceNo(1), 20.0), 1, Some(1)).take(reading(DeviceNo(2), 20.0), 2, Some(2));
        assert_eq!(verdicts(&bench), (vec!["duplicate".to_owned()], 1), "{partitions}");
        bench.take(reading(DeviceNo(1), 0.0), 3, Some(3)).take(reading(DeviceNo(2), 20.0), 4, Some(4));
        assert_eq!(bench.engine.accounts().withdrawn, 1, "{partitions}: taken back where it was decided");
        assert_eq!(verdicts(&bench).1, 3, "{partitions}: the first, the cancellation, and the one after it");
    }
}

#[test]
fn a_key_is_given_back_when_nobody_was_told() {
    for (outcome, allowed) in [(Outcome::Failed, 2), (Outcome::Expired, 2), (Outcome::Accepted, 1)] {
        let mut bench = bench();
        bench.live(1, 20.0);
        answer(&mut bench, outcome.clone(), 2);
        bench.crash(1, deployments());
        bench.live(3, 20.0);
        assert_eq!(verdicts(&bench).1, allowed, "{}", outcome.word());
    }
}

#[test]
fn a_planned_notification_is_due_then_and_lives_as_long_as_any_other_from_then_on() {
    let mut bench = bench();
    bench.live(1, 60.0).live(2, 21.0);
    let rows = sent(&bench);
    assert_eq!((rows[0].due, rows[0].outgoing.committed_at), (minute(60), minute(1)));
    assert_eq!(rows[0].outgoing.expires_at, Some(minute(60) + limits::NOTIFICATION_AGE));
    assert_eq!((rows[1].due, rows[1].outgoing.expires_at), (minute(2), None), "one that is not planned");
    bench.live(70, 60.0);
    assert_eq!(sent(&bench)[2].due, minute(70), "at once where the time is past");
}

#[test]
fn a_notification_is_planned_at_most_so_far_ahead_and_not_past_its_own_end() {
    let furthest = limits::NOT_BEFORE.0 as f64 / 60e6;
    let mut bench = bench();
    bench.live(1, furthest + 1.0).live(2, furthest + 3.0).live(3, 99.0);
    assert_eq!(verdicts(&bench), (["too-far-ahead", "expires-before"].map(String::from).to_vec(), 1));
    assert_eq!(bench.decisions.iter().filter(|d| d.reason.is_some()).flat_map(|d| d.gates.last()).count(), 2);
}

#[test]
fn a_planned_notification_can_be_taken_back_after_a_restart() {
    let mut bench = bench();
    bench.live(1, 60.0);
    bench.crash(1, deployments());
    bench.live(2, 0.0);
    let settled: Vec<_> = bench.turns.iter().flat_map(|t| &t.commits).flat_map(|c| &c.settled).collect();
    assert_eq!(settled, [&(sent(&bench)[0].outgoing.effect, Name::from("hook"))]);
    assert_eq!((bench.engine.accounts().withdrawn, bench.engine.accounts().waiting), (1, 0));
}
