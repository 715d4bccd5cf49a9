//! What crosses between host and guest arrives as it was sent.

use model::effect::{Effect, Overdue, Timer};
use model::event::{Cause, Condition, Message, Observation, Reading, Tick};
use model::guest::{Failure, Level, Stop};
use model::value::{INTEGER_MAX, Position};
use model::{Attributes, Capability, Event, Freshness, Instant, Name, Phase, Quality, Span, Value};

use crate::guests::{call, call_probe, event, probe, seen};
use crate::recorder::Recorder;

fn echoed(event: &Event) -> Timer {
    let (result, ..) = call(probe().instantiate().unwrap().as_mut(), event);
    let mut proposals = result.unwrap();
    assert_eq!(proposals.len(), 1);
    let proposal = proposals.remove(0);
    assert_eq!((proposal.tag, proposal.because), (Some(event.key.clone()), Some(event.trigger.clone())));
    assert_eq!(proposal.attributes, event.attributes);
    match proposal.effect {
        Effect::SetTimer(timer) => timer,
        other => panic!("expected a timer, got {other:?}"),
    }
}

fn every_kind() -> Attributes {
    let position = Position { latitude: -90.0, longitude: 180.0, accuracy: Some(0.5) };
    let values = [
        Value::Boolean(true),
        Value::Integer(INTEGER_MAX),
        Value::Integer(-INTEGER_MAX),
        Value::Number(-0.1),
        Value::text("grüße 🚂"),
        Value::Bytes(vec![0, 255].into()),
        Value::Position(position),
        Value::Json(Name::from("[1]")),
    ];
    values.into_iter().enumerate().map(|(index, value)| (Name::from(index.to_string()), value)).collect()
}

#[test]
fn an_observation_arrives_whole_with_every_kind_of_value() {
    let reading = |capability: &str, value, attributes| Reading {
        capability: Capability::named(capability).unwrap(),
        value,
        unit: Some(Name::from("Cel")),
        previous: Some(Value::Integer(1)),
        quality: Quality::Uncertain,
        attributes,
    };
    let observation = Observation {
        device: Name::from("lamp"),
        role: Some(Name::from("lamps")),
        freshness: Freshness::Late,
        readings: vec![
            reading("temperature", Value::Number(21.5), every_kind()),
            reading("humidity", Value::Integer(40), Vec::new()),
            reading("contact", Value::Boolean(false), vec![(Name::from("last"), Value::Boolean(true))]),
        ],
        attributes: every_kind(),
    };
    let mut expected =
        vec![(Name::from("temperature"), Value::Number(21.5)), (Name::from("previous"), Value::Integer(1))];
    expected.extend(every_kind());
    expected.extend([
        (Name::from("humidity"), Value::Integer(40)),
        (Name::from("previous"), Value::Integer(1)),
        (Name::from("contact"), Value::Boolean(false)),
        (Name::from("previous"), Value::Integer(1)),
        (Name::from("last"), Value::Boolean(true)),
    ]);
    let event = Event { cause: Cause::Observation(observation), attributes: every_kind(), ..event("echo") };
    let timer = echoed(&event);
    assert_eq!(timer.attributes, expected);
    assert_eq!((&*timer.name, timer.due, timer.overdue), ("lamp", event.received_at, Overdue::FireWithin(Span(1))));
    assert_eq!(timer.payload, Some(Value::Text(event.id)));
}

#[test]
fn the_other_causes_arrive_too() {
    let tick = Tick { name: "t".into(), due: Instant(1), missed: 2, payload: None, attributes: every_kind() };
    for cause in [Cause::Timer(tick.clone()), Cause::Schedule(tick)] {
        let timer = echoed(&Event { cause, ..event("echo") });
        assert_eq!((&*timer.name, timer.attributes), ("t", every_kind()));
    }
    let condition = Condition {
        phase: Phase::Ended,
        device: "door".into(),
        role: None,
        capability: Capability::named("contact").ok(),
        value: Some(Value::Boolean(true)),
        since: Instant(1),
        deadline: Some(Instant(2)),
        attributes: every_kind(),
    };
    let timer = echoed(&Event { cause: Cause::Condition(condition), ..event("echo") });
    assert_eq!((&*timer.name, timer.attributes), ("door", every_kind()));
    let payload: Box<[u8]> = vec![7; 100_000].into();
    let message = Message {
        topic: "a/b".into(),
        payload: payload.clone(),
        content_type: None,
        retained: true,
        attributes: Vec::new(),
    };
    let timer = echoed(&Event { cause: Cause::Message(message), ..event("echo") });
    assert_eq!((&*timer.name, &timer.attributes[0].1), ("a/b", &Value::Bytes(payload)));
}

#[test]
fn every_question_is_answered_by_the_lent_host() {
    let (result, host, _) = call_probe("ask");
    let proposals = result.unwrap();
    for (name, expected) in [
        ("json", Value::Json(Name::from(r#"{"limit":8}"#))),
        ("last", Value::Number(0.5)),
        ("available", Value::Boolean(true)),
        ("not-declared", Value::Boolean(true)),
        ("members", Value::text("lamp,lantern")),
        ("about", Value::Integer(1)),
        ("hour", Value::Integer(1)),
        ("chance", Value::Integer(1)),
    ] {
        assert_eq!(seen(&proposals, name), expected, "{name}");
    }
    assert_eq!(host.log, [(Level::Info, "asked".to_owned(), vec![(Name::from("answers"), Value::Integer(7))])]);
    assert_eq!((host.counted, host.observed), (vec![("asked".to_owned(), 1)], vec![("answers".to_owned(), 7.0)]));
}

#[test]
fn state_written_in_one_event_is_read_in_the_next() {
    let mut host = Box::new(Recorder::default());
    for visit in 1..=3 {
        // A fresh instance each time: what is remembered lies in the host.
        let handled = probe().instantiate().unwrap().handle(&event("state"), host);
        let proposals = handled.result.unwrap();
        assert_eq!(seen(&proposals[..1], "visits"), Value::Integer(visit));
        assert_eq!(seen(&proposals[1..], "names"), Value::text("visits"));
        host = handled.host.into_any().downcast().unwrap();
    }
    assert_eq!(host.state["visits"], Value::Integer(3));
}

#[test]
fn one_instance_serves_many_events_and_a_fresh_one_remembers_nothing() {
    let mut instance = probe().instantiate().unwrap();
    for count in 1..=100 {
        let (result, ..) = call(instance.as_mut(), &event("count-in-memory"));
        assert_eq!(seen(&result.unwrap(), "count"), Value::Integer(count));
    }
    let (result, ..) = call_probe("count-in-memory");
    assert_eq!(seen(&result.unwrap(), "count"), Value::Integer(1));
}

#[test]
fn failures_of_the_guest_keep_their_kind_and_leave_the_instance_alive() {
    let mut instance = probe().instantiate().unwrap();
    let mut failure = |trigger| call(instance.as_mut(), &event(trigger)).0.unwrap_err();
    assert_eq!(failure("transient"), Failure::Transient("later".to_owned()));
    assert_eq!(failure("permanent"), Failure::Permanent("never".to_owned()));
    let Failure::Configuration(long) = failure("configuration") else { panic!("expected `configuration`") };
    assert!(long.len() <= 1024, "a guest's message is cut, not trusted: {}", long.len());
    assert_eq!(call(instance.as_mut(), &event("nothing")).0, Ok(Vec::new()));
}

#[test]
fn settings_are_validated_by_the_guest() {
    let validate = |settings: &str| {
        let mut instance = probe().instantiate().unwrap();
        instance.validate(settings, Box::new(Recorder::default())).result
    };
    assert_eq!(validate("{}"), Ok(()));
    assert_eq!(validate("bad"), Err(Failure::Configuration("`limit` must not be `bad`".to_owned())));
    assert!(matches!(validate("trap"), Err(Failure::Stopped(Stop::Trap, _))));
}

#[test]
fn the_version_of_the_contract_is_the_one_in_its_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../wit/v1");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let package = format!("package pointsman:rules@{};", sandbox::CONTRACT);
        assert!(text.lines().any(|line| line == package), "{} does not say `{package}`", path.display());
    }
}
