//! What authors of rules write: a rule on the bench, with the real triggers, guards, timers and state.

use pointsman_sdk::prelude::*;
use pointsman_testkit::Bench;

#[derive(Deserialize)]
struct Settings {
    limit: Temperature,
}

#[derive(Deserialize)]
struct Said {
    level: f64,
    #[serde(default)]
    kept: bool,
}

/// Switches the alarm on while a probe is too warm, counts that, and calls somebody who does not look after it.
struct Guard;

const TIMES: Slot<u32> = Slot::new("times");
const CALL: &str = "call";

impl Rule for Guard {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.limit.celsius() > 100.0 { Err("no probe measures that".to_owned()) } else { Ok(()) }
    }

    fn on_condition(ctx: &Context<'_, Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        if !condition.began() {
            ctx.cancel_timer(CALL);
            ctx.propose(Command::to_role("alarm", "off").because("cool again"));
            return Ok(());
        }
        let times = TIMES.get_or(ctx, 0)? + 1;
        assert!(times < 4, "this is too often");
        TIMES.set(ctx, &times)?;
        ctx.start_timer(CALL, Span::mins(30));
        ctx.propose(Command::to_role("alarm", "on").because(format!("above {}", ctx.settings.limit)));
        Ok(())
    }

    fn on_timer(ctx: &Context<'_, Settings>, _: &Event, _: &Tick) -> Result<(), Failure> {
        ctx.propose(Notification::to_group("warm", "duty").because("nobody came"));
        ctx.propose(Command::to_role("alarm", "explode"));
        Ok(())
    }

    fn on_message(ctx: &Context<'_, Settings>, _: &Event, message: &Message) -> Result<(), Failure> {
        let said: Said = message.json().map_err(Failure::permanent)?;
        if said.kept {
            ctx.set("level", Value::Number(said.level * f64::MAX), None)
                .map_err(|_| Failure::permanent("too large"))?;
            panic!("the call goes on");
        }
        ctx.propose(Command::to_role("alarm", "on").argument("level", said.level * f64::MAX));
        Ok(())
    }
}

const MANIFEST: &str = r#"
[rule]
id = "guard"
version = "1.0.0"
description = "Switches the alarm on while a probe is too warm"
key = "device"
[roles.probe]
capabilities = ["temperature"]
many = true
[roles.alarm]
capabilities = ["switch"]
[[trigger]]
name = "too-warm"
kind = "held"
role = "probe"
when = { capability = "temperature", above = "${limit}" }
for = "10m"
stale = "2h"
[[trigger]]
name = "said"
kind = "message"
filter = "guard/say"
key-from = "/probe"
[requests]
commands = ["alarm:on", "alarm:off"]
notifications = [{ template = "warm", purpose = "operations" }]
[settings]
limit = { type = "string", format = "quantity", default = "8 Cel", description = "warmer than this is too warm" }
"#;

const DEPLOYMENT: &str = r#"
[[device]]
id = "fridge"
kind = "thermometer"
source = { topic = "fridge", readings = { temperature = { path = "/t", unit = "Cel" } } }
[[device]]
id = "siren"
kind = "siren"
commands = { on = { capability = "switch", value = true, topic = "siren/set", payload = "ON" }, off = { capability = "switch", value = false, topic = "siren/set", payload = "OFF" } }
[roles]
probe = ["fridge"]
alarm = ["siren"]
[template.warm]
class = "service"
purpose = "operations"
text.en = { title = "Warm", body = "Nobody came." }
[[group]]
name = "duty"
[grants]
commands = ["alarm:on", "alarm:off"]
notifications = ["warm"]
"#;

fn bench() -> Bench {
    Bench::new::<Guard>(MANIFEST, DEPLOYMENT).expect("a rule that can be deployed")
}

/// Ten minutes above the limit.
fn warm(bench: &mut Bench) -> pointsman_testkit::Came {
    assert!(bench.report("fridge", "temperature", 8.4).lines().is_empty());
    bench.advance(Span::mins(10))
}

#[test]
fn a_hold_begins_after_its_time_and_not_before() {
    let mut bench = bench();
    bench.at("2026-01-12T08:00:00Z");
    bench.report("fridge", "temperature", 8.4);
    assert!(bench.advance(Span::secs(599)).lines().is_empty());
    let came = bench.advance(Span::secs(1));
    assert_eq!(came.lines(), ["siren on"]);
    // The timer that it set has the trigger's reason, the command its own.
    assert_eq!(came.reasons(), ["temperature above 8 °C for 10m", "above 8 °C"]);
    assert_eq!(came.commands()[0].1.action.as_ref(), "on");
    assert_eq!(bench.report("fridge", "temperature", 7.0).lines(), ["siren off"]);
}

#[test]
fn payloads_go_the_way_of_the_device_map() {
    let mut bench = bench();
    bench.message("fridge", serde_json::json!({"t": 9.5}));
    assert_eq!(bench.advance(Span::mins(10)).lines(), ["siren on"]);
}

#[test]
fn timers_state_and_guards_are_the_engines_own() {
    let mut bench = bench();
    assert_eq!(warm(&mut bench).lines(), ["siren on"]);
    assert_eq!((bench.state("fridge", "times"), bench.timers()), (Some(1.into()), 1));
    let came = bench.advance(Span::mins(30));
    assert_eq!(came.lines()[0], "notify duty warm");
    assert_eq!(came.notifications()[0].template.as_ref(), "warm");
    assert!(came.lines()[1].starts_with("refused ") && came.lines()[1].ends_with("explode"), "{:?}", came.lines());
    assert_eq!(bench.timers(), 0);
}

#[test]
fn state_and_timers_survive_that_the_machine_is_switched_off() {
    let mut bench = bench();
    warm(&mut bench);
    bench.report("siren", "switch", true);
    let came = bench.restart(Span::mins(20));
    assert!(came.lines().is_empty(), "{:?}", came.lines());
    assert_eq!((bench.state("fridge", "times"), bench.timers()), (Some(1.into()), 1));
    assert_eq!(bench.advance(Span::mins(10)).lines()[0], "notify duty warm");
}

#[test]
fn a_panic_fails_the_event_keeps_nothing_of_it_and_is_in_the_log() {
    let mut bench = bench();
    for _ in 0..3 {
        assert_eq!(warm(&mut bench).lines(), ["siren on"]);
        bench.report("fridge", "temperature", 4.0);
    }
    let came = warm(&mut bench);
    assert_eq!(came.lines(), ["failed trap"]);
    assert_eq!(came.logs.last().map(|line| line.message.as_str()), Some("this is too often"));
    assert_eq!(bench.state("fridge", "times"), Some(3.into()));
}

#[test]
fn a_value_that_may_not_cross_fails_the_event_as_in_the_sandbox() {
    for kept in [false, true] {
        let came = bench().message("guard/say", serde_json::json!({"probe": "fridge", "level": 2.0, "kept": kept}));
        assert_eq!(came.lines(), ["failed bad-output"], "kept {kept}");
    }
}

#[test]
fn files_that_do_not_fit_are_told_and_so_are_settings_that_the_rule_refuses() {
    let refused = |manifest: &str, deployment: &str| match Bench::new::<Guard>(manifest, deployment) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    let found = refused(&MANIFEST.replace("kind = \"held\"", "kind = \"hold\""), DEPLOYMENT);
    assert!(found.contains("held"), "{found}");
    let found = refused(MANIFEST, &DEPLOYMENT.replace("[\"fridge\"]", "[\"frigde\"]"));
    assert!(found.contains("frigde"), "{found}");
    let found = refused(&MANIFEST.replace("8 Cel", "800 Cel"), DEPLOYMENT);
    assert!(found.contains("no probe measures that"), "{found}");
}

#[test]
#[should_panic(expected = "unknown device `frigde`")]
fn a_device_that_does_not_exist_is_a_mistake_of_the_test() {
    bench().report("frigde", "temperature", 4.0);
}
