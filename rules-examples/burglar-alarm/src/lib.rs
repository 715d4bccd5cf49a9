//! A burglar alarm with exit and entry delay, a siren that tires, and word of sensors that vanish while it watches.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    exit_delay: Span,
    entry_delay: Span,
    siren_for: Span,
    siren_cycles: u32,
    notify: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// Armed, but whoever armed it may still walk out.
    Leaving,
    Watching,
    /// A door was opened: time to reach the keypad.
    Entering,
    Sounding,
}

/// Present while the alarm is armed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Armed {
    phase: Phase,
    /// At home: doors only, motion inside is the people who live there.
    home: bool,
    /// How often the siren has sounded since arming.
    sirens: u32,
    /// What opened the entry delay.
    entered: Option<String>,
}

const ARMED: Slot<Armed> = Slot::new("armed");
const TIMER: &str = "phase";
const AFTER_OUTAGE: Span = Span::mins(1);

struct Alarm;

impl Rule for Alarm {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.siren_for > Span::mins(10) {
            return Err(
                "siren-for is longer than 10m: a siren outdoors that long is a nuisance and often illegal".into()
            );
        }
        Ok(())
    }

    fn on_observation(ctx: &Context<Settings>, event: &Event, observation: &Observation) -> Result<(), Failure> {
        if event.trigger == "keypad" {
            let mode = observation.reading("armed").and_then(|reading| reading.value.text());
            return match mode {
                Some("home") => Self::arm(ctx, true),
                Some("away") => Self::arm(ctx, false),
                Some("off") => Self::disarm(ctx),
                other => Err(Failure::permanent(format!("the keypad says {other:?}, expected off, home or away"))),
            };
        }
        let Some(armed) = ARMED.get(ctx)? else { return Ok(()) };
        let place = ctx.name_of(&observation.device);
        match (event.trigger.as_str(), armed.phase) {
            ("opened", Phase::Watching) => {
                Self::start(ctx, ctx.settings.entry_delay);
                ARMED.set(ctx, &Armed { phase: Phase::Entering, entered: Some(place), ..armed })?;
                Ok(())
            }
            ("moved", Phase::Watching) if !armed.home => Self::sound(ctx, armed, &format!("motion at {place}")),
            // On the way out, on the way to the keypad, or while the siren is on already.
            _ => Ok(()),
        }
    }

    fn on_condition(ctx: &Context<Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        if condition.began() && ARMED.get(ctx)?.is_some() {
            ctx.propose(
                Notification::to_group("sensor-lost", &ctx.settings.notify)
                    .parameter("sensor", ctx.name_of(&condition.device))
                    .because("a sensor that vanishes while the alarm is armed may have been cut off"),
            );
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<Settings>, _: &Event, tick: &Tick) -> Result<(), Failure> {
        let Some(armed) = ARMED.get(ctx)? else { return Ok(()) };
        match armed.phase {
            Phase::Leaving => Self::watch(ctx, armed)?,
            // Whoever came in while the host was down may have disarmed: the keypad's word comes first.
            Phase::Entering if ctx.postponed(tick, AFTER_OUTAGE) => {}
            Phase::Entering => {
                let what = format!("{} was opened and nobody disarmed", armed.entered.as_deref().unwrap_or("a door"));
                Self::sound(ctx, armed, &what)?;
            }
            Phase::Sounding => {
                let why = format!("the siren has sounded for {}", ctx.settings.siren_for);
                ctx.propose(Command::to_role("siren", "off").because(why));
                ARMED.set(ctx, &Armed { phase: Phase::Watching, ..armed })?;
            }
            Phase::Watching => {}
        }
        Ok(())
    }
}

impl Alarm {
    fn arm(ctx: &Context<Settings>, home: bool) -> Result<(), Failure> {
        let armed = Armed { phase: Phase::Leaving, home, sirens: 0, entered: None };
        if home {
            return Self::watch(ctx, armed);
        }
        Self::start(ctx, ctx.settings.exit_delay);
        ARMED.set(ctx, &armed)?;
        Ok(())
    }

    /// Moves to the next phase, however long the host was down: a siren that is never switched off is worse than none.
    fn start(ctx: &Context<Settings>, span: Span) {
        ctx.propose(Timer::at(TIMER, ctx.now() + span).overdue(Overdue::Fire));
    }

    /// From here on doors count. One that is open already cannot open any more, so people hear of it now.
    fn watch(ctx: &Context<Settings>, armed: Armed) -> Result<(), Failure> {
        let open = ctx.members("door").into_iter().filter(|door| ctx.boolean(door, "contact") == Some(true));
        let open: Vec<String> = open.map(|door| ctx.name_of(&door)).collect();
        if !open.is_empty() {
            ctx.propose(
                Notification::to_group("left-open", &ctx.settings.notify)
                    .parameter("doors", open.join(", "))
                    .because("open when the alarm began to watch"),
            );
        }
        ARMED.set(ctx, &Armed { phase: Phase::Watching, ..armed })?;
        Ok(())
    }

    fn sound(ctx: &Context<Settings>, armed: Armed, what: &str) -> Result<(), Failure> {
        ctx.propose(
            Notification::to_group("burglary", &ctx.settings.notify).parameter("what", what).urgent().because(what),
        );
        // Word still goes out after the last cycle; only the siren keeps quiet.
        if armed.sirens >= ctx.settings.siren_cycles {
            ARMED.set(ctx, &Armed { phase: Phase::Watching, ..armed })?;
            return Ok(());
        }
        ctx.propose(Command::to_role("siren", "on").because(what));
        Self::start(ctx, ctx.settings.siren_for);
        ARMED.set(ctx, &Armed { phase: Phase::Sounding, sirens: armed.sirens + 1, ..armed })?;
        Ok(())
    }

    fn disarm(ctx: &Context<Settings>) -> Result<(), Failure> {
        let Some(armed) = ARMED.take(ctx)? else { return Ok(()) };
        ctx.cancel_timer(TIMER);
        if armed.phase == Phase::Sounding {
            ctx.propose(Command::to_role("siren", "off").because("disarmed at the keypad"));
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Alarm);
