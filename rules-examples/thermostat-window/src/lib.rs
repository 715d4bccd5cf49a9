//! Turns the heating down while a window stays open, and back up when the last one is closed.

use std::collections::BTreeMap;

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    lowered: Temperature,
    remind_after: Span,
    notify: String,
}

/// What each thermostat was set to before it was lowered; present while the heating is down.
const BEFORE: Slot<BTreeMap<String, f64>> = Slot::new("before");
const REMIND: &str = "remind";

/// Thermostats report in steps of a tenth at the finest.
const SAME: f64 = 0.05;

struct Window;

impl Rule for Window {
    type Settings = Settings;

    fn on_condition(ctx: &Context<Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        // The closing of one window says nothing about the others: `closed` looks at all of them.
        if !condition.began() || BEFORE.get(ctx)?.is_some() {
            return Ok(());
        }
        let lowered = ctx.settings.lowered.celsius();
        let window = ctx.name_of(&condition.device);
        let mut before = BTreeMap::new();
        for thermostat in ctx.members("thermostat") {
            let Some(setpoint) = ctx.number(&thermostat, "setpoint") else { continue };
            if setpoint > lowered {
                let why = format!("{window} has been open since {}", condition.since);
                ctx.propose(Command::to_device(&thermostat, "set").argument("value", lowered).because(why));
                before.insert(thermostat, setpoint);
            }
        }
        BEFORE.set(ctx, &before)?;
        let after = ctx.now() + ctx.settings.remind_after;
        ctx.propose(Timer::at(REMIND, after).overdue(Overdue::Fire));
        Ok(())
    }

    fn on_observation(ctx: &Context<Settings>, _: &Event, _: &Observation) -> Result<(), Failure> {
        if ctx.any("window", "contact") {
            return Ok(());
        }
        let Some(before) = BEFORE.take(ctx)? else { return Ok(()) };
        ctx.cancel_timer(REMIND);
        let lowered = ctx.settings.lowered.celsius();
        for (thermostat, setpoint) in before {
            // A battery thermostat may not have woken up to the lower value yet; anything else is somebody's own choice.
            let ours = |now: f64| (now - lowered).abs() < SAME || (now - setpoint).abs() < SAME;
            if ctx.number(&thermostat, "setpoint").is_none_or(ours) {
                let why = "all windows are closed";
                ctx.propose(Command::to_device(&thermostat, "set").argument("value", setpoint).because(why));
            }
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<Settings>, _: &Event, tick: &Tick) -> Result<(), Failure> {
        // The window may have been closed while the host was down.
        if ctx.postponed(tick, Span::mins(1)) {
            return Ok(());
        }
        let open = ctx.members("window").into_iter().filter(|window| ctx.boolean(window, "contact") == Some(true));
        let open: Vec<String> = open.map(|window| ctx.name_of(&window)).collect();
        if !open.is_empty() {
            let after = ctx.settings.remind_after;
            ctx.propose(
                Notification::to_group("window-open", &ctx.settings.notify)
                    .parameter("windows", open.join(", "))
                    .parameter("minutes", after.as_mins())
                    .because(format!("still open {after} after the heating was turned down")),
            );
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Window);

#[cfg(test)]
mod tests;
