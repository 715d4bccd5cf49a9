//! The rule natively: the engine with its triggers, guards and timers, in virtual time.

use pointsman_sdk::prelude::*;
use pointsman_testkit::Bench;

use crate::Window;

/// A morning with the radiator at 21 °C and both windows closed.
fn bench() -> Bench {
    let mut bench = Bench::project::<Window>(env!("CARGO_MANIFEST_DIR")).expect("a rule that can be deployed");
    bench.at("2026-01-12T08:00:00Z");
    bench.report_all("radiator", [("setpoint", 21.0.into()), ("temperature", 20.4.into())]);
    bench.report("kitchen-window", "contact", false);
    bench.report("bedroom-window", "contact", false);
    bench
}

#[test]
fn the_heating_comes_back_after_the_host_was_switched_off_meanwhile() {
    let mut bench = bench();
    bench.report("kitchen-window", "contact", true);
    assert_eq!(bench.advance(Span::mins(2)).lines(), ["radiator set value=7"]);
    bench.report("radiator", "setpoint", 7.0);
    assert!(bench.restart(Span::mins(5)).lines().is_empty());
    assert_eq!(bench.state("scenario", "before"), Some(Value::Json(r#"{"radiator":21.0}"#.to_owned())));
    assert_eq!(bench.report("kitchen-window", "contact", false).lines(), ["radiator set value=21"]);
    assert_eq!(bench.timers(), 0);
}

#[test]
fn what_somebody_chose_meanwhile_stays() {
    let mut bench = bench();
    bench.report("kitchen-window", "contact", true);
    bench.advance(Span::mins(2));
    bench.report("radiator", "setpoint", 17.0);
    assert!(bench.report("kitchen-window", "contact", false).lines().is_empty());
}

#[test]
fn the_scenarios_hold_natively_too() {
    assert!(pointsman_testkit::scenarios::<Window>(env!("CARGO_MANIFEST_DIR")).expect("good files") >= 5);
}
