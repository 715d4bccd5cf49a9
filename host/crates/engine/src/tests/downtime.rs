//! What the time counts in which the host was down: to holds, to silences, to what is added while it runs.

use model::limits;

use super::*;

/// Half an hour, of which at most one minute in a row may be unknown.
fn hold(gap: Gap) -> Kind {
    Kind::Held {
        when: when(Test::Above(8.0)),
        duration: Span::from_mins(30),
        stale: None,
        gap,
        gap_max: Span::from_mins(1),
        snapshot: false,
        keep: false,
    }
}

/// Says of each end whether it was seen.
fn ends(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Condition(condition) = &event.cause else { return Ok(Vec::new()) };
    let unknown = condition.attributes.contains(&("unknown".into(), Value::Boolean(true)));
    let topic = match condition.phase {
        model::Phase::Began => "out/began",
        model::Phase::Ended if unknown => "out/unknown",
        model::Phase::Ended => "out/seen",
    };
    Ok(vec![propose(Effect::Publish(model::event::Message {
        topic: topic.into(),
        payload: Box::default(),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    }))])
}

/// What [`ends`] said, and when it happened.
fn said(bench: &Bench) -> Vec<(String, Instant)> {
    let topic = |decision: &Decision| match &decision.effect.as_ref()?.effect {
        Effect::Publish(message) => Some((message.topic.strip_prefix("out/")?.to_owned(), decision.at)),
        _ => None,
    };
    bench.decisions.iter().filter_map(topic).collect()
}

impl Bench {
    /// The host was down from `alive` on, comes back as `deployments`, and its sources catch up at once.
    fn down(&mut self, alive: Instant, back: Instant, deployments: Vec<(Deployment, Rule)>) -> &mut Self {
        self.crash(1, deployments);
        for body in [started_after(Some(alive)), Body::Host(HostEvent::CaughtUp)] {
            let input = self.input(body, None);
            self.engine.take(&input, back);
            self.collect();
        }
        self
    }
}

#[test]
fn a_downtime_that_is_no_longer_than_a_restart_is_no_unknown_time_and_a_longer_one_is() {
    let deployments = |gap| vec![(deployment("d", vec![hold(gap)]), tell as Rule)];
    let begins = |gap, down: Span| {
        let mut bench = Bench::new(1, deployments(gap));
        bench.live(10, 9.0).down(minute(20), minute(20) + down, deployments(gap)).advance(100);
        let began: Vec<_> = bench.decisions.iter().map(|decision| decision.at).collect();
        assert_eq!(began.len(), 1, "{gap:?} after {down}: {began:?}");
        began[0]
    };
    let half_an_hour = Span::from_mins(30);
    for down in [limits::RESTART, Span(limits::RESTART.0 + 1), half_an_hour] {
        let back = minute(20) + down;
        let restart = down <= limits::RESTART;
        for (gap, past) in [
            // The run ended a minute after the host did; another begins when it is back.
            (Gap::Continue, back + half_an_hour),
            (Gap::Pause, minute(40) + down),
            (Gap::Reset, back + half_an_hour),
        ] {
            assert_eq!(begins(gap, down), if restart { minute(40) } else { past }, "{gap:?} after {down}");
        }
    }
}

#[test]
fn a_short_downtime_counts_up_to_the_longest_gap() {
    let deployments = || vec![(deployment("d", vec![held(Span::from_mins(30), None, Gap::Continue)]), tell as Rule)];
    for (down, begins) in [(Span(limits::GAP_MAX.0 - 1), minute(40)), (limits::GAP_MAX, minute(55))] {
        let mut bench = Bench::new(1, deployments());
        bench.live(10, 9.0).down(minute(20), minute(20) + down, deployments()).advance(100);
        assert_eq!(bench.decisions[0].at, begins, "after {down}");
    }
}

#[test]
fn what_ends_says_whether_it_was_seen_to_end() {
    let deployments = || vec![(deployment("d", vec![hold(Gap::Reset)]), ends as Rule)];
    let fired = || {
        let mut bench = Bench::new(1, deployments());
        bench.live(10, 9.0).advance(40);
        bench
    };
    let check = |bench: &Bench, expected: &[(&str, Instant)]| {
        let said = said(bench);
        let said: Vec<_> = said.iter().map(|(word, at)| (word.as_str(), *at)).collect();
        assert_eq!(said[1..], *expected);
    };
    let mut seen = fired();
    seen.live(50, 5.0);
    check(&seen, &[("seen", minute(50))]);
    for (down, expected) in [(limits::RESTART, &[][..]), (Span(limits::RESTART.0 + 1), &[("unknown", minute(50))])] {
        let mut restarted = fired();
        restarted.down(minute(50), minute(50) + down, deployments());
        check(&restarted, expected);
    }
    let mut gone = fired();
    gone.take(Body::Availability { device: DeviceNo(1), available: true }, 41, None);
    gone.take(Body::Availability { device: DeviceNo(1), available: false }, 50, None).advance(60);
    check(&gone, &[("unknown", minute(50) + limits::OUTAGE_MIN)]);
}

/// By a clock that is not believed a start looks as if no time had passed, however long the host was down.
#[test]
fn a_start_by_a_clock_that_is_not_believed_is_no_short_downtime() {
    let deployments = || vec![(deployment("d", vec![hold(Gap::Reset)]), ends as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.live(10, 9.0).advance(40);
    bench.crash(1, deployments());
    let doubted = Body::Host(HostEvent::Started {
        engine: "test".into(),
        zones: "test".into(),
        configuration: None,
        doubted: true,
        alive: Some(minute(50)),
    });
    bench.take(doubted, 50, None);
    assert_eq!(said(&bench)[1..], [("unknown".to_owned(), minute(50))]);
}

fn silent(minutes: u64) -> Vec<(Deployment, Rule)> {
    vec![(deployment("d", vec![Kind::Silence { duration: Span::from_mins(minutes) }]), tell as Rule)]
}

#[test]
fn the_time_in_which_nobody_could_hear_is_no_silence() {
    let mut bench = Bench::new(1, silent(15));
    bench.live(10, 5.0).down(minute(20), minute(50), silent(15)).advance(54);
    bench.check(&[]);
    bench.advance(55).live(60, 5.0);
    bench.check(&[("began", 55), ("ended", 60)]);
}

#[test]
fn a_device_that_is_dead_is_told_of_however_often_the_host_restarts() {
    let day = 24 * 60;
    let mut bench = Bench::new(1, silent(day));
    bench.live(10, 5.0);
    // Every 100 minutes it is down for two of them.
    for restart in 1..=20 {
        let back = restart * 100;
        bench.advance(back - 2).down(minute(back - 2), minute(back), silent(day));
    }
    bench.check(&[("began", 10 + 24 * 60 + 14 * 2)]);
}

#[test]
fn silence_over_a_downtime_is_judged_in_the_time_of_a_device_that_lags() {
    let mut bench = Bench::new(1, silent(15));
    // Its stamps are five minutes behind.
    bench.read(15, 10, 5.0).down(minute(20), minute(50), silent(15)).advance(59);
    bench.check(&[]);
    bench.advance(60);
    bench.check(&[("began", 10 + 30 + 15)]);
}

#[test]
fn a_device_that_never_spoke_is_told_of_over_restarts() {
    let mut bench = Bench::new(1, silent(15));
    bench.take(started(), 1, None).take(Body::Host(HostEvent::CaughtUp), 1, None);
    // Other records say nothing of it.
    bench.take(reading(DeviceNo(3), 5.0), 9, None).down(minute(10), minute(12), silent(15));
    bench.down(minute(14), minute(15), silent(15)).advance(18);
    bench.check(&[]);
    bench.advance(19);
    bench.check(&[("began", 1 + 15 + 3)]);
}

#[test]
fn what_was_added_while_the_host_ran_counts_from_then_over_a_downtime() {
    let every_ten = Kind::Schedule(Schedule {
        cron: "*/10 * * * *".into(),
        zone: "UTC".into(),
        overdue: Overdue::Fire,
        spring: Spring::After,
        autumn: None,
    });
    let old = || (deployment("d", vec![each_reading()]), tell as Rule);
    let new = || {
        let kinds = vec![Kind::Silence { duration: Span::from_mins(15) }, every_ten.clone()];
        vec![old(), (deployment("e", kinds), tell as Rule)]
    };
    let mut bench = Bench::new(1, vec![old()]);
    bench.advance(1);
    bench.engine.reconfigure(setup(1, new()), "edit".into(), minute(5)).expect("a setup");
    bench.collect();
    bench.take(reading(DeviceNo(3), 5.0), 8, None).down(minute(9), minute(12), new()).advance(22);
    bench.check(&[("schedule", 10), ("schedule", 20)]);
    bench.advance(23);
    bench.check(&[("schedule", 10), ("schedule", 20), ("began", 5 + 15 + 3)]);
}
