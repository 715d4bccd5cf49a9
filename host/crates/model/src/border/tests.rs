//! What passes the border and what does not, each limit at the limit and one past it.

use super::*;
use crate::Name;
use crate::effect::Urgency;
use crate::value::Position;

fn propose(effect: Effect) -> Proposal {
    Proposal { effect, tag: None, because: None, attributes: Vec::new() }
}

fn cancel(name: &str) -> Proposal {
    propose(Effect::Cancel(name.into()))
}

fn with(value: Value) -> Proposal {
    Proposal { attributes: vec![("x".into(), value)], ..cancel("t") }
}

fn command() -> Command {
    Command::new(Target::Role("lamp".into()), "on")
}

fn check(proposal: Proposal) -> Crossing {
    proposals(std::iter::once(proposal), 1).map(drop)
}

#[test]
fn effects_pass_up_to_the_limit() {
    let many = |count| proposals(vec![cancel("t"); count].into_iter(), 64);
    assert_eq!(many(64).map(|all| all.len()), Ok(64));
    assert_eq!(many(65), Err("65 effects from one event, at most 64".to_owned()));
}

#[test]
fn what_may_not_pass_is_told_with_its_place() {
    let answer = [cancel("t"), with(Value::Number(f64::NAN))];
    let refused = proposals(answer.into_iter(), 2).expect_err("not finite");
    assert_eq!(refused, "effect 2: attributes: `x` is NaN, which is no finite number");
}

#[test]
fn names_pass_up_to_the_limit() {
    assert_eq!(check(cancel(&"n".repeat(limits::NAME_BYTES))), Ok(()));
    let refused = check(cancel(&"n".repeat(limits::NAME_BYTES + 1)));
    assert_eq!(refused, Err("effect 1: `tag` has a name of 257 bytes, at most 256".to_owned()));
}

/// Every field that holds a name or a number of bytes is looked at.
#[test]
fn no_field_is_left_out() {
    let long = || Name::from("n".repeat(limits::NAME_BYTES + 1));
    let unsound = || vec![("x".into(), Value::Number(f64::INFINITY))];
    let on = |role: Name| Target::Role(role);
    let timer = |name: Name| Timer {
        name,
        due: Instant::default(),
        overdue: Overdue::Skip,
        payload: None,
        attributes: Vec::new(),
    };
    let notification = |to| Notification {
        template: "t".into(),
        to,
        parameters: Vec::new(),
        urgency: Urgency::Normal,
        dedupe: None,
        not_before: None,
        expires_at: None,
        attributes: Vec::new(),
    };
    let told = || notification(Audience::Group("duty".into()));
    let emission = || Emission { name: "e".into(), key: None, device: None, attributes: Vec::new() };
    let message = || Message {
        topic: "t".into(),
        payload: Default::default(),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    };
    let condition =
        |capability: Name, value| vec![Check { capability, comparison: crate::effect::Comparison::Equal, value }];
    let late = Some(Instant(Instant::MAX.0 + 1));
    let huge = "x".repeat(limits::WRITES_PER_EVENT + 1);
    let refused = [
        Effect::Command(Command { target: on(long()), ..command() }),
        Effect::Command(Command { target: Target::Device(long()), ..command() }),
        Effect::Command(Command { action: long(), ..command() }),
        Effect::Command(Command { arguments: unsound(), ..command() }),
        Effect::Command(Command { hold: Some(Span(INTEGER_MAX as u64 + 1)), ..command() }),
        Effect::Command(Command { expires_at: late, ..command() }),
        Effect::Command(Command { only_if: condition(long(), Value::Boolean(true)), ..command() }),
        Effect::Command(Command { only_if: condition("c".into(), Value::Integer(i64::MAX)), ..command() }),
        Effect::Command(Command { attributes: unsound(), ..command() }),
        Effect::Relinquish(Relinquishment { target: on(long()), capability: "c".into() }),
        Effect::Relinquish(Relinquishment { target: on("r".into()), capability: long() }),
        Effect::Notification(Notification { template: long(), ..told() }),
        Effect::Notification(notification(Audience::Subject(long()))),
        Effect::Notification(notification(Audience::OwnerOf(long()))),
        Effect::Notification(notification(Audience::Segment(long()))),
        Effect::Notification(notification(Audience::Group(long()))),
        Effect::Notification(notification(Audience::Other(long()))),
        Effect::Notification(Notification { parameters: unsound(), ..told() }),
        Effect::Notification(Notification { dedupe: Some(long()), ..told() }),
        Effect::Notification(Notification { not_before: late, ..told() }),
        Effect::Notification(Notification { expires_at: late, ..told() }),
        Effect::Notification(Notification { attributes: unsound(), ..told() }),
        Effect::SetTimer(timer(long())),
        Effect::SetTimer(Timer { due: Instant(Instant::MAX.0 + 1), ..timer("t".into()) }),
        Effect::SetTimer(Timer { overdue: Overdue::FireWithin(Span(u64::MAX)), ..timer("t".into()) }),
        Effect::SetTimer(Timer { payload: Some(Value::Number(f64::NAN)), ..timer("t".into()) }),
        Effect::SetTimer(Timer { attributes: unsound(), ..timer("t".into()) }),
        Effect::CancelTimer(long()),
        Effect::Publish(Message { topic: huge.clone().into(), ..message() }),
        Effect::Publish(Message { payload: huge.into_bytes().into(), ..message() }),
        Effect::Publish(Message { content_type: Some(long()), ..message() }),
        Effect::Publish(Message { attributes: unsound(), ..message() }),
        Effect::Emit(Emission { name: long(), ..emission() }),
        Effect::Emit(Emission { key: Some(long()), ..emission() }),
        Effect::Emit(Emission { device: Some(long()), ..emission() }),
        Effect::Emit(Emission { attributes: unsound(), ..emission() }),
        Effect::Other(Custom { name: long(), attributes: Vec::new() }),
        Effect::Other(Custom { name: "o".into(), attributes: unsound() }),
    ];
    for effect in refused {
        assert!(check(propose(effect.clone())).is_err(), "{effect:?}");
    }
    assert!(check(Proposal { tag: Some(long()), ..cancel("t") }).is_err());
    assert!(check(Proposal { because: Some("b".repeat(limits::WRITES_PER_EVENT).into()), ..cancel("t") }).is_err());
    for effect in [Effect::Command(command()), Effect::Notification(told()), Effect::Emit(emission())] {
        assert_eq!(check(propose(effect)), Ok(()));
    }
}

#[test]
fn one_event_writes_up_to_the_limit() {
    let rest = limits::WRITES_PER_EVENT - "t".len() - "x".len();
    let bytes = |count: usize| Value::Bytes(vec![0; count].into());
    assert_eq!(check(with(bytes(rest))), Ok(()));
    assert!(check(with(bytes(rest + 1))).is_err());
}

#[test]
fn only_exact_integers_finite_numbers_and_positions_on_earth_pass() {
    let at = |latitude| Value::Position(Position { latitude, longitude: 180.0, accuracy: None });
    for value in [Value::Integer(INTEGER_MAX), Value::Integer(-INTEGER_MAX), Value::Number(f64::MAX), at(90.0)] {
        assert_eq!(super::value("x", value.clone()).as_ref(), Ok(&value));
    }
    let past = [Value::Integer(INTEGER_MAX + 1), Value::Integer(i64::MIN), Value::Number(f64::NAN), at(90.000_001)];
    for value in past {
        let refused = super::value("x", value.clone()).expect_err("one past");
        assert!(refused.contains(&value.to_string()), "{refused}");
    }
}

#[test]
fn a_value_beside_an_answer_passes_up_to_what_one_call_may_carry() {
    let bytes = |count: usize| Value::Bytes(vec![0; count].into());
    assert!(value("x", bytes(limits::CALL_BYTES)).is_ok());
    assert!(value("x", bytes(limits::CALL_BYTES + 1)).is_err());
}

#[test]
fn only_priorities_from_1_to_16_pass() {
    for (priority, passes) in [(0, false), (1, true), (16, true), (17, false)] {
        let command = Command { priority: Some(priority), ..command() };
        assert_eq!(check(propose(Effect::Command(command))).is_ok(), passes, "{priority}");
    }
}

#[test]
fn only_instants_and_spans_that_can_be_written_pass() {
    for (at, passes) in [(Instant::MAX.0, true), (Instant::MAX.0 + 1, false), (Instant::MIN.0, true), (i64::MIN, false)]
    {
        assert_eq!(instant("due", Instant(at)).is_ok(), passes, "{at}");
    }
    assert_eq!(span("hold", Span(INTEGER_MAX as u64)), Ok(()));
    assert!(span("hold", Span(INTEGER_MAX as u64 + 1)).is_err());
}

#[test]
fn only_finite_samples_pass() {
    assert_eq!(sample("m", f64::MAX), Ok(f64::MAX));
    assert!(sample("m", f64::NEG_INFINITY).is_err());
}

#[test]
fn a_log_shows_unsound_numbers_as_text() {
    let logged = fields(vec![("x".into(), Value::Number(f64::NAN)), ("y".into(), Value::Integer(1))]);
    assert_eq!(logged, vec![("x".into(), Value::text("NaN")), ("y".into(), Value::Integer(1))]);
}
