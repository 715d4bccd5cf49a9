//! The rule natively: the engine with its triggers, guards and timers, in virtual time.

use pointsman_sdk::prelude::*;
use pointsman_testkit::Bench;

use crate::Guard;

fn bench() -> Bench {
    Bench::project::<Guard>(env!("CARGO_MANIFEST_DIR")).expect("a rule that can be deployed")
}

#[test]
fn a_probe_that_stays_warm_switches_the_alarm_on_and_a_cool_one_off() {
    let mut bench = bench();
    bench.report("fridge", "temperature", 8.4);
    assert!(bench.advance(Span::mins(9)).lines().is_empty());
    assert_eq!(bench.advance(Span::mins(1)).lines(), ["siren on"]);
    assert_eq!(bench.report("fridge", "temperature", 7.0).lines(), ["siren off"]);
}

#[test]
fn the_scenarios_hold_natively_too() {
    assert!(pointsman_testkit::scenarios::<Guard>(env!("CARGO_MANIFEST_DIR")).expect("good files") > 0);
}
