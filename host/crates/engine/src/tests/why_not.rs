//! Why not: each reason that can keep a trigger from waking its rule.

use model::area::{Area, Corner};
use model::event::Quality;
use model::trigger::Zone;
use model::value::Position;
use model::window::{Aggregate, By, Frame, Window};

use super::why::replay_before;
use super::*;
use crate::WhyNot;

fn why_not(kind: Kind, act: impl Fn(&mut Bench) -> &mut Bench, at: i64) -> WhyNot {
    let mut bench = Bench::one(kind.clone());
    act(&mut bench);
    let mut last = bench.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.journal);
    let last = last.rfind(|row| row.kind == "observation");
    let last: Option<Input> = last.map(|row| crate::rows::decode("journal", &row.payload).expect("our own"));
    let exact = replay_before(&bench, vec![(deployment("d", vec![kind]), tell)], u64::MAX, false);
    exact.explain("fridge", last.as_ref(), minute(at)).remove(0).why_not
}

#[test]
fn a_value_that_fails_the_predicate_is_named() {
    let told = why_not(held(Span::from_mins(5), None, Gap::Reset), |bench| bench.live(1, 7.2), 2);
    let words = told.to_string();
    assert!(words.starts_with("temperature 7.2 °C is not above 8 °C (fridge, reported at "), "{words}");
}

#[test]
fn a_hold_says_how_long_it_has_been_true_and_for_how_long_it_must() {
    let kind = || held(Span::from_mins(5), None, Gap::Reset);
    let told = why_not(kind(), |bench| bench.live(1, 9.0), 3);
    let (so_far, wanted) = (Span::from_mins(2), Span::from_mins(5));
    assert_eq!(told, WhyNot::NotLongEnough { since: minute(1), so_far, wanted, unknown: None });
    let told = why_not(kind(), |bench| bench.live(1, 9.0).advance(7), 8);
    assert_eq!(told, WhyNot::Began { since: minute(1) });
    assert!(matches!(why_not(kind(), |bench| bench, 1), WhyNot::NeverHeard { .. }));
}

#[test]
fn hysteresis_that_is_not_cleared_and_late_reports_are_told() {
    let (above, below) = (when(Test::Above(8.0)), when(Test::Below(7.0)));
    let kind = || Kind::Threshold { when: above.clone(), clear: Some(below.clone()), snapshot: false, keep: false };
    let told = why_not(kind(), |bench| bench.live(1, 9.0).live(2, 7.5), 2);
    assert_eq!(told, WhyNot::NotCleared { since: minute(1), clear: "temperature below 7 °C".to_owned() });
    let told = why_not(each_reading(), |bench| bench.live(30, 9.0).read(31, 1, 9.0), 31);
    assert_eq!(told, WhyNot::Late { newest: minute(30) });
}

fn threshold(snapshot: bool) -> Kind {
    Kind::Threshold { when: when(Test::Above(8.0)), clear: None, snapshot, keep: false }
}

fn change(to: Option<f64>) -> Kind {
    let (to, capability) = (to.map(Value::Number), capability("temperature"));
    Kind::Change { capability, from: None, to, deadband: None, snapshot: false }
}

fn warm(temperature: f64, freshness: Freshness, quality: Quality) -> Body {
    let Body::Observation { device, mut readings, .. } = reading(DeviceNo(1), temperature) else {
        panic!("a reading is an observation")
    };
    readings[0].quality = quality;
    Body::Observation { device, freshness, readings }
}

fn available(available: bool) -> Body {
    Body::Availability { device: DeviceNo(1), available }
}

fn at_latitude(latitude: f64) -> Body {
    let Body::Observation { device, freshness, mut readings } = reading(DeviceNo(1), 0.0) else {
        panic!("a reading is an observation")
    };
    readings[0].capability = capability("position");
    readings[0].value = Value::Position(Position { latitude, longitude: 13.0, accuracy: None });
    Body::Observation { device, freshness, readings }
}

fn zone() -> Kind {
    Kind::Zone(Zone {
        capability: capability("position"),
        area: Area::Circle { centre: Corner { latitude: 52.0, longitude: 13.0 }, radius: 100.0 },
        dwell: Span::from_mins(5),
        accuracy_max: None,
        margin: 0.0,
        snapshot: false,
        keep: false,
    })
}

fn window() -> Kind {
    let size = Span::from_mins(10);
    Kind::Window(Box::new(Window {
        capability: capability("temperature"),
        aggregate: Aggregate::Mean,
        frame: Frame::Sliding { size, advance: size },
        when: Some(Test::Above(8.0)),
        lateness: Span::ZERO,
        by: By::Device,
        snapshot: false,
    }))
}

#[test]
fn a_report_that_begins_nothing_is_told_by_its_kind() {
    let snapshot = warm(9.0, Freshness::Snapshot, Quality::Good);
    let after = |kind: Kind, body: &Body| why_not(kind, |bench| bench.live(1, 7.0).take(body.clone(), 2, Some(2)), 2);
    assert_eq!(after(threshold(false), &snapshot), WhyNot::Snapshot);
    assert_eq!(after(threshold(true), &snapshot), WhyNot::Began { since: minute(2) });
    assert_eq!(after(each_reading(), &snapshot), WhyNot::Snapshot);
    assert_eq!(after(each_reading(), &warm(9.0, Freshness::Live, Quality::Good)), WhyNot::Nothing);
    let bad = after(threshold(false), &warm(9.0, Freshness::Live, Quality::Bad));
    assert_eq!(bad.to_string(), format!("fridge said at {} that its temperature is not to be trusted", minute(2)));
    let told = why_not(threshold(false), |bench| bench.live(30, 7.0).read(31, 25, 9.0), 31);
    assert_eq!(told, WhyNot::OutOfOrder { newest: minute(30) });
    let humidity = Kind::Reading { capability: Some(capability("humidity")), snapshot: false, late: false };
    let told = why_not(humidity, |bench| bench.live(1, 7.0), 1);
    assert_eq!(told, WhyNot::NotReported { capability: capability("humidity") });
}

#[test]
fn a_change_that_is_none_or_another_one_is_told() {
    let (value, capability) = (Value::Number(7.0), capability("temperature"));
    let told = why_not(change(None), |bench| bench.live(1, 7.0).live(2, 7.0), 2);
    assert_eq!(told, WhyNot::Unchanged { capability, value, since: minute(1) });
    let told = why_not(change(Some(9.0)), |bench| bench.live(1, 7.0).live(2, 8.0), 2);
    assert_eq!(told.to_string(), "temperature changed to 8; watched is a change to 9");
}

#[test]
fn a_value_that_is_too_old_is_unknown_and_a_role_without_devices_is_named() {
    let stale = Span::from_mins(5);
    let told = why_not(held(Span::from_hours(1), Some(stale), Gap::Reset), |bench| bench.live(1, 9.0).advance(10), 10);
    let (device, capability) = (Name::from("fridge"), capability("temperature"));
    assert_eq!(told, WhyNot::Stale { device, capability, reported: minute(1), stale });
    let told = why_not(held(Span::from_hours(1), Some(stale), Gap::Pause), |bench| bench.live(1, 9.0).advance(10), 10);
    let (since, wanted, unknown) = (minute(1), Span::from_hours(1), Some(minute(6)));
    assert_eq!(told, WhyNot::NotLongEnough { since, so_far: stale, wanted, unknown });
    let elsewhere = Predicate::Test { role: Some("alarm".into()), capability, test: Test::Above(8.0) };
    let both = Predicate::All(vec![when(Test::Above(8.0)), elsewhere]);
    let kind = Kind::Threshold { when: both, clear: None, snapshot: false, keep: false };
    assert_eq!(why_not(kind, |bench| bench.live(1, 9.0), 1), WhyNot::NoSuchDevice);
}

#[test]
fn a_device_that_is_not_silent_or_not_gone_is_told_until_when() {
    let silence = || Kind::Silence { duration: Span::from_mins(15) };
    let told = why_not(silence(), |bench| bench.live(1, 7.0), 2);
    assert_eq!(told, WhyNot::NotSilent { heard: minute(1), wanted: Span::from_mins(15), deadline: minute(16) });
    let told = why_not(silence(), |bench| bench.live(1, 7.0).take(started(), 20, None), 20);
    assert_eq!(told, WhyNot::NotCaughtUp);
    let (wanted, kind) = (Span::from_mins(5), || Kind::Availability { outage_min: Span::from_mins(5) });
    assert_eq!(why_not(kind(), |bench| bench.take(available(true), 1, None), 2), WhyNot::Available);
    let told = why_not(kind(), |bench| bench.take(available(false), 1, None), 2);
    assert_eq!(told, WhyNot::NotGoneLongEnough { since: minute(1), wanted });
    let told = why_not(kind(), |bench| bench.take(available(false), 1, None).advance(7), 7);
    assert_eq!(told, WhyNot::Began { since: minute(1) });
}

#[test]
fn a_place_and_a_window_that_do_not_count_are_told() {
    let told = why_not(zone(), |bench| bench.take(at_latitude(52.01), 1, Some(1)), 1);
    assert_eq!(told, WhyNot::Outside { area: "100 m around 52,13".into() });
    let told = why_not(zone(), |bench| bench.take(at_latitude(52.0), 1, Some(1)), 3);
    let (so_far, wanted) = (Span::from_mins(2), Span::from_mins(5));
    assert_eq!(told, WhyNot::NotLongEnough { since: minute(1), so_far, wanted, unknown: None });
    assert_eq!(why_not(window(), |bench| bench, 2), WhyNot::Window { decided: None, deadline: None });
    let told = why_not(window(), |bench| bench.live(1, 9.0), 2);
    assert_eq!(told, WhyNot::Window { decided: Some(minute(0)), deadline: Some(minute(10)) });
    let told = why_not(window(), |bench| bench.live(1, 7.0).live(11, 7.0), 12);
    assert_eq!(told, WhyNot::Window { decided: Some(minute(10)), deadline: Some(minute(20)) });
}
