//! Scenarios through the engine, with a rule in native code.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config::Manifest;
use model::deployment::PackageDigest;
use model::effect::{Command, Effect, Proposal, Target};
use model::event::Cause;
use model::guest::{Failure as GuestFailure, Handled, Host, Instance, Level, Program, Stop, Validated};
use model::{Event, Name, Value};

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
        Handled { host, result: Ok(vec![on(None)]), fuel: 0 }
    }
}

/// Counts the events that it has seen where no rule may keep anything.
enum Counting {
    /// In the memory of an instance.
    InInstance(u64),
    /// Beside all instances.
    Outside(Arc<AtomicU64>),
    /// Beside all instances, from zero each time that its settings are looked at, which is once an engine.
    InEngine(Arc<AtomicU64>),
}

impl Program for Counting {
    fn instantiate(&self) -> Result<Box<dyn Instance>, GuestFailure> {
        Ok(Box::new(match self {
            Self::InInstance(_) => Self::InInstance(0),
            Self::Outside(count) => Self::Outside(Arc::clone(count)),
            Self::InEngine(count) => Self::InEngine(Arc::clone(count)),
        }))
    }
}

impl Instance for Counting {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        if let Self::InEngine(count) = self {
            count.store(0, Ordering::Relaxed);
        }
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, _: &Event, host: Box<dyn Host>) -> Handled {
        let count = match self {
            Self::InInstance(count) => {
                *count += 1;
                *count
            }
            Self::Outside(count) | Self::InEngine(count) => count.fetch_add(1, Ordering::Relaxed),
        };
        Handled { host, result: Ok(vec![on(Some(format!("event {count}").into()))]), fuel: 0 }
    }
}

fn on(because: Option<Name>) -> Proposal {
    let command = Command::new(Target::Role("lamp".into()), "on");
    Proposal { effect: Effect::Command(command), tag: None, because, attributes: Vec::new() }
}

const MANIFEST: &str = r#"
[rule]
id = "lamp"
version = "1.0.0"
description = "Switches the lamp on at each reading"
key = "device"
[roles.probe]
capabilities = ["temperature"]
many = true
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
id = "truck"
kind = "thermometer"
site = "truck"
source = { topic = "truck", readings = { temperature = { path = "/t", unit = "Cel" } } }
[[device]]
id = "lamp"
kind = "switch"
commands = { on = { capability = "switch", value = true, topic = "lamp/set", payload = "ON" } }
[roles]
probe = ["fridge", "truck"]
lamp = ["lamp"]
[grants]
commands = ["lamp:on"]
"#;

const COLD: &str = r#"{"at":"2026-01-12T08:00:00Z","device":"fridge","readings":{"temperature":4}}"#;
const HOT: &str = r#"{"at":"2026-01-12T08:01:00Z","device":"fridge","readings":{"temperature":400}}"#;
const ON: &str = r#"{"expect":{"effect":{"kind":"command","action":"on","device":"lamp"},"verdict":"allowed"}}"#;
const NOTHING: &str = r#"{"expect":"nothing"}"#;

fn run(lines: &[&str]) -> Result<Outcome, Error> {
    with_file(lines, |file| runner(Lamp, MANIFEST).run(file))
}

fn with_file<T>(lines: &[&str], run: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder for the scenario");
    let file = folder.path().join("small.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("the scenario is written");
    run(&file)
}

fn runner(program: impl Program + 'static, manifest: &str) -> Runner {
    Runner {
        manifest: Arc::new(Manifest::parse(manifest, "rule.toml").expect("a good manifest")),
        digest: PackageDigest([0; 32]),
        program: Arc::new(program),
        deployment: DEPLOYMENT.to_owned(),
        file: "deployment.toml".into(),
    }
}

/// Where and why the scenario fails.
fn failure(lines: &[&str]) -> Option<(u64, String)> {
    run(lines).expect("a scenario that can be run").failure.map(|failure| (failure.line, failure.what))
}

#[test]
fn a_scenario_whose_expectations_are_met_is_ok() {
    let outcome = run(&[NOTHING, COLD, ON, NOTHING]).expect("a scenario that can be run");
    assert_eq!((outcome.failure, outcome.expectations, &*outcome.name), (None, 3, "small"));
    assert!(outcome.digest.is_some_and(|digest| digest.starts_with("sha256:")));
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

/// The fleet that only a pattern declares, beside the devices of [`DEPLOYMENT`].
const FLEET: &str = r#"
[[device]]
id = "truck-{n}"
kind = "thermometer"
site = "truck-{n}"
source = { topic = "trucks/{n}", readings = { temperature = { path = "/t", unit = "Cel" } } }
"#;

#[test]
fn members_of_a_fleet_join_as_they_are_first_heard() {
    let at = |minute: u32, what: &str| format!(r#"{{"at":"2026-01-12T08:{minute:02}:00Z",{what}}}"#);
    let by_topic = at(0, r#""topic":"trucks/7","payload":{"t":4}"#);
    let nobody = at(1, r#""topic":"cars/7","payload":{"t":4}"#);
    let by_id = at(2, r#""device":"truck-8","readings":{"temperature":4}"#);
    let again = at(3, r#""topic":"trucks/8","payload":{"t":5}"#);
    let lines = [&by_topic, ON, &nobody, NOTHING, &by_id, ON, &again, ON, NOTHING];
    let deployment = DEPLOYMENT.replace(r#"["fridge", "truck"]"#, r#""kind = 'thermometer'""#);
    let (devices, rest) = deployment.split_once("[roles]").expect("devices come first");
    // Each command supersedes the one before, of which this rule need not hear.
    let manifest = MANIFEST.replace("key = \"device\"", "key = \"device\"\ncompletions = []");
    let runner = Runner { deployment: format!("{devices}{FLEET}[roles]{rest}"), ..runner(Lamp, &manifest) };
    let outcome = with_file(&lines, |file| runner.run(file)).expect("a scenario that can be run");
    assert_eq!((outcome.failure, outcome.expectations), (None, 5));
    let stranger = by_id.replace("truck-8", "car-8");
    let error = with_file(&[&stranger], |file| runner.run(file)).expect_err("nobody knows it").to_string();
    assert!(error.contains("unknown device `car-8`"), "{error}");
}

#[test]
fn lines_that_cannot_be_run_are_errors_with_their_number() {
    let error = |lines: &[&str]| run(lines).expect_err("a scenario that cannot be run").to_string();
    assert!(error(&[COLD, r#"{"expect":"noting"}"#]).starts_with("line 2: `expect` is"));
    assert_eq!(error(&[HOT, COLD]), "line 2: time goes back from 2026-01-12T08:01:00Z to 2026-01-12T08:00:00Z");
    assert!(error(&[&COLD.replace("fridge", "frigde")]).contains("unknown device `frigde`"));
    assert!(error(&["{"]).starts_with("line 1: "));
}

/// Line and text of what a rule that counts disagrees in, and the paths that differ.
fn disagreement(program: Counting, manifest: &str) -> (u64, String, Vec<String>) {
    let other = COLD.replace("08:00:00", "08:00:30").replace("fridge", "truck");
    let found = with_file(&[COLD, ON, &other, HOT], |file| runner(program, manifest).agree("small", file));
    let failure = found.expect("a scenario that can be run").expect_err("a difference");
    (failure.line, failure.what, failure.differences.into_iter().map(|difference| difference.path).collect())
}

#[test]
fn a_rule_that_keeps_something_over_a_turn_disagrees_where_turns_are_longer() {
    let (line, what, paths) = disagreement(Counting::InInstance(0), MANIFEST);
    let with = "the decisions depend on how the lines are run: with 1 partition and 7 lines a turn there is another";
    // The second event of the longer turn.
    assert_eq!((line, &*what, &*paths), (3, with, &["because".to_owned()][..]));
}

#[test]
fn a_rule_that_keeps_something_beside_partitions_disagrees_where_there_are_more() {
    let (line, what, paths) = disagreement(Counting::InEngine(Arc::default()), MANIFEST);
    let with = "the run's own journal, with 16 partitions and 1 line a turn, gives another decision";
    assert_eq!((line, &*what, &*paths), (3, with, &["because".to_owned()][..]));
}

#[test]
fn a_rule_that_keeps_something_outside_disagrees_with_its_own_journal() {
    let (line, what, _) = disagreement(Counting::Outside(Arc::default()), MANIFEST);
    let (own, _) = what.split_once(':').unwrap_or((&what, ""));
    assert!(own.starts_with("the run's own journal, with 1 partition and 1 line a turn"), "{what}");
    assert_eq!(line, 1);
}

#[test]
fn what_a_scenario_does_not_agree_in_is_its_failure() {
    let outcome = with_file(&[COLD, ON, NOTHING], |file| runner(Counting::Outside(Arc::default()), MANIFEST).run(file));
    let outcome = outcome.expect("a scenario that can be run");
    let failure = outcome.failure.expect("a difference");
    assert!(failure.what.contains("own journal"), "{}", failure.what);
    assert_eq!((failure.line, outcome.expectations, outcome.digest), (1, 2, None));
}
