//! Another set put in force while an engine runs, and partitions whose restored state already holds what comes.

use super::*;

#[test]
fn what_restored_state_holds_is_not_taken_again() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), tell)]);
    bench.engine.knows_until(0, minute(10));
    bench.live(9, 5.0).live(10, 5.0);
    bench.check(&[]);
    bench.live(11, 5.0);
    bench.check(&[("observation", 11)]);
}

fn warm_for(minutes: u64) -> Vec<(Deployment, Rule)> {
    vec![(deployment("d", vec![held(Span::from_mins(minutes), None, Gap::Continue)]), tell as Rule)]
}

#[test]
fn a_set_that_contradicts_itself_is_refused_and_the_old_one_stays() {
    let twice = [warm_for(5), warm_for(5)].concat();
    let mut bench = Bench::new(1, warm_for(30));
    bench.live(1, 9.0);
    assert!(bench.engine.switch(setup(1, twice)).is_err());
    bench.live(10, 9.0).advance(30);
    bench.check(&[]);
    bench.advance(32);
    bench.check(&[("began", 31)]);
}

#[test]
fn a_switch_keeps_since_and_moves_the_deadline() {
    let mut bench = Bench::new(1, warm_for(30));
    bench.live(1, 9.0).live(10, 9.0);
    bench.engine.switch(setup(1, warm_for(60))).expect("a setup");
    bench.live(12, 9.0).advance(60);
    bench.check(&[]);
    bench.advance(62);
    bench.check(&[("began", 61)]);
}

#[test]
fn a_switch_to_a_shorter_hold_fires_what_is_due_by_then() {
    let mut bench = Bench::new(1, warm_for(30));
    bench.live(1, 9.0).live(10, 9.0);
    bench.engine.switch(setup(1, warm_for(5))).expect("a setup");
    bench.live(12, 9.0).advance(13);
    assert_eq!(bench.told().len(), 1, "{:?}", bench.told());
}

/// As an operator does who tries limits for a year.
#[test]
fn a_set_that_is_put_in_force_a_thousand_times_still_answers_and_leaves_no_rows() {
    let mut bench = Bench::new(1, warm_for(30));
    let (mut rows, mut at_first) = (std::collections::BTreeSet::new(), 0);
    for n in 0..1_000_i64 {
        let at = minute(n * 100);
        let minutes = if n % 2 == 0 { 20 } else { 30 };
        let name = Name::from(format!("switch:{n}"));
        bench.engine.reconfigure(setup(1, warm_for(minutes)), name, at).expect("a setup");
        bench.live(n * 100 + 1, 9.0).live(n * 100 + 10, 9.0).advance(n * 100 + 40).live(n * 100 + 50, 5.0);
        let minutes = i64::try_from(minutes).expect("small");
        bench.check(&[("began", n * 100 + 1 + minutes), ("ended", n * 100 + 50)]);
        for change in bench.turns.drain(..).flat_map(|turn| turn.commits).flat_map(|commit| commit.changes) {
            let place = (change.table, change.key);
            if change.value.is_some() {
                rows.insert(place)
            } else {
                rows.remove(&place)
            };
        }
        bench.decisions.clear();
        if n == 10 {
            at_first = rows.len();
        }
    }
    // What was seen is remembered for a while, by its id; nothing else may be more than it was.
    rows.retain(|(table, _)| *table != store::Table::Seen);
    assert!(rows.len() <= at_first, "{} rows, {at_first} after ten", rows.len());
}

/// Keeps what it read.
fn keep(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    if let Cause::Observation(observation) = &event.cause {
        host.set("last", observation.readings[0].value.clone(), None).expect("room");
    }
    Ok(Vec::new())
}

fn of_version(state_version: u32) -> Vec<(Deployment, Rule)> {
    vec![(Deployment { state_version, ..deployment("d", vec![each_reading()]) }, keep as Rule)]
}

#[test]
fn state_of_another_version_is_refused_and_without_state_any_version_runs() {
    let mut bench = Bench::new(1, of_version(1));
    bench.crash(1, of_version(2));
    bench.engine.state_fits().expect("there is no state yet");
    bench.live(1, 5.0);
    bench.crash(1, of_version(2));
    bench.engine.state_fits().expect("the same version");
    for other in [1, 3] {
        bench.crash(1, of_version(other));
        let said = bench.engine.state_fits().expect_err("another version").to_string();
        assert!(said.contains("`state-version` 2, the package has") && said.contains(&other.to_string()), "{said}");
    }
    bench.crash(1, of_version(2));
    let refused = bench.engine.reconfigure(setup(1, of_version(3)), "switch".into(), minute(2));
    assert!(matches!(refused, Err(crate::SetupError::StateVersion { stored: 2, wanted: 3, .. })));
    assert!(bench.engine.switch(setup(1, of_version(3))).is_err());
    bench.live(3, 6.0);
    assert_eq!(bench.engine.state("d", "fridge", "last"), Some(&Value::Number(6.0)), "the old one goes on");
    bench.engine.switch(setup(1, Vec::new())).expect("without the deployment");
    bench.engine.switch(setup(1, of_version(3))).expect("what is gone was forgotten");
}
