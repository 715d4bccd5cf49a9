//! A wall clock that is stepped, or that nobody can believe.

use super::*;

const HOUR: i64 = 3_600_000_000;

fn every_half_hour(overdue: Overdue) -> Kind {
    let schedule =
        Schedule { cron: "*/30 * * * *".into(), zone: "UTC".into(), overdue, spring: Spring::After, autumn: None };
    Kind::Schedule(schedule)
}

fn doubted() -> Body {
    Body::Host(HostEvent::Started {
        engine: "test".into(),
        zones: "test".into(),
        configuration: None,
        doubted: true,
        alive: None,
    })
}

fn accepted(from: i64) -> Body {
    Body::Host(HostEvent::ClockAccepted { from: minute(from), operator: true })
}

fn caught_up() -> Body {
    Body::Host(HostEvent::CaughtUp)
}

fn stepped(ahead: i64) -> Body {
    Body::Host(HostEvent::ClockStepped { ahead })
}

/// Sets a timer of ten minutes at each reading, and tells of it when it comes.
fn ten_minutes(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(_) = &event.cause else { return tell(event, host) };
    Ok(vec![propose(Effect::SetTimer(Timer {
        name: "later".into(),
        due: event.received_at + Span::from_mins(10),
        overdue: Overdue::FireWithin(Span::from_mins(30)),
        payload: None,
        attributes: Vec::new(),
    }))])
}

#[test]
fn a_schedule_follows_a_wall_clock_that_went_an_hour_ahead() {
    let mut bench = Bench::one(every_half_hour(Overdue::Skip));
    bench.advance(25).take(stepped(HOUR), 25, None);
    // 01:25 on the wall: 00:30 and 01:00 were jumped over; 01:30 comes within five minutes.
    bench.check(&[]);
    assert_eq!(bench.engine.accounts().missed_schedules, 2);
    bench.advance(29);
    bench.check(&[]);
    bench.advance(31);
    bench.check(&[("schedule", 90)]);
}

#[test]
fn a_schedule_comes_once_where_the_wall_clock_goes_back_over_it() {
    let mut bench = Bench::one(every_half_hour(Overdue::Skip));
    bench.advance(1).advance(61).take(stepped(-HOUR), 61, None);
    // 00:01 on the wall: 00:30 and 01:00 have come already.
    bench.advance(119);
    bench.check(&[("schedule", 30), ("schedule", 60)]);
    // 01:30 on the wall: the clock has caught up nine tenths of a minute since.
    bench.advance(151);
    bench.check(&[("schedule", 30), ("schedule", 60), ("schedule", 90)]);
}

#[test]
fn what_was_jumped_over_is_overdue_like_after_downtime() {
    let mut bench = Bench::one(every_half_hour(Overdue::FireWithin(Span::from_mins(26))));
    bench.advance(25).take(stepped(HOUR), 25, None);
    bench.check(&[("schedule", 60)]);
    let mut bench = Bench::one(every_half_hour(Overdue::FireWithin(Span::from_mins(24))));
    bench.advance(25).take(stepped(HOUR), 25, None);
    bench.check(&[]);
}

#[test]
fn a_wall_clock_that_was_years_ahead_does_not_silence_a_schedule_for_years() {
    let mut bench = Bench::one(every_half_hour(Overdue::Skip));
    bench.advance(25).take(stepped(100_000 * HOUR), 25, None).advance(26).take(stepped(0), 26, None).advance(61);
    bench.check(&[("schedule", 30), ("schedule", 60)]);
}

#[test]
fn a_step_is_known_again_after_a_crash() {
    let deployments = || vec![(deployment("d", vec![every_half_hour(Overdue::Skip)]), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.advance(25).take(stepped(HOUR), 25, None);
    bench.crash(1, deployments());
    bench.advance(31);
    bench.check(&[("schedule", 90)]);
}

#[test]
fn a_schedule_that_was_added_by_a_doubted_clock_has_missed_nothing_when_that_jumps() {
    let deployments = || vec![(deployment("d", vec![every_half_hour(Overdue::Fire)]), tell as Rule)];
    let mut bench = Bench::new(1, Vec::new());
    bench.take(doubted(), 2, None).take(caught_up(), 3, None);
    bench.engine.reconfigure(setup(1, deployments()), "edit".into(), minute(4)).expect("a setup");
    bench.take(accepted(5), 1_001, None).advance(1_021);
    bench.check(&[("schedule", 1_020)]);
}

#[test]
fn a_doubted_clock_decides_nothing_and_events_are_taken() {
    let kinds = vec![each_reading(), held(Span::from_mins(10), None, Gap::Continue), every_half_hour(Overdue::Fire)];
    let deployments = || vec![(deployment("d", kinds.clone()), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.live(1, 9.0);
    bench.crash(1, deployments());
    bench.take(doubted(), 2, None).take(caught_up(), 3, None).live(4, 9.0).advance(40);
    bench.check(&[("observation", 1), ("observation", 4)]);
    assert_eq!(bench.engine.next_due(), None, "the pipeline has nothing to wake up for");
}

#[test]
fn an_accepted_clock_is_like_a_start_after_downtime() {
    let kinds = vec![held(Span::from_mins(10), None, Gap::Continue), every_half_hour(Overdue::Fire)];
    let deployments = || vec![(deployment("d", kinds.clone()), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.live(1, 5.0).advance(31);
    bench.crash(1, deployments());
    bench.take(doubted(), 32, None).take(caught_up(), 33, None).live(34, 9.0);
    bench.take(accepted(35), 100_001, None);
    // One schedule for all that were missed; the hold starts anew where the time between is unknown.
    bench.check(&[("schedule", 30), ("schedule", 99_990)]);
    bench.advance(100_011);
    bench.check(&[("schedule", 30), ("schedule", 99_990), ("began", 100_011)]);
}

#[test]
fn a_timer_set_by_a_doubted_clock_keeps_its_distance() {
    let deployments = || vec![(deployment("d", vec![each_reading()]), ten_minutes as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.take(doubted(), 1, None).take(caught_up(), 2, None).live(3, 5.0).take(accepted(5), 100_005, None);
    bench.advance(100_012);
    bench.check(&[("observation", 3)]);
    bench.advance(100_013);
    bench.check(&[("observation", 3), ("timer", 100_013)]);
}

#[test]
fn sources_that_have_not_caught_up_hold_an_accepted_clock_back() {
    let mut bench = Bench::one(held(Span::from_mins(10), None, Gap::Continue));
    bench.take(doubted(), 1, None).read(2, 2, 9.0).take(accepted(3), 1_000, None).advance(1_020);
    bench.check(&[]);
    bench.take(caught_up(), 1_021, None).advance(1_031);
    bench.check(&[("began", 1_031)]);
}
