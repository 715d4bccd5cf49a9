//! Triggers that hold, cross, go silent or come by schedule.

use super::*;

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
        keep: false,
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
fn time_without_any_record_before_the_end_of_the_host_is_no_downtime() {
    let kind = held(Span::from_mins(30), None, Gap::Continue);
    let deployments = || vec![(deployment("d", vec![kind.clone()]), tell as Rule)];
    for (alive, fires) in [(Some(minute(29)), true), (Some(minute(26)), false), (None, false)] {
        let mut bench = Bench::new(1, deployments());
        bench.live(10, 9.0).advance(29);
        bench.crash(1, deployments());
        bench.take(started_after(alive), 30, None).take(Body::Host(HostEvent::CaughtUp), 32, None).advance(45);
        bench.check(if fires { &[("began", 40)] } else { &[] });
    }
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
    let mut bench = Bench::one(Kind::Threshold {
        when: when(Test::AtLeast(8.0)),
        clear: Some(when(Test::Below(7.0))),
        snapshot: false,
        keep: false,
    });
    bench.live(1, 7.9).live(2, 8.0).live(3, 7.5).live(4, 8.2).live(5, 7.0).live(6, 6.9).live(7, 8.0);
    bench.check(&[("began", 2), ("ended", 6), ("began", 7)]);
}

#[test]
fn a_snapshot_ends_what_had_begun_and_begins_nothing() {
    let mut bench =
        Bench::one(Kind::Threshold { when: when(Test::AtLeast(8.0)), clear: None, snapshot: false, keep: false });
    let snapshot = |temperature: f64| match reading(DeviceNo(1), temperature) {
        Body::Observation { device, readings, .. } => {
            Body::Observation { device, readings, freshness: Freshness::Snapshot }
        }
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
    let kind = Kind::Change {
        capability: capability("temperature"),
        from: None,
        to: None,
        deadband: Some(1.0),
        snapshot: false,
    };
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

#[test]
fn a_schedule_that_is_new_after_downtime_missed_nothing() {
    let kind = Kind::Schedule(Schedule {
        cron: "*/10 * * * *".into(),
        zone: "UTC".into(),
        overdue: Overdue::Fire,
        spring: Spring::After,
        autumn: None,
    });
    let old = || vec![(deployment("d", vec![each_reading()]), tell as Rule)];
    let mut bench = Bench::new(1, old());
    bench.live(1, 5.0);
    let both = vec![(deployment("d", vec![each_reading()]), tell as Rule), (deployment("e", vec![kind]), tell)];
    bench.crash(1, both);
    bench.take(started(), 65, None).advance(70);
    bench.check(&[("observation", 1), ("schedule", 70)]);
}

#[test]
fn a_device_that_says_nothing_of_what_is_known_is_not_silent() {
    let mut bench = Bench::one(Kind::Silence { duration: Span::from_mins(15) });
    let nothing = || Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: Vec::new() };
    bench.live(1, 5.0).take(nothing(), 10, Some(10)).advance(24);
    bench.check(&[]);
    bench.advance(26).take(nothing(), 30, Some(30)).advance(44);
    bench.check(&[("began", 25), ("ended", 30)]);
    bench.advance(46);
    bench.check(&[("began", 25), ("ended", 30), ("began", 45)]);
}

#[test]
fn a_device_that_speaks_out_of_order_is_not_silent_and_one_that_is_late_still_is() {
    let mut bench = Bench::one(Kind::Silence { duration: Span::from_mins(15) });
    bench.live(10, 5.0).advance(26).read(30, 4, 5.0).advance(44);
    bench.check(&[("began", 25), ("ended", 25)]);
    bench.crash(1, vec![(deployment("d", vec![Kind::Silence { duration: Span::from_mins(15) }]), tell)]);
    bench.advance(46);
    bench.check(&[("began", 25), ("ended", 25), ("began", 45)]);
    bench.live(50, 5.0).advance(66).read(67, 20, 5.0).advance(70);
    assert_eq!(bench.engine.accounts().late, 1);
    assert_eq!(bench.told().last(), Some(&("began".to_owned(), 65)));
}
