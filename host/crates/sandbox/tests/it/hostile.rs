//! Hostile guests are stopped, named for what they did, and cost nobody else anything.

use model::deployment::Limits;
use model::guest::{Failure, Level, Stop};
use model::{Value, limits};
use sandbox::{LoadOptions, Options, Pooling, Sandbox};

use crate::guests::{PROBE, call, call_probe, event, probe, rule, sandbox, seen};

/// Calls on a fresh instance, and again on another: the one is stopped, the other works.
fn stopped(trigger: &str) -> (Stop, String) {
    let mut instance = probe().instantiate().unwrap();
    let (result, ..) = call(instance.as_mut(), &event(trigger));
    let Err(Failure::Stopped(stop, message)) = result else { panic!("`{trigger}` was not stopped: {result:?}") };
    let (again, ..) = call(instance.as_mut(), &event("nothing"));
    assert!(matches!(again, Err(Failure::Stopped(..))), "a stopped instance is never entered again");
    assert_eq!(call_probe("nothing").0, Ok(Vec::new()), "after `{trigger}` the next instance works");
    (stop, message)
}

#[test]
fn a_trap_is_named_with_its_place() {
    let (stop, message) = stopped("trap");
    assert_eq!(stop, Stop::Trap);
    assert!(message.contains("unreachable") && message.contains("rust_probe::Probe"), "{message}");
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let (stop, message) = stopped("loop");
    assert_eq!(stop, Stop::Fuel, "{message}");
}

#[test]
fn endless_host_calls_run_out_of_fuel() {
    let (stop, message) = stopped("host-calls");
    assert_eq!(stop, Stop::Fuel, "{message}");
}

#[test]
fn host_calls_cost_what_they_state() {
    let (_, _, free) = call_probe("nothing");
    let limits = Limits { fuel_per_event: 50_000, ..Limits::default() };
    let program = sandbox().load(&PROBE, &LoadOptions { limits, ..rule() }).unwrap();
    let (result, _, fuel) = call(program.instantiate().unwrap().as_mut(), &event("host-calls"));
    assert!(matches!(result, Err(Failure::Stopped(Stop::Fuel, _))), "{result:?}");
    assert_eq!(fuel, 50_000, "a stopped event has used all of its fuel");
    let (_, host, asked) = call_probe("ask");
    assert_eq!(host.counted.len(), 1);
    // Ten calls are in there, besides what the guest itself does.
    assert!(asked > free + 10 * limits::HOST_CALL_FUEL, "{asked} of {free}");
}

#[test]
fn endless_recursion_is_a_trap() {
    let (stop, message) = stopped("recursion");
    assert_eq!(stop, Stop::Trap);
    assert!(message.contains("stack") || message.contains("out of bounds"), "{message}");
}

#[test]
fn endless_memory_is_named_as_such() {
    let (stop, message) = stopped("memory");
    assert_eq!(stop, Stop::Memory);
    assert!(message.contains(&limits::INSTANCE_MEMORY.to_string()), "{message}");
}

#[test]
fn a_package_that_starts_larger_than_its_limit_never_starts() {
    let limits = Limits { memory_bytes: 64 * 1024, ..Limits::default() };
    let program = sandbox().load(&PROBE, &LoadOptions { limits, ..rule() }).unwrap();
    let Err(failure) = program.instantiate() else { panic!("a megabyte started in 64 KiB") };
    assert!(matches!(failure, Failure::Stopped(Stop::Memory, _)), "{failure}");
}

#[test]
fn too_many_effects_are_refused() {
    let (result, ..) = call_probe("effects-64");
    assert_eq!(result.map(|proposals| proposals.len()), Ok(limits::EFFECTS_PER_EVENT));
    assert_eq!(stopped("effects-65"), (Stop::Output, "65 effects from one event, at most 64".to_owned()));
    assert_eq!(stopped("effects").0, Stop::Output);
}

#[test]
fn numbers_that_are_none_never_cross() {
    for trigger in ["nan", "nan-state", "nan-sample", "big-integer"] {
        let (stop, message) = stopped(trigger);
        assert_eq!(stop, Stop::Output, "{trigger}: {message}");
    }
}

#[test]
fn answers_and_calls_of_any_size_are_refused() {
    for trigger in ["big-list", "big-call"] {
        let (stop, message) = stopped(trigger);
        assert_eq!(stop, Stop::Output, "{trigger}: {message}");
        assert!(message.contains(&limits::CALL_BYTES.to_string()), "{trigger}: {message}");
    }
}

#[test]
fn state_takes_values_and_names_up_to_their_limits() {
    for (within, past) in [("full-state", "big-state"), ("name-256", "name-257")] {
        let (result, host, _) = call_probe(within);
        assert_eq!((result, host.state.len()), (Ok(Vec::new()), 1), "{within}");
        let (result, host, _) = call_probe(past);
        assert_eq!(result, Err(Failure::Permanent("too-large".to_owned())), "{past} is an ordinary answer");
        assert!(host.state.is_empty());
    }
}

#[test]
fn a_log_line_is_kept_up_to_the_limit() {
    let lines = |trigger| call_probe(trigger).1.log.into_iter().map(|(_, line, _)| line.len()).collect::<Vec<_>>();
    assert_eq!(lines("log-16384"), [limits::LOG_PER_EVENT]);
    assert_eq!(lines("log-16385"), ["log cut: more than 16384 bytes in one event".len()]);
}

#[test]
fn a_flood_of_log_lines_is_cut_once() {
    let (result, host, _) = call_probe("log");
    assert_eq!(result, Ok(Vec::new()), "logging too much is no failure");
    let (last, lines) = host.log.split_last().unwrap();
    assert_eq!(lines.len(), limits::LOG_PER_EVENT / 1_000);
    assert_eq!((last.0, last.1.as_str()), (Level::Warn, "log cut: more than 16384 bytes in one event"));
}

#[test]
fn the_host_comes_back_whatever_happens() {
    for trigger in ["trap", "loop", "memory", "effects"] {
        let (_, host, _) = call_probe(trigger);
        assert!(host.log.is_empty(), "{trigger}: the same host, untouched");
    }
}

#[test]
fn one_guest_in_trouble_leaves_another_alone() {
    let mut good = probe().instantiate().unwrap();
    assert_eq!(seen(&call(good.as_mut(), &event("count-in-memory")).0.unwrap(), "count"), Value::Integer(1));
    for trigger in ["trap", "memory", "recursion", "loop"] {
        assert!(call_probe(trigger).0.is_err());
    }
    assert_eq!(seen(&call(good.as_mut(), &event("count-in-memory")).0.unwrap(), "count"), Value::Integer(2));
}

#[test]
fn a_pool_that_is_full_makes_events_wait() {
    /// What the pool holds.
    const INSTANCES: usize = 2_000;
    let own = Sandbox::new(Options { pooling: Pooling::Auto, ..Options::default() }).unwrap();
    let program = own.load(&PROBE, &rule()).unwrap();
    let mut all: Vec<_> = (0..INSTANCES).map(|_| program.instantiate().unwrap()).collect();
    let next = program.instantiate();
    if own.pooled() {
        assert!(matches!(next, Err(Failure::Transient(_))), "the host's shortage is not the guest's failure");
    }
    all.pop();
    assert!(program.instantiate().is_ok());
}
