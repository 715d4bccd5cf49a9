//! A guest that does, by the name of the trigger that wakes it, what a good or a hostile rule may do.

use std::hint::black_box;

use pointsman::rules::types::{Cause, Custom, Effect, Event, Failure, Proposal, Timer, Value};
use pointsman::rules::{calendar, chance, devices, settings, state, telemetry};

wit_bindgen::generate!({ path: "../../../wit/v1", world: "rule" });

struct Probe;

impl exports::pointsman::rules::handler::Guest for Probe {
    fn validate(settings: String) -> Result<(), String> {
        match settings.as_str() {
            "trap" => panic!("no such settings"),
            "bad" => Err("`limit` must not be `bad`".to_owned()),
            _ => Ok(()),
        }
    }

    fn handle(event: Event) -> Result<Vec<Proposal>, Failure> {
        match event.trigger.as_str() {
            "echo" => Ok(vec![echo(&event)]),
            "nothing" => Ok(Vec::new()),
            "ask" => Ok(vec![ask()]),
            "state" => round_trip(),
            "count-in-memory" => Ok(vec![note("count", Value::Integer(count_in_memory()))]),
            "transient" => Err(Failure::Transient("later".to_owned())),
            "permanent" => Err(Failure::Permanent("never".to_owned())),
            "configuration" => Err(Failure::Configuration("x".repeat(100_000))),
            "trap" => panic!("the rule is wrong"),
            "loop" => endless_loop(),
            "recursion" => Ok(vec![note("depth", Value::Integer(endless_recursion(1)))]),
            "memory" => endless_memory(),
            "effects" => Ok(vec![note("same", Value::Boolean(true)); 10_000]),
            "effects-64" => Ok(vec![note("same", Value::Boolean(true)); 64]),
            "effects-65" => Ok(vec![note("same", Value::Boolean(true)); 65]),
            "nan" => Ok(vec![note("nan", Value::Number(f64::NAN))]),
            "nan-state" => state_of(Value::Number(f64::NAN)),
            "nan-sample" => {
                telemetry::observe("sample", f64::NAN);
                Ok(Vec::new())
            }
            "big-integer" => Ok(vec![note("big", Value::Integer(i64::MAX))]),
            "big-list" => Ok(vec![note("big", Value::Bytes(vec![1; 8 << 20]))]),
            "big-call" => state_of(Value::Bytes(vec![1; 8 << 20])),
            "big-state" => state_of(Value::Bytes(vec![1; 64 * 1024 + 1])),
            "full-state" => state_of(Value::Bytes(vec![1; 64 * 1024])),
            "name-256" => named_state(256),
            "name-257" => named_state(257),
            "log" => log_flood(),
            "log-16384" => log_line(16 * 1024),
            "log-16385" => log_line(16 * 1024 + 1),
            "host-calls" => loop {
                black_box(chance::next());
            },
            other => Err(Failure::Permanent(format!("no behaviour for trigger `{other}`"))),
        }
    }
}

fn note(name: &str, value: Value) -> Proposal {
    let custom = Custom { name: name.to_owned(), attributes: vec![(name.to_owned(), value)] };
    Proposal { effect: Effect::Other(custom), tag: None, because: None, attributes: Vec::new() }
}

/// Gives back what the event carries, so that the host can compare.
fn echo(event: &Event) -> Proposal {
    let (name, attributes) = match &event.cause {
        Cause::Observation(observation) => {
            let readings = observation.readings.iter().flat_map(|reading| {
                let own = (reading.capability.clone(), reading.value.clone());
                let previous = reading.previous.clone().map(|value| ("previous".to_owned(), value));
                std::iter::once(own).chain(previous).chain(reading.attributes.clone())
            });
            (observation.device.clone(), readings.collect())
        }
        Cause::Message(message) => {
            (message.topic.clone(), vec![("payload".to_owned(), Value::Bytes(message.payload.clone()))])
        }
        Cause::Timer(tick) => (tick.name.clone(), tick.attributes.clone()),
        Cause::Schedule(tick) => (tick.name.clone(), tick.attributes.clone()),
        Cause::Condition(condition) => (condition.device.clone(), condition.attributes.clone()),
        Cause::Completion(completion) => (completion.effect.clone(), completion.attributes.clone()),
        Cause::Custom(custom) => (custom.name.clone(), custom.attributes.clone()),
    };
    Proposal {
        effect: Effect::SetTimer(Timer {
            name,
            due: event.received_at,
            overdue: pointsman::rules::types::Overdue::FireWithin(1),
            payload: Some(Value::Text(event.id.clone())),
            attributes,
        }),
        tag: Some(event.key.clone()),
        because: Some(event.trigger.clone()),
        attributes: event.attributes.clone(),
    }
}

/// Asks the host one question of each kind.
fn ask() -> Proposal {
    let known = devices::last("lamp", "brightness").map(|known| known.value);
    let local = calendar::local(0, "Europe/Berlin").map_or(-1, |civil| i64::from(civil.hour));
    let summary = devices::summarise("lamp", "brightness", 1).is_err();
    let mut proposal = note("json", Value::Json(settings::json()));
    proposal.attributes = vec![
        ("last".to_owned(), known.unwrap_or(Value::Boolean(false))),
        ("available".to_owned(), Value::Boolean(devices::available("lamp").is_some())),
        ("not-declared".to_owned(), Value::Boolean(summary)),
        ("members".to_owned(), Value::Text(devices::members("lamps").join(","))),
        ("about".to_owned(), Value::Integer(devices::about("lamp").len() as i64)),
        ("hour".to_owned(), Value::Integer(local)),
        ("chance".to_owned(), Value::Integer(i64::from(chance::next()))),
    ];
    telemetry::log(telemetry::Level::Info, "asked", &[("answers".to_owned(), Value::Integer(7))]);
    telemetry::count("asked", 1);
    telemetry::observe("answers", 7.0);
    proposal
}

fn round_trip() -> Result<Vec<Proposal>, Failure> {
    let before = match state::get("visits") {
        Some(Value::Integer(visits)) => visits,
        _ => 0,
    };
    state_of(Value::Integer(before + 1))?;
    let after = state::get("visits").ok_or_else(|| Failure::Permanent("a write was lost".to_owned()))?;
    let names = state::names("", None, 10);
    state::remove("nothing");
    Ok(vec![note("visits", after), note("names", Value::Text(names.join(",")))])
}

fn state_of(value: Value) -> Result<Vec<Proposal>, Failure> {
    state::set("visits", &value, None).map_err(|problem| Failure::Permanent(problem.name().to_owned()))?;
    Ok(Vec::new())
}

fn named_state(length: usize) -> Result<Vec<Proposal>, Failure> {
    let set = state::set(&"n".repeat(length), &Value::Boolean(true), None);
    set.map_err(|problem| Failure::Permanent(problem.name().to_owned()))?;
    Ok(Vec::new())
}

fn log_line(length: usize) -> Result<Vec<Proposal>, Failure> {
    telemetry::log(telemetry::Level::Info, &"x".repeat(length), &[]);
    Ok(Vec::new())
}

fn count_in_memory() -> i64 {
    use std::sync::atomic::{AtomicI64, Ordering};
    static COUNT: AtomicI64 = AtomicI64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed) + 1
}

fn endless_loop() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "the host has to end it")]
#[inline(never)]
fn endless_recursion(depth: i64) -> i64 {
    let room = black_box([depth; 64]);
    black_box(endless_recursion(room[0] + 1)) + room[63]
}

fn endless_memory() -> ! {
    let mut all = Vec::new();
    loop {
        // Untouched, so that memory ends before fuel does.
        all.push(black_box(Vec::<u8>::with_capacity(1 << 20)));
    }
}

fn log_flood() -> Result<Vec<Proposal>, Failure> {
    let line = "x".repeat(1_000);
    for _ in 0..1_000 {
        telemetry::log(telemetry::Level::Info, &line, &[]);
    }
    Ok(Vec::new())
}

export!(Probe);
