//! Level rules: told again what holds, at a start, after a gap and after an upgrade.

use super::*;

fn threshold(keep: bool) -> Kind {
    Kind::Threshold { when: when(Test::AtLeast(8.0)), clear: None, snapshot: false, keep }
}

fn rules(kind: &Kind) -> Vec<(Deployment, Rule)> {
    vec![(deployment("d", vec![kind.clone()]), tell as Rule)]
}

impl Bench {
    /// Another set of deployments, and all that follows at once.
    fn edit(&mut self, setup: Setup, at: i64) {
        self.engine.reconfigure(setup, format!("edit:{at}").into(), minute(at)).expect("a setup");
        self.advance(at);
    }
}

/// A start after downtime from minute 5 to 6.
fn restart(bench: &mut Bench, kind: &Kind) {
    bench.crash(1, rules(kind));
    bench.take(started(), 6, None).take(Body::Host(HostEvent::CaughtUp), 7, None);
}

#[test]
fn a_level_rule_is_told_again_at_a_start() {
    for (kind, again) in [(threshold(true), true), (threshold(false), false)] {
        let mut bench = Bench::new(1, rules(&kind));
        bench.live(2, 9.0).live(5, 9.0);
        restart(&mut bench, &kind);
        bench.live(8, 9.0).live(9, 5.0);
        let all = [("began", 2), ("began", 7), ("ended", 9)];
        bench.check(if again { &all } else { &[("began", 2), ("ended", 9)] });
        let ids: std::collections::BTreeSet<_> = bench.decisions.iter().map(|d| d.cause.event.clone()).collect();
        assert_eq!(ids.len(), bench.decisions.len(), "each is an event of its own");
    }
}

#[test]
fn what_ended_during_downtime_ends_and_is_not_told_again() {
    let kind = threshold(true);
    let mut bench = Bench::new(1, rules(&kind));
    bench.live(2, 9.0);
    bench.crash(1, rules(&kind));
    bench.take(started(), 6, None).live(6, 5.0).take(Body::Host(HostEvent::CaughtUp), 7, None);
    bench.check(&[("began", 2), ("ended", 6)]);
}

#[test]
fn what_began_before_the_sources_caught_up_is_told_once() {
    let kind = threshold(true);
    let mut bench = Bench::new(1, rules(&kind));
    bench.live(2, 5.0);
    bench.crash(1, rules(&kind));
    bench.take(started(), 6, None).live(6, 9.0).take(Body::Host(HostEvent::CaughtUp), 7, None);
    bench.check(&[("began", 6)]);
}

#[test]
fn a_level_rule_is_told_again_after_an_outage_and_not_after_a_blink() {
    let mut bench = Bench::one(threshold(true));
    let available = |available| Body::Availability { device: DeviceNo(1), available };
    bench.take(available(true), 1, None).live(2, 9.0).take(available(false), 3, None);
    let back = bench.input(available(true), None);
    bench.engine.take(&back, minute(3) + Span::from_secs(29));
    bench.collect();
    bench.take(available(false), 4, None).take(available(true), 9, None);
    bench.check(&[("began", 2), ("began", 9)]);
}

#[test]
fn a_level_rule_is_told_again_after_an_upgrade_of_its_own_deployment_alone() {
    let both = |version: &str, other: &str| {
        let mut one = deployment("d", vec![threshold(true)]);
        one.package.version = version.into();
        let mut two = deployment("e", vec![threshold(true)]);
        two.settings = other.into();
        setup(1, vec![(one, tell as Rule), (two, tell)])
    };
    let mut bench = Bench::new(1, rules(&threshold(true)));
    bench.engine = Engine::new(both("1.0.0", "{}"), Persistence::Store).expect("a setup");
    bench.live(2, 9.0);
    bench.check(&[("began", 2), ("began", 2)]);
    bench.edit(both("1.0.0", "{}"), 3);
    assert_eq!(bench.decisions.len(), 2, "nothing changed");
    bench.edit(both("1.1.0", "{}"), 4);
    bench.edit(both("1.1.0", "{\"a\":1}"), 5);
    let told: Vec<_> = bench.decisions[2..].iter().map(|d| (&*d.deployment, d.at)).collect();
    assert_eq!(told, [("d", minute(4)), ("e", minute(5))]);
}

#[test]
fn a_new_level_rule_takes_what_is_already_true() {
    let mut bench = Bench::one(each_reading());
    bench.live(2, 9.0);
    for keep in [false, true] {
        let kinds = vec![each_reading(), threshold(keep)];
        bench.edit(setup(1, vec![(deployment("d", kinds), tell)]), 3);
    }
    bench.check(&[("observation", 2), ("began", 3)]);
}

#[test]
fn retained_state_may_begin_a_level_rule() {
    let mut bench = Bench::one(threshold(true));
    let Body::Observation { device, readings, .. } = reading(DeviceNo(1), 9.0) else { panic!("an observation") };
    bench.take(Body::Observation { device, freshness: Freshness::Snapshot, readings }, 1, None);
    bench.check(&[("began", 1)]);
}

#[test]
fn a_hold_that_is_a_level_rule_is_told_again_when_it_is_known_again() {
    let kind = Kind::Held {
        when: when(Test::Above(8.0)),
        duration: Span::from_mins(3),
        stale: Some(Span::from_mins(5)),
        gap: Gap::Continue,
        gap_max: Span::from_mins(30),
        snapshot: false,
        keep: true,
    };
    let mut bench = Bench::new(1, rules(&kind));
    bench.live(1, 9.0).live(4, 9.0).live(8, 9.0).live(20, 9.0);
    bench.check(&[("began", 4), ("began", 20)]);
    bench.crash(1, rules(&kind));
    bench.take(started(), 22, None).take(Body::Host(HostEvent::CaughtUp), 23, None).advance(24);
    bench.check(&[("began", 4), ("began", 20), ("began", 23)]);
}

#[test]
fn what_begins_twice_at_one_instant_is_two_events() {
    let mut bench = Bench::one(threshold(false));
    bench.live(1, 9.0).live(1, 5.0).live(1, 9.0);
    bench.crash(1, rules(&threshold(false)));
    bench.live(1, 5.0).live(1, 9.0);
    bench.check(&[("began", 1), ("ended", 1), ("began", 1), ("ended", 1), ("began", 1)]);
    let ids: std::collections::BTreeSet<_> = bench.decisions.iter().map(|d| d.cause.event.clone()).collect();
    assert_eq!(ids.len(), 5);
}
