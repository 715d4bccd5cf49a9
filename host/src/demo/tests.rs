//! The simulator's stories: what people see in the demo must come out of its physics, whatever the seed.

use serde_json::{Value as Json, json};

use super::home::Home;
use super::machine::{Machine, Report};
use super::truck::Truck;
use super::wearable::Wearable;

/// Steps a second of the story.
const STEPS: usize = 4;

fn seconds(machine: &mut impl Machine, seconds: usize) -> Vec<Report> {
    let mut reports = Vec::new();
    for _ in 0..seconds * STEPS {
        machine.step(&mut reports);
    }
    reports
}

fn of<'a>(reports: &'a [Report], topic: &str) -> Vec<&'a Json> {
    reports.iter().filter(|report| report.topic == topic).map(|report| &report.payload).collect()
}

#[test]
fn the_same_seed_tells_the_same_story_to_the_last_digit() {
    let stories = |seed| {
        let mut all = seconds(&mut Home::new(seed), 130);
        all.extend(seconds(&mut Wearable::new(seed), 130));
        all.extend(seconds(&mut Truck::new(seed), 130));
        all
    };
    assert_eq!(stories(7), stories(7));
    assert_ne!(stories(7), stories(8));
}

#[test]
fn an_open_window_cools_the_room_only_once_the_radiator_is_turned_down() {
    let (mut told, mut untold) = (Home::new(1), Home::new(1));
    seconds(&mut told, 8);
    seconds(&mut untold, 8);
    let mut reports = Vec::new();
    let does = told.told("home/radiator/set", &json!({"setpoint": 7.0}), &mut reports);
    assert_eq!(does, "the radiator is set to 7 °C");
    assert_eq!(reports[0].payload["setpoint"], 7.0);
    seconds(&mut told, 7);
    seconds(&mut untold, 7);
    assert!(told.room() < untold.room() - 1.0, "{} and {}", told.room(), untold.room());
    assert!(told.room() > 3.0);
}

#[test]
fn each_device_of_the_home_says_how_it_is_in_the_first_step() {
    let mut reports = Vec::new();
    Home::new(1).step(&mut reports);
    for topic in ["kitchen-window", "bath-leak", "main-valve", "hall-lamp", "hall-motion", "radiator", "washer"] {
        assert!(!of(&reports, &format!("home/{topic}")).is_empty(), "{topic}");
    }
}

#[test]
fn a_heart_races_at_rest_longer_than_five_seconds_and_not_after_the_run() {
    for seed in 0..20 {
        let reports = seconds(&mut Wearable::new(seed), 60);
        let fast: Vec<bool> = of(&reports, "wearables/watch")
            .iter()
            .map(|payload| payload["activity"] == "still" && payload["hr"].as_f64().is_some_and(|rate| rate > 110.0))
            .collect();
        let longest = fast.split(|fast| !fast).map(<[bool]>::len).max();
        assert!(longest >= Some(7), "seed {seed}: {longest:?}");
        let after_the_run = fast[52..].iter().filter(|fast| **fast).count();
        assert!(after_the_run <= 2, "seed {seed}: {after_the_run}");
    }
}

#[test]
fn the_truck_brakes_harder_than_people_like_and_not_harder_than_tyres_can() {
    let reports = seconds(&mut Truck::new(3), 60);
    let speeds: Vec<f64> =
        of(&reports, "trucks/truck-7").iter().filter_map(|payload| payload["speed"].as_f64()).collect();
    // Its notes come between two seconds, so that some steps are a quarter apart: the second before is the measure.
    let hardest = speeds.windows(2).map(|pair| (pair[0] - pair[1]) / 3.6).fold(0.0, f64::max);
    assert!(hardest > 3.5 && hardest < 12.0, "{hardest}");
    assert!(speeds.iter().all(|speed| (0.0..=90.0).contains(speed)));
}

#[test]
fn the_cargo_leaves_its_range_while_the_door_is_open_and_comes_back() {
    let mut truck = Truck::new(3);
    seconds(&mut truck, 19);
    assert!((2.0..8.0).contains(&truck.rear()), "{}", truck.rear());
    seconds(&mut truck, 10);
    assert!(truck.rear() > 8.0, "{}", truck.rear());
    seconds(&mut truck, 29);
    assert!((2.0..8.0).contains(&truck.rear()), "{}", truck.rear());
}

#[test]
fn the_truck_stands_far_from_its_depot_and_ends_there() {
    let mut truck = Truck::new(3);
    let longitude = |reports: &[Report]| {
        of(reports, "trucks/truck-7")
            .last()
            .and_then(|payload| payload["gps"]["longitude"].as_f64())
            .expect("a position")
    };
    let away = longitude(&seconds(&mut truck, 20));
    assert!(away > 13.41, "{away}");
    let home = longitude(&seconds(&mut truck, 40));
    assert!((home - 13.40).abs() < 0.002, "{home}");
}
