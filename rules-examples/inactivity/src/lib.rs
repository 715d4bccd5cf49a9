//! Tells somebody when a person who should be up and about has not moved for hours; nights do not count.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    quiet_for: Span,
    awake_from: TimeOfDay,
    awake_until: TimeOfDay,
    zone: String,
    unworn_for: Span,
    notify: String,
}

const MOVED: Slot<Instant> = Slot::new("moved");
const ALARMED: Slot<bool> = Slot::new("alarmed");
const UNWORN: &str = "unworn";
const QUIET: &str = "quiet";
const AFTER_OUTAGE: Span = Span::mins(1);

struct Inactivity;

impl Rule for Inactivity {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.awake_from >= settings.awake_until {
            return Err(format!(
                "awake-from {} is not before awake-until {}",
                settings.awake_from, settings.awake_until
            ));
        }
        Ok(())
    }

    fn on_observation(ctx: &Context<Settings>, event: &Event, observation: &Observation) -> Result<(), Failure> {
        match (event.trigger.as_str(), observation.boolean("worn")) {
            ("worn", Some(false)) => {
                ctx.cancel_timer(QUIET);
                Self::set(ctx, UNWORN, ctx.now() + ctx.settings.unworn_for);
                Ok(())
            }
            // Putting it on is a movement too.
            _ => Self::moved(ctx),
        }
    }

    fn on_timer(ctx: &Context<Settings>, event: &Event, tick: &Tick) -> Result<(), Failure> {
        // Steps that were taken while the host was down come before what their absence would mean.
        if ctx.postponed(tick, AFTER_OUTAGE) {
            return Ok(());
        }
        if tick.name == UNWORN {
            let notification = Notification::to_group("not-worn", &ctx.settings.notify).background();
            ctx.propose(notification.because(format!("not worn for {}", ctx.settings.unworn_for)));
            return Ok(());
        }
        if ctx.boolean(&event.key, "worn") == Some(false) {
            return Ok(());
        }
        let moved = MOVED.get_or(ctx, tick.due)?;
        let due = Self::due(ctx, moved)?;
        if due > ctx.now() {
            Self::set(ctx, QUIET, due);
            return Ok(());
        }
        ALARMED.set(ctx, &true)?;
        ctx.propose(
            Notification::to_group("no-movement", &ctx.settings.notify)
                .parameter("since", moved.to_string())
                .parameter("minutes", ctx.now().since(moved).as_mins())
                .urgent()
                .because(format!("no movement since {moved}, and it is day")),
        );
        Ok(())
    }
}

impl Inactivity {
    fn moved(ctx: &Context<Settings>) -> Result<(), Failure> {
        MOVED.set(ctx, &ctx.now())?;
        ctx.cancel_timer(UNWORN);
        Self::set(ctx, QUIET, ctx.now() + ctx.settings.quiet_for);
        if ALARMED.take(ctx)?.is_some() {
            let notification = Notification::to_group("moving-again", &ctx.settings.notify).background();
            ctx.propose(notification.because("movement again"));
        }
        Ok(())
    }

    /// Comes however long the host was down: nobody else looks after the person.
    fn set(ctx: &Context<Settings>, name: &str, due: Instant) {
        ctx.propose(Timer::at(name, due).overdue(Overdue::Fire));
    }

    /// When the quiet has lasted long enough, counted from the last movement or from the getting up after it.
    fn due(ctx: &Context<Settings>, moved: Instant) -> Result<Instant, Failure> {
        let settings = &ctx.settings;
        let unknown = || Failure::configuration(format!("the host does not know the time zone {}", settings.zone));
        let now = ctx.local(ctx.now(), &settings.zone).ok_or_else(unknown)?;
        // After bedtime the next morning counts, before it today's.
        let day = if now.time() < settings.awake_until {
            now
        } else {
            ctx.local(ctx.now() + Span::days(1), &settings.zone).ok_or_else(unknown)?
        };
        let (hour, minute) = (settings.awake_from.hour, settings.awake_from.minute);
        let morning = Civil { hour, minute, second: 0, ..day };
        // Where the clocks skip that very minute, the person has got up when the gap ends at the latest.
        let up = ctx.instant_of(morning, &settings.zone, Pass::First).unwrap_or(ctx.now() + Span::hours(1));
        Ok(moved.max(up) + settings.quiet_for)
    }
}

pointsman_sdk::rule!(Inactivity);
