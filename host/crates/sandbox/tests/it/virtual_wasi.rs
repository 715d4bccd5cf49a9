//! The compatibility linker: a world made of the event alone.

use std::sync::{Arc, LazyLock};

use model::guest::{Failure, Level, Program, Stop};
use model::{Event, Instant, Name, Proposal, Value, limits};
use sandbox::LoadOptions;

use crate::guests::{WASI, call, event, rule, sandbox, seen};
use crate::recorder::Recorder;

static LOADED: LazyLock<Arc<dyn Program>> =
    LazyLock::new(|| sandbox().load(&WASI, &LoadOptions { compatibility: true, ..rule() }).unwrap());

fn handle(event: &Event) -> (Result<Vec<Proposal>, Failure>, Recorder) {
    let (result, host, _) = call(LOADED.instantiate().unwrap().as_mut(), event);
    (result, host)
}

#[test]
fn clocks_show_the_event_and_nothing_else_is_there() {
    let event = event("look");
    let proposals = handle(&event).0.unwrap();
    let now = Value::Integer(event.received_at.0);
    assert_eq!((seen(&proposals, "micros"), seen(&proposals, "monotonic")), (now.clone(), now));
    assert_eq!(seen(&proposals, "variables"), Value::Integer(0));
    assert_eq!(seen(&proposals, "denied"), Value::Integer(1), "no socket");
    assert_eq!(seen(&proposals, "bytes"), Value::Integer(9));
}

#[test]
fn random_numbers_repeat_with_the_event_and_differ_between_events() {
    let first = handle(&event("look")).0.unwrap();
    assert_eq!(handle(&event("look")).0.unwrap(), first);
    let other = handle(&Event { id: Name::from("event-2"), ..event("look") }).0.unwrap();
    for name in ["random", "seed"] {
        assert_ne!(seen(&other, name), seen(&first, name), "{name}");
    }
    // On an instance that has lived through other events, too.
    let mut instance = LOADED.instantiate().unwrap();
    call(instance.as_mut(), &Event { id: Name::from("event-0"), received_at: Instant(1), ..event("look") }).0.unwrap();
    assert_eq!(call(instance.as_mut(), &event("look")).0.unwrap(), first);
}

#[test]
fn printing_goes_to_the_log() {
    let (_, host) = handle(&event("look"));
    let lines: Vec<_> = host.log.iter().map(|(level, line, _)| (*level, line.as_str())).collect();
    assert_eq!(lines, [(Level::Info, "out one"), (Level::Info, "out two"), (Level::Warn, "err one")]);
}

#[test]
fn a_flood_of_output_is_cut() {
    let (result, host) = handle(&event("flood"));
    assert_eq!(result, Ok(Vec::new()));
    let bytes: usize = host.log.iter().map(|(_, line, _)| line.len()).sum();
    assert!(bytes <= limits::LOG_PER_EVENT + 100, "{bytes}");
    assert!(host.log.last().unwrap().1.starts_with("log cut"), "{:?}", host.log.last());
}

#[test]
fn ten_years_of_sleep_pass_at_once() {
    let proposals = handle(&event("sleep")).0.unwrap();
    assert_eq!(seen(&proposals, "years"), Value::Integer(10));
    assert_eq!(seen(&proposals, "ready"), Value::Integer(1));
}

#[test]
fn more_random_bytes_than_a_call_may_carry_are_refused() {
    let proposals = handle(&event("random-limit")).0.unwrap();
    assert_eq!(seen(&proposals, "bytes"), Value::Integer(limits::CALL_BYTES as i64));
    let failure = handle(&event("random-past")).0.unwrap_err();
    assert!(matches!(failure, Failure::Stopped(Stop::Output, _)), "{failure}");
}

#[test]
fn leaving_is_a_trap() {
    let failure = handle(&event("exit")).0.unwrap_err();
    assert!(matches!(failure, Failure::Stopped(Stop::Trap, _)), "{failure}");
}
