//! The patterns, each driven through the context of a rule, with the timers that they set fired by hand.

use std::rc::Rc;

use super::*;
use crate::context::Context;
use crate::effect::Effect;
use crate::event::{Cause, Tick};
use crate::native::Memory;
use crate::time::{Instant, Span};

/// Runs `step` at a second, in the context of an event of that time; gives its answer and the timers proposed:
/// name and second when due, or none when cancelled.
fn at<T>(
    memory: &mut Memory,
    second: u64,
    step: impl FnOnce(&Context<'_, ()>, &Tick) -> T,
) -> (T, Vec<(String, Option<u64>)>) {
    named("", memory, second, step)
}

fn named<T>(
    timer: &str,
    memory: &mut Memory,
    second: u64,
    step: impl FnOnce(&Context<'_, ()>, &Tick) -> T,
) -> (T, Vec<(String, Option<u64>)>) {
    let event = Memory::timer(timer, Instant::default() + Span::secs(second), None);
    let Cause::Timer(tick) = &event.cause else { unreachable!("the event of a timer") };
    let context = Context::new(Rc::new(()), &event, memory);
    let answer = step(&context, tick);
    let timers = context.into_proposals().into_iter().filter_map(|proposal| match proposal.effect {
        Effect::SetTimer(timer) => Some((timer.name, Some(timer.due.0 as u64 / 1_000_000))),
        Effect::CancelTimer(name) => Some((name, None)),
        _ => None,
    });
    (answer, timers.collect())
}

fn set(name: &str, second: u64) -> Vec<(String, Option<u64>)> {
    vec![(name.to_owned(), Some(second))]
}

#[test]
fn each_signal_moves_the_debounce() {
    let (mut memory, debounce) = (Memory::default(), Debounce::new("calm", Span::secs(10)));
    for second in [0, 5, 9] {
        let (done, timers) = at(&mut memory, second, |ctx, _| debounce.signal(ctx));
        assert!(done.is_ok());
        assert_eq!(timers, set("calm", second + 10));
    }
    assert!(named("calm", &mut memory, 19, |ctx, tick| debounce.fired(ctx, tick)).0);
    assert!(!named("other", &mut memory, 19, |ctx, tick| debounce.fired(ctx, tick)).0);
}

#[test]
fn a_debounce_with_a_limit_fires_while_signals_go_on() {
    let (mut memory, debounce) = (Memory::default(), Debounce::new("calm", Span::secs(10)).at_most(Span::secs(25)));
    for (second, due) in [(0, 10), (9, 19), (18, 25), (24, 25)] {
        assert_eq!(at(&mut memory, second, |ctx, _| debounce.signal(ctx).is_ok()), (true, set("calm", due)));
    }
    assert!(named("calm", &mut memory, 25, |ctx, tick| debounce.fired(ctx, tick)).0);
    assert_eq!(at(&mut memory, 26, |ctx, _| debounce.signal(ctx).is_ok()), (true, set("calm", 36)));
}

#[test]
fn a_cool_down_says_yes_again_at_its_very_end() {
    let (mut memory, cool_down) = (Memory::default(), CoolDown::new("told", Span::secs(60)));
    let mut ready = |second| at(&mut memory, second, |ctx, _| cool_down.ready(ctx).expect("state")).0;
    assert!(ready(0));
    assert!(!ready(1));
    assert!(!ready(59));
    assert!(ready(60));
    assert!(!ready(61));
}

#[test]
fn a_reset_cool_down_says_yes_at_once() {
    let (mut memory, cool_down) = (Memory::default(), CoolDown::new("told", Span::secs(60)));
    assert!(at(&mut memory, 0, |ctx, _| cool_down.ready(ctx).expect("state")).0);
    at(&mut memory, 1, |ctx, _| cool_down.reset(ctx));
    assert!(at(&mut memory, 1, |ctx, _| cool_down.ready(ctx).expect("state")).0);
}

#[test]
fn a_value_between_the_limits_changes_nothing() {
    for (enter, leave, values) in [(8.0, 7.0, [7.9, 8.0, 7.0, 6.9]), (2.0, 3.0, [2.1, 2.0, 3.0, 3.1])] {
        let (mut memory, band) = (Memory::default(), Hysteresis::new("band", enter, leave));
        let edges = values.map(|value| at(&mut memory, 0, |ctx, _| band.update(ctx, value).expect("state")).0);
        assert_eq!(edges, [None, Some(Edge::Entered), None, Some(Edge::Left)], "{enter} {leave}");
    }
}

fn begin(runs: &Runs, memory: &mut Memory, second: u64, what: &str) -> (Begun, Vec<(String, Option<u64>)>) {
    at(memory, second, |ctx, _| runs.begin(ctx, what, Span::secs(60)).expect("state"))
}

fn finish(runs: &Runs, memory: &mut Memory, second: u64, timer: &str) -> Option<(String, Option<String>)> {
    let finished = named(timer, memory, second, |ctx, tick| runs.finished(ctx, tick).expect("state")).0;
    finished.map(|finished| (finished.what, finished.next))
}

#[test]
fn a_single_run_refuses_a_second_until_it_is_done() {
    let (mut memory, runs) = (Memory::default(), Runs::new("run", Mode::Single));
    assert_eq!(begin(&runs, &mut memory, 0, "a"), (Begun::Started, set("run/0", 60)));
    assert_eq!(begin(&runs, &mut memory, 1, "b"), (Begun::Refused, vec![]));
    assert_eq!(finish(&runs, &mut memory, 60, "run/0"), Some(("a".into(), None)));
    assert_eq!(begin(&runs, &mut memory, 61, "b").0, Begun::Started);
}

#[test]
fn a_restarted_run_is_ended_by_its_own_timer_alone() {
    let (mut memory, runs) = (Memory::default(), Runs::new("run", Mode::Restart));
    begin(&runs, &mut memory, 0, "a");
    let (begun, timers) = begin(&runs, &mut memory, 30, "b");
    assert_eq!(begun, Begun::Restarted);
    assert_eq!(timers, [("run/0".to_owned(), None), ("run/1".to_owned(), Some(90))]);
    assert_eq!(finish(&runs, &mut memory, 60, "run/0"), None);
    assert_eq!(finish(&runs, &mut memory, 90, "run/1"), Some(("b".into(), None)));
}

#[test]
fn queued_runs_follow_in_order_and_one_too_many_is_refused() {
    let (mut memory, runs) = (Memory::default(), Runs::new("run", Mode::Queued(2)));
    let begun = ["a", "b", "c", "d"].map(|what| begin(&runs, &mut memory, 0, what).0);
    assert_eq!(begun, [Begun::Started, Begun::Queued(0), Begun::Queued(1), Begun::Refused]);
    assert_eq!(finish(&runs, &mut memory, 60, "run/0"), Some(("a".into(), Some("b".into()))));
    assert_eq!(finish(&runs, &mut memory, 120, "run/1"), Some(("b".into(), Some("c".into()))));
    assert_eq!(finish(&runs, &mut memory, 180, "run/2"), Some(("c".into(), None)));
}

#[test]
fn parallel_runs_last_side_by_side_up_to_their_number() {
    let (mut memory, runs) = (Memory::default(), Runs::new("run", Mode::Parallel(2)));
    let begun = ["a", "b", "c"].map(|what| begin(&runs, &mut memory, 0, what).0);
    assert_eq!(begun, [Begun::Started, Begun::Started, Begun::Refused]);
    assert_eq!(finish(&runs, &mut memory, 60, "run/1"), Some(("b".into(), None)));
    assert_eq!(begin(&runs, &mut memory, 61, "c").0, Begun::Started);
}

#[test]
fn stopped_runs_never_finish() {
    let (mut memory, runs) = (Memory::default(), Runs::new("run", Mode::Queued(2)));
    begin(&runs, &mut memory, 0, "a");
    begin(&runs, &mut memory, 0, "b");
    let (stopped, timers) = at(&mut memory, 10, |ctx, _| runs.stop(ctx).expect("state"));
    assert_eq!((stopped, timers), (vec!["a".to_owned()], vec![("run/0".to_owned(), None)]));
    assert_eq!(finish(&runs, &mut memory, 60, "run/0"), None);
}
