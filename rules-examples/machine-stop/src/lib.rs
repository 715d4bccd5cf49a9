//! Stops a machine that shakes or runs dry, looks whether it really stops, and never starts it again by itself.

use std::collections::BTreeSet;

use pointsman_sdk::patterns::CoolDown;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    trip: Speed,
    min_flow: Flow,
    run_up: Span,
    stop_within: Span,
    notify: String,
    on_call: String,
}

/// Vibration sensors above the trip level.
const SHAKING: Slot<BTreeSet<String>> = Slot::new("shaking");
/// Why this rule stopped the machine; present until somebody starts it again.
const TRIPPED: Slot<String> = Slot::new("tripped");
const RUN_UP: &str = "run-up";
const VERIFY: &str = "verify";

struct Stop;

impl Rule for Stop {
    type Settings = Settings;

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        let sensor = &condition.device;
        match (event.trigger.as_str(), condition.began()) {
            ("shaking", began) => {
                let mut shaking = SHAKING.get(ctx)?.unwrap_or_default();
                if began {
                    shaking.insert(sensor.clone())
                } else {
                    shaking.remove(sensor)
                };
                SHAKING.set(ctx, &shaking)?;
                if began { Self::shaking(ctx) } else { Ok(()) }
            }
            ("dry", true) => {
                let why = format!("less than {} at {} while running", ctx.settings.min_flow, ctx.name_of(sensor));
                Self::trip(ctx, &why)
            }
            ("rough", true) => Self::warn(ctx, "vibration-warning", sensor, "vibration above the alert level"),
            ("blind", true) => {
                let why = format!("nothing heard since {}: the machine is not guarded", condition.since);
                Self::warn(ctx, "sensor-silent", sensor, &why)
            }
            _ => Ok(()),
        }
    }

    /// The machine was started.
    fn on_observation(ctx: &Context<Settings>, _: &Event, _: &Observation) -> Result<(), Failure> {
        ctx.cancel_timer(VERIFY);
        if let Some(why) = TRIPPED.take(ctx)? {
            ctx.info(&format!("started again after a stop for: {why}"));
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<Settings>, _: &Event, tick: &Tick) -> Result<(), Failure> {
        if tick.name == RUN_UP {
            return if SHAKING.get(ctx)?.is_some_and(|shaking| !shaking.is_empty()) {
                Self::shaking(ctx)
            } else {
                Ok(())
            };
        }
        // That it stands may still be on its way, where the host was down.
        if ctx.postponed(tick, Span::mins(1)) {
            return Ok(());
        }
        if let (Some(why), Some(_)) = (TRIPPED.get(ctx)?, Self::running_since(ctx)) {
            let notification = Notification::to_group("machine-not-stopped", &ctx.settings.on_call).urgent();
            let after = ctx.settings.stop_within;
            ctx.propose(
                notification.parameter("why", &*why).because(format!("still running {after} after the command")),
            );
        }
        Ok(())
    }
}

impl Stop {
    /// Since when the machine runs; none where it stands. A machine that has never reported is taken to run: better a
    /// needless stop command than a needless bearing.
    fn running_since(ctx: &Context<Settings>) -> Option<Instant> {
        let machine = ctx.members("machine").into_iter().next()?;
        match ctx.last(&machine, "running") {
            Some(known) => (known.value == Value::Boolean(true)).then_some(known.since),
            None => Some(Instant::default()),
        }
    }

    /// A machine shakes on its way through its own resonance; what it does after the run-up counts.
    fn shaking(ctx: &Context<Settings>) -> Result<(), Failure> {
        let Some(since) = Self::running_since(ctx) else { return Ok(()) };
        let steady = since + ctx.settings.run_up;
        if steady > ctx.now() {
            // A hold that an outage has ended begins again by itself, from readings of after it.
            ctx.propose(Timer::at(RUN_UP, steady).overdue(Overdue::FireWithin(Span::mins(2))));
            return Ok(());
        }
        Self::trip(ctx, &format!("vibration above {}", ctx.settings.trip))
    }

    fn trip(ctx: &Context<Settings>, why: &str) -> Result<(), Failure> {
        if TRIPPED.get(ctx)?.is_some() && Self::running_since(ctx).is_none() {
            return Ok(());
        }
        TRIPPED.set(ctx, &why.to_owned())?;
        let stop = Command::to_role("machine", "stop").expires_at(ctx.now() + ctx.settings.stop_within);
        ctx.propose(stop.because(why));
        let notification = Notification::to_group("machine-stopped", &ctx.settings.notify).urgent();
        ctx.propose(notification.parameter("why", why).because(why));
        ctx.propose(Timer::at(VERIFY, ctx.now() + ctx.settings.stop_within).overdue(Overdue::Fire));
        Ok(())
    }

    fn warn(ctx: &Context<Settings>, template: &str, sensor: &str, why: &str) -> Result<(), Failure> {
        if CoolDown::new(format!("{template}/{sensor}"), Span::hours(8)).ready(ctx)? {
            let notification = Notification::to_group(template, &ctx.settings.notify);
            ctx.propose(notification.parameter("sensor", ctx.name_of(sensor)).because(why));
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Stop);
