//! Shuts the water off at a leak, tells people until it is dry, and never opens the valve again by itself.

use std::collections::BTreeSet;

use pointsman_sdk::patterns::CoolDown;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    valve_time: Span,
    remind_every: Span,
    notify: String,
}

/// Sensors that are wet, by id; present from the first to the last.
const WET: Slot<BTreeSet<String>> = Slot::new("wet");
const VALVE: &str = "valve";
const REMIND: &str = "remind";
const AFTER_OUTAGE: Span = Span::mins(1);

struct Leak;

impl Rule for Leak {
    type Settings = Settings;

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        match (event.trigger.as_str(), condition.began()) {
            ("wet", true) => Self::wet(ctx, &condition.device),
            ("wet", false) => Self::dry(ctx, &condition.device),
            ("quiet", true) => Self::quiet(ctx, condition),
            _ => Ok(()),
        }
    }

    fn on_timer(ctx: &Context<Settings>, _: &Event, tick: &Tick) -> Result<(), Failure> {
        // The valve may have shut, and all may have dried, while the host was down.
        if ctx.postponed(tick, AFTER_OUTAGE) {
            return Ok(());
        }
        if tick.name == VALVE {
            if !Self::is_shut(ctx) {
                let why = format!("the valve did not report itself shut within {}", ctx.settings.valve_time);
                ctx.propose(Notification::to_group("valve-stuck", &ctx.settings.notify).urgent().because(why));
            }
            return Ok(());
        }
        if let Some(wet) = WET.get(ctx)? {
            Self::tell(ctx, &wet, "still wet");
            Self::start(ctx, REMIND, ctx.settings.remind_every);
        }
        Ok(())
    }
}

impl Leak {
    fn wet(ctx: &Context<Settings>, sensor: &str) -> Result<(), Failure> {
        let mut wet = WET.get(ctx)?.unwrap_or_default();
        wet.insert(sensor.to_owned());
        let why = format!("{} is wet", ctx.name_of(sensor));
        if !Self::is_shut(ctx) {
            ctx.propose(Command::to_role("valve", "close").because(&why));
            Self::start(ctx, VALVE, ctx.settings.valve_time);
        }
        Self::tell(ctx, &wet, &why);
        Self::start(ctx, REMIND, ctx.settings.remind_every);
        WET.set(ctx, &wet)?;
        Ok(())
    }

    fn dry(ctx: &Context<Settings>, sensor: &str) -> Result<(), Failure> {
        let mut wet = WET.get(ctx)?.unwrap_or_default();
        wet.remove(sensor);
        if !wet.is_empty() {
            WET.set(ctx, &wet)?;
            return Ok(());
        }
        WET.remove(ctx);
        ctx.cancel_timer(REMIND);
        let notification = Notification::to_group("leak-over", &ctx.settings.notify).background();
        ctx.propose(notification.because("all sensors are dry; the valve stays as it is until somebody opens it"));
        Ok(())
    }

    /// Comes however long the host was down: the water may still run.
    fn start(ctx: &Context<Settings>, name: &str, span: Span) {
        ctx.propose(Timer::at(name, ctx.now() + span).overdue(Overdue::Fire));
    }

    /// A valve that has never reported is not known to be shut.
    fn is_shut(ctx: &Context<Settings>) -> bool {
        ctx.members("valve").iter().all(|valve| ctx.boolean(valve, "valve-open") == Some(false))
    }

    fn tell(ctx: &Context<Settings>, wet: &BTreeSet<String>, why: &str) {
        let places: Vec<String> = wet.iter().map(|sensor| ctx.name_of(sensor)).collect();
        let notification = Notification::to_group("water-leak", &ctx.settings.notify);
        ctx.propose(notification.parameter("places", places.join(", ")).urgent().because(why));
    }

    /// A leak sensor speaks a few times a day at least: one that is silent guards nothing.
    fn quiet(ctx: &Context<Settings>, condition: &Condition) -> Result<(), Failure> {
        if CoolDown::new(format!("quiet/{}", condition.device), Span::days(7)).ready(ctx)? {
            ctx.propose(
                Notification::to_group("leak-sensor-silent", &ctx.settings.notify)
                    .parameter("sensor", ctx.name_of(&condition.device))
                    .background()
                    .because(format!("nothing heard since {}", condition.since)),
            );
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Leak);
