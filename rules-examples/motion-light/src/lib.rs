//! Light where somebody moves and it is dark, off when the room has been still; a hand on the switch is respected.

use pointsman_sdk::patterns::Debounce;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    dark_below: Illuminance,
    linger: Span,
    longest: Span,
}

/// The light is on because this rule switched it on.
const OURS: Slot<bool> = Slot::new("ours");
/// Somebody switched the light off while there was motion: they want it dark until they leave.
const HANDS_OFF: Slot<bool> = Slot::new("hands-off");
/// Ends a light whose sensor never reports the end of the motion.
const LONGEST: &str = "longest";

struct Light;

impl Rule for Light {
    type Settings = Settings;

    fn on_observation(ctx: &Context<Settings>, event: &Event, observation: &Observation) -> Result<(), Failure> {
        match event.trigger.as_str() {
            "moved" => Self::moved(ctx, observation),
            _ => Self::switched(ctx, observation),
        }
    }

    fn on_timer(ctx: &Context<Settings>, _: &Event, tick: &Tick) -> Result<(), Failure> {
        HANDS_OFF.remove(ctx);
        let still = Self::still(ctx);
        if OURS.take(ctx)?.is_none() {
            return Ok(());
        }
        let why = if still.fired(ctx, tick) {
            ctx.cancel_timer(LONGEST);
            format!("no motion for {}", ctx.settings.linger)
        } else {
            still.forget(ctx);
            format!("on for {} without a new motion", ctx.settings.longest)
        };
        ctx.propose(Command::to_role("lamp", "off").because(why));
        Ok(())
    }
}

impl Light {
    fn moved(ctx: &Context<Settings>, observation: &Observation) -> Result<(), Failure> {
        if observation.boolean("motion") != Some(true) {
            if !ctx.any("motion", "motion") {
                Self::still(ctx).signal(ctx)?;
            }
            return Ok(());
        }
        Self::still(ctx).forget(ctx);
        if OURS.get_or(ctx, false)? {
            Self::limit(ctx);
        } else if Self::is_dark(ctx, &observation.device)
            && !ctx.any("lamp", "switch")
            && !HANDS_OFF.get_or(ctx, false)?
        {
            OURS.set(ctx, &true)?;
            Self::limit(ctx);
            let why = format!("motion at {} in the dark", ctx.name_of(&observation.device));
            ctx.propose(Command::to_role("lamp", "on").because(why));
        }
        Ok(())
    }

    /// The lamp reports itself off although this rule has it on: somebody did it by hand.
    fn switched(ctx: &Context<Settings>, observation: &Observation) -> Result<(), Failure> {
        if observation.boolean("switch") == Some(false) && OURS.take(ctx)?.is_some() {
            ctx.cancel_timer(LONGEST);
            HANDS_OFF.set(ctx, &true)?;
            if !ctx.any("motion", "motion") {
                Self::still(ctx).signal(ctx)?;
            }
        }
        Ok(())
    }

    /// However long the host was down: nothing else would switch the light off.
    fn limit(ctx: &Context<Settings>) {
        ctx.propose(Timer::at(LONGEST, ctx.now() + ctx.settings.longest).overdue(Overdue::Fire));
    }

    /// A sensor without a light meter is taken to stand in the dark. Asked only while the lamp is off, so the lamp's own
    /// light does not count.
    fn is_dark(ctx: &Context<Settings>, sensor: &str) -> bool {
        ctx.number(sensor, "illuminance").is_none_or(|lux| lux < ctx.settings.dark_below.lux())
    }

    fn still(ctx: &Context<Settings>) -> Debounce {
        Debounce::new("still", ctx.settings.linger)
    }
}

pointsman_sdk::rule!(Light);
