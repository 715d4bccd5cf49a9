//! The patterns over a host that is down for two hours: what they began comes to its end, and what they keep is kept.

use pointsman_sdk::patterns::{Begun, CoolDown, Debounce, Hysteresis, Mode, Runs};
use pointsman_sdk::prelude::*;
use pointsman_testkit::Bench;

const OUTAGE: Span = Span::hours(2);

/// Does what it is told, and says in its log what came of it.
struct Obedient;

#[derive(Deserialize)]
struct Settings {}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Order {
    Signal,
    SignalAtMost,
    Tell,
    Take(f64),
    Begin(String, String),
    Await,
    Cancel,
}

fn quiet() -> Debounce {
    Debounce::new("quiet", Span::mins(10))
}

fn at_most() -> Debounce {
    Debounce::new("at-most", Span::mins(10)).at_most(Span::mins(25))
}

/// The runs of each mode, told apart by name.
fn runs(mode: &str) -> Runs {
    let modes = [
        ("single", Mode::Single),
        ("restart", Mode::Restart),
        ("queued", Mode::Queued(2)),
        ("parallel", Mode::Parallel(2)),
    ];
    let (name, mode) = modes.into_iter().find(|(name, _)| *name == mode).expect("a mode");
    Runs::new(name, mode)
}

impl Rule for Obedient {
    type Settings = Settings;

    fn on_message(ctx: &Context<'_, Settings>, _: &Event, message: &Message) -> Result<(), Failure> {
        match message.json().map_err(Failure::permanent)? {
            Order::Signal => quiet().signal(ctx)?,
            Order::SignalAtMost => at_most().signal(ctx)?,
            Order::Tell => {
                let ready = CoolDown::new("told", Span::mins(150)).ready(ctx)?;
                ctx.info(if ready { "told" } else { "told already" });
            }
            Order::Take(value) => {
                let edge = Hysteresis::new("band", 8.0, 7.0).update(ctx, value)?;
                ctx.info(&format!("{edge:?}"));
            }
            Order::Begin(mode, what) => {
                let begun = runs(&mode).begin(ctx, &*what, Span::mins(10))?;
                ctx.info(match begun {
                    Begun::Started => "started",
                    Begun::Restarted => "restarted",
                    Begun::Queued(_) => "queued",
                    Begun::Refused => "refused",
                });
            }
            Order::Await => {
                let timer = Timer::at("answer", ctx.now() + Span::mins(10)).overdue(Overdue::Fire);
                ctx.propose(timer.payload("to whom"));
            }
            Order::Cancel => ctx.cancel_timer("answer"),
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<'_, Settings>, _: &Event, tick: &Tick) -> Result<(), Failure> {
        if quiet().fired(ctx, tick) || at_most().fired(ctx, tick) {
            ctx.info("quiet");
            return Ok(());
        }
        if tick.name == "answer" {
            if !ctx.postponed(tick, Span::mins(1)) {
                ctx.info(&format!("no answer {:?}", tick.payload.as_ref().and_then(Value::text)));
            }
            return Ok(());
        }
        for mode in ["single", "restart", "queued", "parallel"] {
            if let Some(finished) = runs(mode).finished(ctx, tick)? {
                ctx.info(&format!("finished {} then {}", finished.what, finished.next.as_deref().unwrap_or("nothing")));
            }
        }
        Ok(())
    }
}

const MANIFEST: &str = r#"
[rule]
id = "obedient"
version = "1.0.0"
description = "Does what it is told"
key = "one"
[[trigger]]
name = "order"
kind = "message"
filter = "orders"
"#;

fn bench() -> Bench {
    Bench::new::<Obedient>(MANIFEST, "").expect("a rule that can be deployed")
}

/// What the rule logs when it is given an order.
fn order(bench: &mut Bench, order: serde_json::Value) -> Vec<String> {
    said(bench.message("orders", order.to_string()))
}

fn begin(bench: &mut Bench, mode: &str, what: &str) -> Vec<String> {
    order(bench, serde_json::json!({"begin": [mode, what]}))
}

fn said(came: pointsman_testkit::Came) -> Vec<String> {
    assert!(came.lines().is_empty(), "{:?}", came.lines());
    came.logs.into_iter().map(|line| line.message).collect()
}

#[test]
fn signals_from_before_an_outage_are_answered_after_it() {
    for (signal, limited) in [("signal", false), ("signal-at-most", true)] {
        let mut bench = bench();
        order(&mut bench, signal.into());
        assert_eq!(said(bench.restart(OUTAGE)), ["quiet"], "limited {limited}");
        // The signals from before it do not count for the next wait.
        order(&mut bench, signal.into());
        assert!(said(bench.advance(Span::mins(9))).is_empty(), "limited {limited}");
        assert_eq!(said(bench.advance(Span::mins(1))), ["quiet"], "limited {limited}");
    }
}

#[test]
fn runs_that_end_during_an_outage_leave_their_place() {
    for (mode, second) in [("single", "refused"), ("restart", "restarted"), ("parallel", "started")] {
        let mut bench = bench();
        assert_eq!(begin(&mut bench, mode, "a"), ["started"]);
        let finished = said(bench.restart(OUTAGE));
        assert_eq!(finished, ["finished a then nothing"], "{mode}");
        assert_eq!(begin(&mut bench, mode, "b"), ["started"], "{mode}");
        assert_eq!(begin(&mut bench, mode, "c"), [second], "{mode}");
    }
}

#[test]
fn runs_that_wait_begin_after_an_outage_for_their_whole_time() {
    let mut bench = bench();
    begin(&mut bench, "queued", "a");
    assert_eq!(begin(&mut bench, "queued", "b"), ["queued"]);
    assert_eq!(said(bench.restart(OUTAGE)), ["finished a then b"]);
    assert!(said(bench.advance(Span::mins(9))).is_empty());
    assert_eq!(said(bench.advance(Span::mins(1))), ["finished b then nothing"]);
}

#[test]
fn a_cool_down_counts_the_outage_and_a_band_keeps_its_side() {
    let mut bench = bench();
    assert_eq!(order(&mut bench, "tell".into()), ["told"]);
    assert_eq!(order(&mut bench, serde_json::json!({"take": 8.5})), ["Some(Entered)"]);
    bench.restart(OUTAGE);
    assert_eq!(order(&mut bench, "tell".into()), ["told already"]);
    assert_eq!(order(&mut bench, serde_json::json!({"take": 7.5})), ["None"]);
    assert_eq!(order(&mut bench, serde_json::json!({"take": 6.5})), ["Some(Left)"]);
    bench.restart(OUTAGE);
    assert_eq!(order(&mut bench, "tell".into()), ["told"]);
}

#[test]
fn a_postponed_timer_lets_what_waited_come_first_and_keeps_its_payload() {
    let mut bench = bench();
    order(&mut bench, "await".into());
    assert!(said(bench.restart(OUTAGE)).is_empty());
    assert_eq!(said(bench.advance(Span::mins(1))), ["no answer Some(\"to whom\")"]);

    order(&mut bench, "await".into());
    assert!(said(bench.restart(OUTAGE)).is_empty());
    order(&mut bench, "cancel".into());
    assert!(said(bench.advance(OUTAGE)).is_empty());

    order(&mut bench, "await".into());
    assert_eq!(said(bench.advance(Span::mins(10))), ["no answer Some(\"to whom\")"], "the host ran all the time");
}
