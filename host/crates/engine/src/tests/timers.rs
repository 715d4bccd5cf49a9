//! Timers that rules set.

use super::*;

fn timer_rule(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    match &event.cause {
        Cause::Observation(_) => Ok(vec![propose(Effect::SetTimer(Timer {
            name: "later".into(),
            due: event.received_at + Span::from_mins(10),
            overdue: Overdue::FireWithin(Span::from_mins(30)),
            payload: Some(Value::text("kept")),
            attributes: Vec::new(),
        }))]),
        Cause::Timer(tick) if tick.payload == Some(Value::text("kept")) => tell(event, &mut crate::Nowhere::new("{}")),
        other => Err(Failure::Permanent(format!("{other:?}"))),
    }
}

#[test]
fn a_timer_survives_a_crash_and_fires_late_within_its_bound() {
    let deployments = || vec![(deployment("d", vec![each_reading()]), timer_rule as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.live(1, 5.0);
    bench.crash(1, deployments());
    bench.take(started(), 31, None);
    bench.check(&[("observation", 1), ("timer", 11)]);
    let mut bench = Bench::new(1, deployments());
    bench.live(1, 5.0);
    bench.crash(1, deployments());
    bench.take(started(), 42, None);
    bench.check(&[("observation", 1)]);
    assert_eq!(bench.engine.accounts().skipped_timers, 1);
}

#[test]
fn setting_a_timer_again_moves_it() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), timer_rule)]);
    bench.live(1, 5.0).live(6, 5.0).advance(60);
    bench.check(&[("observation", 1), ("observation", 6), ("timer", 16)]);
    assert_eq!(bench.engine.timers(), 0);
}
