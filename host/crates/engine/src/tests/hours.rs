//! Grants for some hours of the day: both ends, midnight, and the days on which clocks change.

use model::deployment::Hours;

use super::effects::command_rule;
use super::*;

fn granted(from: u16, to: u16, zone: &str) -> Vec<(Deployment, Rule)> {
    let mut deployment = deployment("d", vec![each_reading()]);
    deployment.grants.commands[0].hours = Some(Hours { from, to, zone: zone.into() });
    vec![(deployment, command_rule)]
}

/// Whether a command proposed at each of these instants was allowed.
#[track_caller]
fn check(from: u16, to: u16, zone: &str, at: &[(&str, bool)]) {
    for (at, allowed) in at {
        let instant: Instant = at.parse().expect("an instant");
        let mut bench = Bench::new(1, granted(from, to, zone));
        let input = bench.input(reading(DeviceNo(1), 20.0), None);
        bench.engine.take(&input, instant);
        bench.collect();
        let expected = if *allowed { (Vec::new(), 1) } else { (vec!["hours".to_owned()], 0) };
        assert_eq!(verdicts(&bench), expected, "{at}");
    }
}

#[test]
fn a_command_is_allowed_from_the_first_minute_on_and_before_the_last() {
    let at = [
        ("2026-11-25T06:59:59.999999Z", false),
        ("2026-11-25T07:00:00Z", true),
        ("2026-11-25T21:59:59.999999Z", true),
        ("2026-11-25T22:00:00Z", false),
    ];
    check(7 * 60, 22 * 60, "UTC", &at);
}

#[test]
fn hours_may_run_over_midnight_and_to_its_end() {
    let at = [
        ("2026-11-25T21:59:59Z", false),
        ("2026-11-25T22:00:00Z", true),
        ("2026-11-26T00:00:00Z", true),
        ("2026-11-26T05:59:59Z", true),
        ("2026-11-26T06:00:00Z", false),
    ];
    check(22 * 60, 6 * 60, "UTC", &at);
    let at = [("2026-11-25T19:59:59Z", false), ("2026-11-25T23:59:59Z", true), ("2026-11-26T00:00:00Z", false)];
    check(20 * 60, 24 * 60, "UTC", &at);
}

/// In Berlin 02:00 to 03:00 does not exist on 28 March 2027, and comes twice on 31 October.
#[test]
fn hours_are_those_that_the_zones_clock_shows() {
    let spring = [("2027-03-28T00:59:59Z", false), ("2027-03-28T01:00:00Z", true), ("2027-03-28T01:30:00Z", false)];
    check(2 * 60 + 30, 3 * 60 + 30, "Europe/Berlin", &spring);
    let autumn = [
        ("2027-10-30T23:59:59Z", false),
        ("2027-10-31T00:00:00Z", true),
        ("2027-10-31T00:30:00Z", false),
        ("2027-10-31T01:00:00Z", true),
        ("2027-10-31T01:30:00Z", false),
    ];
    check(2 * 60, 2 * 60 + 30, "Europe/Berlin", &autumn);
}

#[test]
fn hours_follow_a_wall_clock_that_was_stepped() {
    let mut bench = Bench::new(1, granted(60, 120, "UTC"));
    bench.live(30, 20.0).take(Body::Host(HostEvent::ClockStepped { ahead: 3_600_000_000 }), 31, None).live(32, 20.0);
    assert_eq!(verdicts(&bench), (vec!["hours".to_owned()], 1));
}

#[test]
fn a_clock_that_nobody_believes_is_within_no_hours() {
    let mut bench = Bench::new(1, granted(0, 24 * 60, "UTC"));
    let started = HostEvent::Started {
        engine: "test".into(),
        zones: "test".into(),
        configuration: None,
        doubted: true,
        alive: None,
    };
    bench.take(Body::Host(started), 1, None).live(2, 20.0);
    assert_eq!(verdicts(&bench), (vec!["hours".to_owned()], 0));
}
