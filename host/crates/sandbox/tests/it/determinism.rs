//! The same event on a fresh instance costs the same and answers the same, in each way of allocating instances.

use model::guest::Program;
use sandbox::{Options, Pooling, Sandbox};

use crate::guests::{PROBE, call, event, probe, rule, sandbox};

/// Result and fuel of one call on a fresh instance, for comparison.
fn outcome(program: &dyn Program, trigger: &str) -> String {
    let (result, host, fuel) = call(program.instantiate().unwrap().as_mut(), &event(trigger));
    format!("{result:?} {:?} {fuel}", host.state)
}

/// What a guest keeps in memory is among them: a memory of the pool comes back as it was at first.
const TRIGGERS: &[&str] =
    &["echo", "ask", "state", "nothing", "count-in-memory", "trap", "memory", "loop", "effects", "log"];

#[test]
fn fresh_instances_burn_equal_fuel_for_equal_events() {
    for trigger in TRIGGERS {
        let first = outcome(probe().as_ref(), trigger);
        for _ in 0..4 {
            assert_eq!(outcome(probe().as_ref(), trigger), first, "{trigger}");
        }
    }
}

#[test]
fn pooled_and_on_demand_instances_do_the_same() {
    let on_demand = Sandbox::new(Options { pooling: Pooling::Off, ..Options::default() }).unwrap();
    assert!(!on_demand.pooled());
    let program = on_demand.load(&PROBE, &rule()).unwrap();
    for trigger in TRIGGERS {
        assert_eq!(outcome(program.as_ref(), trigger), outcome(probe().as_ref(), trigger), "{trigger}");
    }
}

#[test]
fn a_pool_is_used_where_it_can_be_had() {
    let forced = Sandbox::new(Options { pooling: Pooling::On, ..Options::default() });
    assert_eq!(sandbox().pooled(), forced.is_ok_and(|sandbox| sandbox.pooled()));
}

#[test]
fn threads_call_instances_of_one_program_at_once() {
    let expected = outcome(probe().as_ref(), "echo");
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..50).map(|_| outcome(probe().as_ref(), "echo")).collect::<Vec<_>>()))
            .collect();
        for call in calls {
            assert!(call.join().unwrap().iter().all(|outcome| *outcome == expected));
        }
    });
}
