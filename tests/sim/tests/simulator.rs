//! The fixed set: seeds of every build, the scenarios that seeds became, and that a seed is one run.

use std::ops::Range;

use pointsman_sim::{Plan, check, run, scenario};

/// Fails with what is wrong, and how to see it again.
fn hold(seeds: Range<u64>) {
    for seed in seeds {
        let found = check(&Plan::of(seed));
        assert!(found.is_empty(), "seed {seed}: {found:#?}\nagain: cargo xtask sim --from {seed}");
    }
}

// Several tests, so that they run side by side.

#[test]
fn every_promise_holds_in_the_first_quarter_of_the_seeds() {
    hold(0..30);
}

#[test]
fn every_promise_holds_in_the_second_quarter_of_the_seeds() {
    hold(30..60);
}

#[test]
fn every_promise_holds_in_the_third_quarter_of_the_seeds() {
    hold(60..90);
}

#[test]
fn every_promise_holds_in_the_last_quarter_of_the_seeds() {
    hold(90..120);
}

#[test]
fn every_scenario_holds() {
    let scenarios = scenario::all().expect("the scenarios can be read");
    assert!(!scenarios.is_empty(), "scenarios are found");
    for (name, scenario) in scenarios {
        let found = check(&scenario.plan);
        assert!(found.is_empty(), "{name}: {found:#?}\n{}", scenario.story);
    }
}

#[test]
fn a_seed_is_the_same_run_each_time_and_another_is_another() {
    for seed in [3, 7] {
        let plan = Plan::of(seed);
        assert_eq!(run(&plan, None).digest, run(&plan, None).digest, "seed {seed}");
    }
    assert_ne!(run(&Plan::of(3), None).digest, run(&Plan::of(7), None).digest);
}

#[test]
fn the_seeds_meet_every_kind_of_fault() {
    let plans: Vec<Plan> = (0..120).map(Plan::of).collect();
    let meets = |fault: fn(&Plan) -> bool| plans.iter().filter(|plan| fault(plan)).count() > 20;
    assert!(meets(|plan| plan.faults.crashes > 4));
    assert!(meets(|plan| plan.faults.failing_commits > 20));
    assert!(meets(|plan| plan.faults.late_commits > 100));
    assert!(meets(|plan| plan.faults.cuts > 5));
    assert!(meets(|plan| plan.faults.silences > 1));
    assert!(meets(|plan| plan.faults.clock_steps > 1));
    assert!(meets(|plan| plan.faults.sinks > 50));
    assert!(meets(|plan| plan.faults.mute_devices > 50));
    assert!(meets(|plan| plan.faults.traps > 5));
    assert!(meets(|plan| plan.faults.passing_failures > 10));
    assert!(meets(|plan| plan.partitions > 1));
}
