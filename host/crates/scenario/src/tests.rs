//! Scenarios through the engine, with a rule in native code.

use std::sync::Arc;

use config::Manifest;
use model::deployment::PackageDigest;
use model::effect::{Command, Effect, Proposal, Target};
use model::event::Cause;
use model::guest::{Failure as GuestFailure, Handled, Host, Instance, Level, Program, Stop, Validated};
use model::{Event, Value};

use super::*;

/// Switches the lamp on at each reading, and traps at 400 degrees.
struct Lamp;

impl Program for Lamp {
    fn instantiate(&self) -> Result<Box<dyn Instance>, GuestFailure> {
        Ok(Box::new(Self))
    }
}

impl Instance for Lamp {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, mut host: Box<dyn Host>) -> Handled {
        let warm = matches!(&event.cause, Cause::Observation(o) if o.readings[0].value == Value::Integer(400));
        if warm {
            host.log(Level::Error, "Too warm to say", Vec::new());
            let result = Err(GuestFailure::Stopped(Stop::Trap, "unreachable".to_owned()));
            return Handled { host, result, fuel: 0 };
        }
        let command = Command {
            target: Target::Role("lamp".into()),
            action: "on".into(),
            arguments: Vec::new(),
            priority: None,
            hold: None,
            expires_at: None,
            only_if: Vec::new(),
            attributes: Vec::new(),
        };
        let proposal = Proposal { effect: Effect::Command(command), tag: None, because: None, attributes: Vec::new() };
        Handled { host, result: Ok(vec![proposal]), fuel: 0 }
    }
}

const MANIFEST: &str = r#"
[rule]
id = "lamp"
version = "1.0.0"
description = "Switches the lamp on at each reading"
key = "one"
[roles.probe]
capabilities = ["temperature"]
[roles.lamp]
capabilities = ["switch"]
[[trigger]]
name = "each"
kind = "reading"
role = "probe"
capability = "temperature"
[requests]
commands = ["lamp:on"]
"#;

const DEPLOYMENT: &str = r#"
[[device]]
id = "fridge"
kind = "thermometer"
source = { topic = "fridge", readings = { temperature = { path = "/t", unit = "Cel" } } }
[[device]]
id = "lamp"
kind = "switch"
commands = { on = { capability = "switch", value = true, topic = "lamp/set", payload = "ON" } }
[roles]
probe = ["fridge"]
lamp = ["lamp"]
[grants]
commands = ["lamp:on"]
"#;

const COLD: &str = r#"{"at":"2026-01-12T08:00:00Z","device":"fridge","readings":{"temperature":4}}"#;
const HOT: &str = r#"{"at":"2026-01-12T08:01:00Z","device":"fridge","readings":{"temperature":400}}"#;
const ON: &str = r#"{"expect":{"effect":{"kind":"command","action":"on","device":"lamp"},"verdict":"allowed"}}"#;
const NOTHING: &str = r#"{"expect":"nothing"}"#;

fn run(lines: &[&str]) -> Result<Outcome, Error> {
    let folder = tempfile::tempdir().expect("a folder for the scenario");
    let file = folder.path().join("small.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("the scenario is written");
    let runner = Runner {
        manifest: Manifest::parse(MANIFEST, "rule.toml").expect("a good manifest"),
        digest: PackageDigest([0; 32]),
        program: Arc::new(Lamp),
        deployment: DEPLOYMENT.to_owned(),
        file: "deployment.toml".into(),
    };
    runner.run(&file)
}

/// Where and why the scenario fails.
fn failure(lines: &[&str]) -> Option<(u64, String)> {
    run(lines).expect("a scenario that can be run").failure.map(|failure| (failure.line, failure.what))
}

#[test]
fn a_scenario_whose_expectations_are_met_is_ok() {
    let outcome = run(&[NOTHING, COLD, ON, NOTHING]).expect("a scenario that can be run");
    assert_eq!((outcome.failure, outcome.expectations, &*outcome.name), (None, 3, "small"));
}

#[test]
fn the_first_difference_is_told_with_its_line_and_fields() {
    let off = ON.replace("\"on\"", "\"off\"");
    let outcome = run(&[COLD, &off, NOTHING]).expect("a scenario that can be run");
    let failure = outcome.failure.expect("a difference");
    assert_eq!((failure.line, &*failure.differences[0].path), (2, "effect.action"));
    assert_eq!(failure.differences.len(), 1);
}

#[test]
fn a_decision_too_many_and_one_too_few_are_differences() {
    assert_eq!(failure(&[COLD, NOTHING]), Some((2, "a decision that was not expected".to_owned())));
    assert_eq!(failure(&[COLD, ON, ON]), Some((3, "no decision is left to take".to_owned())));
    let left = "the file ends, but a decision is left that no line expects".to_owned();
    assert_eq!(failure(&[COLD]), Some((1, left)));
}

#[test]
fn a_rule_that_traps_does_not_pass_as_one_that_does_nothing() {
    let outcome = run(&[HOT, NOTHING]).expect("a scenario that can be run");
    let found = outcome.failure.expect("a difference");
    let got = found.got.expect("a decision");
    assert_eq!(got["reason"], "trap", "{got}");
    assert_eq!(found.logs, ["error: Too warm to say"]);
    assert_eq!(failure(&[HOT, r#"{"expect":{"verdict":"failed","reason":"trap"}}"#]), None);
}

#[test]
fn lines_that_cannot_be_run_are_errors_with_their_number() {
    let error = |lines: &[&str]| run(lines).expect_err("a scenario that cannot be run").to_string();
    assert!(error(&[COLD, r#"{"expect":"noting"}"#]).starts_with("line 2: `expect` is"));
    assert_eq!(error(&[HOT, COLD]), "line 2: time goes back from 2026-01-12T08:01:00Z to 2026-01-12T08:00:00Z");
    assert!(error(&[&COLD.replace("fridge", "frigde")]).contains("unknown device `frigde`"));
    assert!(error(&["{"]).starts_with("line 1: "));
}
