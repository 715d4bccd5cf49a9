//! Rules that keep something in their memory are found, and others are not accused.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::{Divergence, Sampler};

/// Counts in its own memory, and says or writes the count where `secret` says so.
struct Counting {
    secret: bool,
    started: Arc<AtomicU64>,
    seen: i64,
}

impl Program for Counting {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        self.started.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Self { secret: self.secret, started: Arc::clone(&self.started), seen: 0 }))
    }
}

impl Instance for Counting {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, mut host: Box<dyn Host>) -> Handled {
        self.seen += 1;
        let kept = host.get("count").and_then(|value| value.as_f64()).unwrap_or_default();
        host.set("count", Value::Number(kept + 1.0), None).expect("room");
        if self.secret {
            host.set("seen", Value::Integer(self.seen), None).expect("room");
        }
        host.count("told", 1);
        let result = tell(event, &mut *host);
        Handled { host, result, fuel: 0 }
    }
}

/// Runs forty events in turns of `batch`: what was found, decisions, instances, and what was counted.
fn run(secret: bool, lifecycle: Lifecycle, sampler: Sampler, batch: usize) -> (Vec<Divergence>, String, u64, u64) {
    let started = Arc::new(AtomicU64::new(0));
    let program = Counting { secret, started: Arc::clone(&started), seen: 0 };
    let spec = Deployment { lifecycle, metrics: vec!["told".into()], ..deployment("d", vec![each_reading()]) };
    let setup =
        Setup { deployments: vec![(Arc::new(spec), Arc::new(program) as Arc<dyn Program>)], ..setup(1, Vec::new()) };
    let mut engine = Engine::new(setup, Persistence::Store).expect("a setup");
    engine.sample(sampler);
    let mut bench = Bench { engine, number: 0, decisions: Vec::new(), turns: Vec::new() };
    for at in 0..40_usize {
        let input = bench.input(reading(DeviceNo(1), at as f64), None);
        // A checkpoint is due at the first turn of a day.
        bench.engine.take(&input, minute(30_000_000 + i64::try_from(at).expect("small")));
        if (at + 1) % batch == 0 {
            bench.collect();
        }
    }
    bench.collect();
    let mut digest = crate::digest::RunDigest::default();
    bench.decisions.iter().for_each(|decision| digest.add(decision));
    let counted = bench.turns.iter().flat_map(|turn| &turn.counts).map(|(_, _, by)| by).sum();
    let found = bench.turns.into_iter().flat_map(|turn| turn.divergences).collect();
    (found, digest.finish(), started.load(Ordering::Relaxed), counted)
}

#[test]
fn a_rule_that_counts_in_its_memory_is_found_with_both_answers() {
    for lifecycle in [Lifecycle::Turn, Lifecycle::Warm] {
        let (found, ..) = run(true, lifecycle, Sampler::share(1.0), 8);
        let first = found.first().expect("it is found");
        assert_eq!((&*first.deployment, &*first.key, first.handled), ("d", "fridge", 1));
        assert_eq!(first.shared.writes.get("seen"), Some(&Some(Value::Integer(2))));
        assert_eq!(first.fresh.writes.get("seen"), Some(&Some(Value::Integer(1))));
        assert_eq!(first.shared.proposals, first.fresh.proposals);
    }
}

#[test]
fn a_rule_that_keeps_its_state_where_it_belongs_is_not_accused() {
    for lifecycle in [Lifecycle::Turn, Lifecycle::Warm] {
        assert_eq!(run(false, lifecycle, Sampler::share(1.0), 40).0, []);
        assert_eq!(run(false, lifecycle, Sampler::Every, 1).0, []);
    }
}

#[test]
fn looking_changes_no_decision_and_counts_nothing_twice() {
    let (_, digest, instances, counted) = run(true, Lifecycle::Turn, Sampler::Off, 8);
    let (_, looked, more, counted_again) = run(true, Lifecycle::Turn, Sampler::share(1.0), 8);
    assert_eq!((digest, counted), (looked, counted_again));
    assert_eq!((instances, more), (5, 40), "a step on an instance of its own is not run again");
}

#[test]
fn instances_outlive_turns_where_every_step_is_looked_at() {
    assert_eq!(run(true, Lifecycle::Turn, Sampler::share(1.0), 1).0, [], "a turn of one event hides nothing");
    assert_eq!(run(true, Lifecycle::Turn, Sampler::Every, 1).0.len(), 39);
    assert_eq!(run(true, Lifecycle::Event, Sampler::Every, 1).0, [], "an instance for each event has no past");
}
