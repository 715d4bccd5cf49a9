//! Another set put in force while an engine runs, and partitions whose restored state already holds what comes.

use super::*;

fn warm_for(minutes: u64) -> Vec<(Deployment, Rule)> {
    vec![(deployment("d", vec![held(Span::from_mins(minutes), None, Gap::Continue)]), tell as Rule)]
}

#[test]
fn a_switch_keeps_since_and_moves_the_deadline() {
    let mut bench = Bench::new(1, warm_for(30));
    bench.live(0, 9.0).live(10, 9.0);
    bench.engine.switch(setup(1, warm_for(60))).expect("a setup");
    bench.take(started(), 11, None).live(12, 9.0);
    bench.live(45, 9.0);
    bench.check(&[]);
    bench.live(60, 9.0);
    bench.check(&[("began", 60)]);
}

#[test]
fn a_switch_to_a_shorter_hold_fires_what_is_due_by_then() {
    let mut bench = Bench::new(1, warm_for(30));
    bench.live(0, 9.0).live(10, 9.0);
    bench.engine.switch(setup(1, warm_for(5))).expect("a setup");
    bench.take(started(), 11, None).live(12, 9.0);
    assert_eq!(bench.told().len(), 1, "{:?}", bench.told());
}

#[test]
fn a_switch_keeps_the_number_of_partitions() {
    let mut bench = Bench::new(4, warm_for(30));
    bench.live(0, 9.0);
    bench.engine.switch(setup(1, warm_for(30))).expect("a setup");
    bench.take(started(), 1, None).live(2, 9.0).live(30, 9.0);
    bench.check(&[("began", 30)]);
}

#[test]
fn a_set_that_contradicts_itself_is_refused_and_the_old_one_stays() {
    let twice = [warm_for(5), warm_for(5)].concat();
    let mut bench = Bench::new(1, warm_for(30));
    bench.live(0, 9.0);
    assert!(bench.engine.switch(setup(1, twice)).is_err());
    bench.live(10, 9.0);
    bench.check(&[]);
    bench.live(30, 9.0);
    bench.check(&[("began", 30)]);
}

#[test]
fn what_restored_state_holds_is_not_taken_again() {
    let mut bench = Bench::new(1, vec![(deployment("d", vec![each_reading()]), tell)]);
    bench.engine.knows_until(0, minute(10));
    bench.live(9, 5.0).live(10, 5.0);
    bench.check(&[]);
    bench.live(11, 5.0);
    bench.check(&[("observation", 11)]);
}

#[test]
fn one_partition_that_knows_does_not_speak_for_the_others() {
    // The kitchen and the cellar are sites of their own: of sixteen partitions they share none.
    let mut both = deployment("d", vec![each_reading()]);
    both.roles[0].members.push(DeviceNo(2));
    let told = |known: &[u16]| {
        let mut bench = Bench::new(16, vec![(both.clone(), tell)]);
        known.iter().for_each(|partition| bench.engine.knows_until(*partition, minute(10)));
        bench.take(reading(DeviceNo(1), 5.0), 5, Some(5)).take(reading(DeviceNo(2), 5.0), 6, Some(6));
        bench.told().len()
    };
    assert_eq!(told(&[]), 2);
    let alone = (0..16).filter(|partition| told(&[*partition]) == 1).count();
    assert_eq!(alone, 2, "each of the two partitions leaves out its own reading");
    assert_eq!(told(&(0..16).collect::<Vec<_>>()), 0);
}
