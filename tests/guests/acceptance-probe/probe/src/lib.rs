//! A rule that says what woke it: the acceptance test compares when and how often that was.
//!
//! It emits `fired` for the decisions of a replay and publishes the same over MQTT for a live run. Each recording has a
//! package of its own beside this one, with the triggers of its known answers in `rule.toml`.

use pointsman_sdk::prelude::*;

/// Where a live run listens.
const TOPIC: &str = "acceptance/fired";

#[derive(Deserialize)]
pub struct Settings {}

pub struct Probe;

/// What is published. Instants are in microseconds, so that nothing is rounded.
#[derive(Serialize)]
struct Fired<'a> {
    trigger: &'a str,
    phase: Option<&'a str>,
    at_us: i64,
    /// The number that a marker carries: it shows that all before it has been handled.
    marker: Option<f64>,
}

impl Rule for Probe {
    type Settings = Settings;

    fn on_condition(ctx: &Context<'_, Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        let phase = match condition.phase {
            Phase::Began => "began",
            Phase::Ended => "ended",
        };
        ctx.propose(Emission::new("fired").attribute("phase", phase).attribute("since", condition.since.to_string()));
        let fired = Fired { trigger: &event.trigger, phase: Some(phase), at_us: event.occurred_at.0, marker: None };
        ctx.propose(Publication::json(TOPIC, &fired)?);
        Ok(())
    }

    fn on_observation(ctx: &Context<'_, Settings>, event: &Event, observation: &Observation) -> Result<(), Failure> {
        let marker = observation.number("marker");
        let fired = Fired { trigger: &event.trigger, phase: None, at_us: event.occurred_at.0, marker };
        ctx.propose(Publication::json(TOPIC, &fired)?);
        Ok(())
    }
}
