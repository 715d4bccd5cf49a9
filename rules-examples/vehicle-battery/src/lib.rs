//! Watches a vehicle's 12 V battery: flat at rest, not charged while driving, and worn when that keeps happening.

use pointsman_sdk::patterns::CoolDown;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    rest: Voltage,
    deep: Voltage,
    charging: Voltage,
    again: Span,
    worn_after: usize,
    worn_within: Span,
    notify: String,
}

/// When it was flat, the newest last.
const FLAT: Slot<Vec<Instant>> = Slot::new("flat");

struct Battery;

impl Rule for Battery {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        let Settings { rest, deep, charging, .. } = settings;
        if deep >= rest || rest >= charging {
            return Err(format!("expected deep {deep} below rest {rest} below charging {charging}"));
        }
        if settings.worn_after < 2 { Err("worn-after must be at least 2".into()) } else { Ok(()) }
    }

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        if !condition.began() {
            return Ok(());
        }
        let volts = ctx.number(&condition.device, "battery-voltage");
        let for_long = condition.lasted(ctx.now());
        if event.trigger == "not-charging" {
            let why = format!("below {} for {for_long} with the engine on", ctx.settings.charging);
            return Self::tell(ctx, "battery-not-charging", &condition.device, volts, &why);
        }
        let deep = volts.is_some_and(|volts| volts < ctx.settings.deep.volts());
        let template = if deep { "battery-deeply-flat" } else { "battery-flat" };
        let why = format!("below {} for {for_long} at rest", ctx.settings.rest);
        Self::tell(ctx, template, &condition.device, volts, &why)?;
        Self::wear(ctx, condition, volts)
    }
}

impl Battery {
    /// A healthy battery is flat once, after the light was left on; a worn one again and again.
    fn wear(ctx: &Context<Settings>, condition: &Condition, volts: Option<f64>) -> Result<(), Failure> {
        let settings = &ctx.settings;
        let mut flat = FLAT.get(ctx)?.unwrap_or_default();
        flat.retain(|at| condition.since.since(*at) <= settings.worn_within);
        flat.push(condition.since);
        if flat.len() >= settings.worn_after {
            let why = format!("flat {} times within {}", flat.len(), settings.worn_within);
            Self::tell(ctx, "battery-worn", &condition.device, volts, &why)?;
        }
        let surplus = flat.len().saturating_sub(settings.worn_after);
        FLAT.set(ctx, &flat.split_off(surplus))?;
        Ok(())
    }

    fn tell(
        ctx: &Context<Settings>,
        template: &str,
        vehicle: &str,
        volts: Option<f64>,
        why: &str,
    ) -> Result<(), Failure> {
        if CoolDown::new(template, ctx.settings.again).ready(ctx)? {
            let mut notification =
                Notification::to_group(template, &ctx.settings.notify).parameter("vehicle", ctx.name_of(vehicle));
            if let Some(volts) = volts {
                notification = notification.parameter("volts", volts);
            }
            ctx.propose(notification.because(why));
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Battery);
