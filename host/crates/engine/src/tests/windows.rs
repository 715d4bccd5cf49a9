//! Windows: what goes in, when they close, and what survives.

use model::trigger::Test;
use model::window::{Aggregate, By, Frame, Window};

use super::*;

fn window(frame: Frame, aggregate: Aggregate, when: Option<Test>) -> Window {
    let capability = capability("temperature");
    Window { capability, aggregate, frame, when, lateness: Span::ZERO, by: By::Device, snapshot: false }
}

fn kind(window: Window) -> Kind {
    Kind::Window(Box::new(window))
}

fn tumbling(size: u64) -> Frame {
    Frame::Sliding { size: Span::from_mins(size), advance: Span::from_mins(size) }
}

fn sliding(size: u64, advance: u64) -> Frame {
    Frame::Sliding { size: Span::from_mins(size), advance: Span::from_mins(advance) }
}

fn warm() -> Window {
    window(tumbling(10), Aggregate::Mean, Some(Test::Above(8.0)))
}

/// Says what a condition carried, on a topic.
fn values(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Condition(condition) = &event.cause else { return Err(Failure::Permanent("no condition".into())) };
    let value = condition.value.as_ref().map(ToString::to_string).unwrap_or_default();
    let count = condition.attributes.iter().find(|(name, _)| &**name == "count");
    let count = count.map(|(_, count)| count.to_string()).unwrap_or_default();
    Ok(vec![propose(Effect::Publish(model::event::Message {
        topic: format!("out/{}={value} of {count}", condition.since.0 / 60_000_000).into(),
        payload: Box::default(),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    }))])
}

/// What [`values`] said: the window's start, its aggregate and its count.
fn said(bench: &Bench) -> Vec<String> {
    let topics = bench.decisions.iter().filter_map(|decision| match &decision.effect.as_ref()?.effect {
        Effect::Publish(message) => message.topic.strip_prefix("out/").map(str::to_owned),
        _ => None,
    });
    topics.collect()
}

fn saying(window: Window) -> Bench {
    Bench::new(1, vec![(deployment("d", vec![kind(window)]), values)])
}

/// Nobody is told and no record stands for it, but the store goes on from there.
#[test]
fn a_window_that_the_clock_closed_in_silence_says_how_far_the_clock_has_come() {
    let mut bench = Bench::one(kind(warm()));
    bench.live(1, 5.0).advance(11);
    bench.check(&[]);
    let commits = bench.turns.iter().flat_map(|turn| &turn.commits);
    let signs: Vec<_> = commits.filter_map(|commit| commit.alive).collect();
    assert_eq!(signs, [minute(10)]);
}

#[test]
fn a_window_begins_and_ends_a_condition_at_its_end() {
    let mut bench = Bench::one(kind(warm()));
    bench
        .live(1, 7.0)
        .live(5, 8.0)
        .live(11, 9.0)
        .live(19, 8.0)
        .live(20, 10.0)
        .live(30, 2.0)
        .live(35, 3.0)
        .live(40, 3.0);
    bench.check(&[("began", 20), ("ended", 40)]);
    assert_eq!(bench.decisions[0].because.as_deref(), Some("mean of temperature above 8 °C over 10m"));
}

#[test]
fn a_reading_at_the_end_belongs_to_the_next_window() {
    let mut bench = saying(window(tumbling(10), Aggregate::Sum, None));
    bench.live(1, 1.0).live(9, 2.0).live(10, 4.0).live(20, 8.0);
    assert_eq!(said(&bench), ["0=3 of 2", "10=4 of 1"]);
}

#[test]
fn the_clock_closes_a_window_after_the_devices_lag() {
    let mut bench = Bench::one(kind(warm()));
    bench.read(5, 3, 9.0).advance(11);
    bench.check(&[]);
    bench.advance(12);
    bench.check(&[("began", 10)]);
}

#[test]
fn late_readings_change_only_windows_still_open() {
    let mut bench = saying(Window { lateness: Span::from_mins(5), ..window(tumbling(10), Aggregate::Sum, None) });
    bench.live(1, 1.0).read(12, 12, 2.0).read(14, 9, 4.0).read(15, 15, 8.0).read(16, 8, 16.0).read(26, 26, 32.0);
    assert_eq!(said(&bench), ["0=5 of 2", "10=10 of 2"]);
}

#[test]
fn a_sliding_window_holds_each_reading_several_times() {
    let mut bench = saying(window(sliding(10, 5), Aggregate::Sum, None));
    bench.live(1, 1.0).live(6, 2.0).live(12, 4.0).live(40, 0.0);
    assert_eq!(said(&bench), ["-5=1 of 1", "0=3 of 2", "5=6 of 2", "10=4 of 1"]);
}

#[test]
fn an_empty_window_counts_nothing_and_has_no_mean() {
    let few = window(tumbling(10), Aggregate::Count, Some(Test::Below(2.0)));
    let mut bench = Bench::new(1, vec![(deployment("d", vec![kind(few), kind(warm())]), tell as Rule)]);
    bench.live(1, 9.0).live(2, 9.0).live(11, 9.0).live(12, 9.0).advance(300);
    bench.check(&[("began", 10), ("began", 30)]);
    bench.live(301, 9.0).live(302, 9.0).advance(310);
    bench.check(&[("began", 10), ("began", 30), ("ended", 310)]);
}

#[test]
fn a_session_ends_when_nothing_came_for_long_enough() {
    let session = Frame::Session { idle: Span::from_mins(5) };
    let mut bench = saying(window(session, Aggregate::Change, None));
    bench.live(1, 10.0).live(5, 13.0).live(9, 17.0).live(14, 20.0).advance(19);
    assert_eq!(said(&bench), ["1=7 of 3", "14=0 of 1"]);
}

#[test]
fn a_late_reading_may_join_two_sessions() {
    let session = Frame::Session { idle: Span::from_mins(5) };
    let mut bench = saying(Window { lateness: Span::from_mins(5), ..window(session, Aggregate::Sum, None) });
    bench.live(1, 1.0).live(9, 2.0).read(10, 5, 4.0).advance(30);
    assert_eq!(said(&bench), ["1=7 of 3"]);
}

#[test]
fn a_count_window_closes_with_its_last_reading() {
    let mut bench = saying(window(Frame::Count { size: 3 }, Aggregate::Max, None));
    bench.live(1, 1.0).live(2, 5.0).live(2, 3.0).live(2, 2.0).live(4, 2.0).live(9, 7.0).live(10, 9.0);
    assert_eq!(said(&bench), ["1=5 of 3", "2=7 of 3"]);
}

#[test]
fn a_state_window_lasts_as_long_as_its_state() {
    let during = Predicate::Test { role: None, capability: capability("power"), test: Test::Above(10.0) };
    let mut bench = saying(window(Frame::State { during }, Aggregate::Mean, None));
    let power = |bench: &mut Bench, at: i64, watts: f64| {
        let Body::Observation { device, freshness, mut readings } = reading(DeviceNo(1), watts) else {
            panic!("readings")
        };
        readings[0].capability = capability("power");
        bench.take(Body::Observation { device, freshness, readings }, at, Some(at));
    };
    bench.live(1, 50.0);
    power(&mut bench, 2, 100.0);
    bench.live(3, 4.0).live(5, 8.0);
    power(&mut bench, 6, 90.0);
    power(&mut bench, 7, 0.0);
    bench.live(8, 50.0);
    power(&mut bench, 9, 100.0);
    power(&mut bench, 10, 0.0);
    assert_eq!(said(&bench), ["2=6 of 2"]);
}

#[test]
fn retained_state_is_no_reading() {
    let mut bench = saying(window(tumbling(10), Aggregate::Sum, None));
    let Body::Observation { device, readings, .. } = reading(DeviceNo(1), 64.0) else { panic!("readings") };
    bench.take(Body::Observation { device, freshness: Freshness::Snapshot, readings }, 1, None);
    bench.live(2, 1.0).advance(10);
    assert_eq!(said(&bench), ["0=1 of 1"]);
}

#[test]
fn a_window_of_a_role_waits_for_the_device_that_is_behind() {
    let mut spec = deployment("d", vec![kind(Window { by: By::Role, ..window(tumbling(10), Aggregate::Sum, None) })]);
    spec.key = KeyKind::Site;
    spec.roles[0].members = vec![DeviceNo(1), DeviceNo(2), DeviceNo(3)];
    let mut bench = Bench::new(16, vec![(spec, values)]);
    let read = |bench: &mut Bench, device: u32, received: i64, at: i64, value: f64| {
        bench.take(reading(DeviceNo(device), value), received, Some(at));
    };
    read(&mut bench, 3, 5, 1, 1.0);
    read(&mut bench, 2, 5, 1, 64.0);
    read(&mut bench, 1, 11, 11, 2.0);
    assert_eq!(said(&bench), [""; 0]);
    read(&mut bench, 3, 12, 9, 4.0);
    read(&mut bench, 3, 13, 12, 8.0);
    assert_eq!(said(&bench), ["0=5 of 2"]);
    bench.advance(30);
    assert_eq!(said(&bench), ["0=5 of 2", "0=64 of 1", "10=10 of 2"]);
    let sites: Vec<_> =
        bench.decisions.iter().map(|decision| (&*decision.key, decision.cause.device.as_deref())).collect();
    assert_eq!(sites, [("kitchen", Some("oven")), ("cellar", Some("freezer")), ("kitchen", Some("oven"))]);
}

#[test]
fn a_window_survives_a_crash_and_a_changed_size() {
    let with = |size| vec![(deployment("d", vec![kind(window(tumbling(size), Aggregate::Sum, None))]), values as Rule)];
    let mut bench = Bench::new(1, with(10));
    bench.live(21, 1.0).live(23, 2.0);
    bench.crash(1, with(10));
    bench.take(started(), 25, None).take(Body::Host(HostEvent::CaughtUp), 26, None).live(27, 4.0);
    bench.crash(1, with(20));
    bench.take(started(), 31, None).take(Body::Host(HostEvent::CaughtUp), 32, None).live(33, 8.0).advance(40);
    assert_eq!(said(&bench), ["20=15 of 4"]);
}

#[test]
fn a_window_of_a_role_survives_a_crash() {
    let with = || {
        let mut spec =
            deployment("d", vec![kind(Window { by: By::Role, ..window(tumbling(10), Aggregate::Sum, None) })]);
        spec.key = KeyKind::Site;
        spec.roles[0].members = vec![DeviceNo(1), DeviceNo(2), DeviceNo(3)];
        vec![(spec, values as Rule)]
    };
    let mut bench = Bench::new(1, with());
    for device in [1, 2, 3] {
        bench.take(reading(DeviceNo(device), f64::from(device)), 1, Some(1));
    }
    bench.crash(1, with());
    bench.take(started(), 2, None).take(Body::Host(HostEvent::CaughtUp), 3, None).advance(10);
    assert_eq!(said(&bench), ["0=2 of 1", "0=4 of 2"]);
}

#[test]
fn what_waited_during_downtime_still_counts() {
    let with = || vec![(deployment("d", vec![kind(window(tumbling(10), Aggregate::Sum, None))]), values as Rule)];
    let mut bench = Bench::new(1, with());
    bench.live(1, 1.0);
    bench.crash(1, with());
    bench.take(started(), 60, None).read(60, 5, 2.0).read(60, 59, 4.0).take(Body::Host(HostEvent::CaughtUp), 61, None);
    bench.advance(70);
    assert_eq!(said(&bench), ["0=3 of 2", "50=4 of 1"]);
}
