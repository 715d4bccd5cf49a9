//! Zones: entering, staying, leaving, and what does not count.

use model::area::{Area, Corner};
use model::trigger::Zone;
use model::value::Position;

use super::*;

/// A hundred metres around 52°, 13°; 0.001° of latitude are 111 m.
fn zone(dwell: u64, margin: f64) -> Zone {
    Zone {
        capability: capability("position"),
        area: Area::Circle { centre: Corner { latitude: 52.0, longitude: 13.0 }, radius: 100.0 },
        dwell: Span::from_mins(dwell),
        accuracy_max: Some(50.0),
        margin,
        snapshot: false,
        keep: false,
    }
}

fn fix(latitude: f64, accuracy: Option<f64>) -> Body {
    let reading = Reading {
        capability: capability("position"),
        value: Value::Position(Position { latitude, longitude: 13.0, accuracy }),
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![reading] }
}

const INSIDE: f64 = 52.0005;
const NEAR: f64 = 52.001;
const FAR: f64 = 52.01;

impl Bench {
    fn at(&mut self, minute: i64, latitude: f64) -> &mut Self {
        self.take(fix(latitude, Some(10.0)), minute, Some(minute))
    }
}

#[test]
fn a_zone_begins_inside_and_ends_outside() {
    let mut bench = Bench::one(Kind::Zone(zone(0, 0.0)));
    bench.at(1, FAR).at(2, INSIDE).at(3, INSIDE).at(4, NEAR).at(5, INSIDE);
    bench.check(&[("began", 2), ("ended", 4), ("began", 5)]);
    assert_eq!(bench.decisions[0].because.as_deref(), Some("in 100 m around 52,13"));
}

#[test]
fn a_margin_keeps_a_wandering_fix_inside() {
    let mut bench = Bench::one(Kind::Zone(zone(0, 50.0)));
    bench.at(1, NEAR).at(2, INSIDE).at(3, NEAR).at(4, INSIDE).at(5, FAR);
    bench.check(&[("began", 2), ("ended", 5)]);
}

#[test]
fn passing_through_is_no_stay() {
    let mut bench = Bench::one(Kind::Zone(zone(5, 0.0)));
    bench.at(1, INSIDE).at(5, FAR).at(10, INSIDE).at(15, FAR);
    bench.check(&[("began", 15), ("ended", 15)]);
}

#[test]
fn a_tracker_that_sleeps_where_it_stands_has_entered_by_the_clock() {
    let mut bench = Bench::one(Kind::Zone(zone(5, 0.0)));
    bench.take(fix(INSIDE, None), 12, Some(10)).advance(16);
    bench.check(&[]);
    bench.advance(17);
    bench.check(&[("began", 15)]);
}

#[test]
fn poor_bad_and_old_fixes_neither_enter_nor_leave() {
    let mut bench = Bench::one(Kind::Zone(zone(0, 0.0)));
    bench.take(fix(INSIDE, Some(51.0)), 1, Some(1));
    bench.check(&[]);
    bench.take(fix(INSIDE, Some(50.0)), 2, Some(2)).take(fix(FAR, Some(51.0)), 3, Some(3));
    bench.take(fix(FAR, None), 4, Some(2)).take(fix(FAR, None), 20, Some(2));
    let Body::Observation { device, freshness, mut readings } = fix(FAR, None) else { panic!("an observation") };
    readings[0].quality = model::Quality::Bad;
    bench.take(Body::Observation { device, freshness, readings }, 21, Some(21));
    bench.check(&[("began", 2)]);
}

#[test]
fn a_retained_fix_ends_a_stay_and_begins_none() {
    let mut bench = Bench::one(Kind::Zone(zone(0, 0.0)));
    let retained = |bench: &mut Bench, minute: i64, latitude: f64| {
        let Body::Observation { device, readings, .. } = fix(latitude, None) else { panic!("an observation") };
        bench.take(Body::Observation { device, freshness: Freshness::Snapshot, readings }, minute, None);
    };
    retained(&mut bench, 1, INSIDE);
    bench.at(2, INSIDE);
    retained(&mut bench, 3, FAR);
    bench.check(&[("began", 2), ("ended", 3)]);
}

#[test]
fn a_stay_survives_a_crash_and_an_edit_of_its_dwell() {
    let with = |dwell| vec![(deployment("d", vec![Kind::Zone(zone(dwell, 0.0))]), tell as Rule)];
    let mut bench = Bench::new(1, with(10));
    bench.at(1, INSIDE);
    bench.crash(1, with(5));
    bench.take(started(), 3, None).take(Body::Host(HostEvent::CaughtUp), 4, None).advance(5);
    bench.check(&[]);
    bench.advance(6).at(7, FAR);
    bench.check(&[("began", 6), ("ended", 7)]);
}

#[test]
fn another_area_starts_anew() {
    let mut moved = zone(0, 0.0);
    let mut bench = Bench::one(Kind::Zone(moved.clone()));
    bench.at(1, INSIDE);
    moved.area = Area::Circle { centre: Corner { latitude: 52.0, longitude: 13.0 }, radius: 90.0 };
    let moved = setup(1, vec![(deployment("d", vec![Kind::Zone(moved)]), tell)]);
    bench.engine.reconfigure(moved, "switch".into(), minute(1)).expect("a setup");
    bench.at(2, INSIDE);
    bench.check(&[("began", 1), ("began", 2)]);
}

#[test]
fn an_area_without_an_inside_is_no_setup() {
    let mut bad = zone(0, 0.0);
    let corner = |latitude, longitude| Corner { latitude, longitude };
    bad.area = Area::Polygon(vec![corner(0.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0), corner(1.0, 0.0)]);
    let setup = setup(1, vec![(deployment("d", vec![Kind::Zone(bad)]), tell)]);
    let error = Engine::new(setup, Persistence::Store).map(drop).expect_err("a bow tie");
    assert!(error.to_string().starts_with("deployment `d`, trigger `t0`: no polygon with one inside"), "{error}");
}
