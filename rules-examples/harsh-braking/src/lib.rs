//! Finds harsh braking in a vehicle's speed, one event for each braking, and suggests coaching when it becomes a habit.

use pointsman_sdk::patterns::CoolDown;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    limit: Acceleration,
    release: Acceleration,
    plausible: Acceleration,
    min_speed: Speed,
    habit: usize,
    window: Span,
    notify: String,
}

/// The last speed, and the braking under way.
#[derive(Serialize, Deserialize)]
struct Motion {
    at: Instant,
    /// km/h.
    speed: f64,
    braking: Option<Braking>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Braking {
    began: Instant,
    /// km/h.
    from: f64,
    /// m/s².
    peak: f64,
}

const MOTION: Slot<Motion> = Slot::new("motion");
const RECENT: Slot<Vec<Instant>> = Slot::new("recent");

/// Closer readings give differences of rounding, farther ones say nothing about the moment.
const CLOSEST: Span = Span::millis(200);
const FARTHEST: Span = Span::secs(3);

struct Brakes;

impl Rule for Brakes {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.release >= settings.limit || settings.limit >= settings.plausible {
            return Err("expected release below limit below plausible".into());
        }
        if settings.habit == 0 { Err("habit is 0: expected at least one braking".into()) } else { Ok(()) }
    }

    fn on_observation(ctx: &Context<Settings>, event: &Event, observation: &Observation) -> Result<(), Failure> {
        let Some(speed) = observation.number("speed") else { return Ok(()) };
        let at = event.occurred_at;
        let Some(last) = MOTION.get(ctx)? else {
            MOTION.set(ctx, &Motion { at, speed, braking: None })?;
            return Ok(());
        };
        let apart = at.since(last.at);
        if apart < CLOSEST {
            return Ok(());
        }
        let settings = &ctx.settings;
        let deceleration = (last.speed - speed) / 3.6 / apart.as_secs();
        // After a gap, or a jump that no vehicle makes, what was under way is unknown.
        let known = apart <= FARTHEST && deceleration.abs() <= settings.plausible.metres_per_second_squared();
        let braking = match last.braking {
            _ if !known => None,
            Some(braking) if deceleration < settings.release.metres_per_second_squared() => {
                Self::report(ctx, observation, braking, last.speed)?;
                None
            }
            Some(braking) => Some(Braking { peak: braking.peak.max(deceleration), ..braking }),
            None => {
                let harsh = deceleration >= settings.limit.metres_per_second_squared();
                let fast = last.speed >= settings.min_speed.kilometres_per_hour();
                (harsh && fast).then_some(Braking { began: last.at, from: last.speed, peak: deceleration })
            }
        };
        MOTION.set(ctx, &Motion { at, speed, braking })?;
        Ok(())
    }
}

impl Brakes {
    /// One braking is over: down to `to` km/h.
    fn report(ctx: &Context<Settings>, observation: &Observation, braking: Braking, to: f64) -> Result<(), Failure> {
        let settings = &ctx.settings;
        let vehicle = &observation.device;
        let why = format!("{:.1} m/s² at its hardest, from {:.0} to {to:.0} km/h", braking.peak, braking.from);
        ctx.count("harsh-brakings", 1);
        ctx.propose(
            Emission::new("harsh-braking")
                .about(vehicle)
                .attribute("peak", braking.peak)
                .attribute("from", braking.from)
                .attribute("to", to)
                .because(why),
        );
        let mut recent = RECENT.get(ctx)?.unwrap_or_default();
        recent.retain(|at| braking.began.since(*at) <= settings.window);
        recent.push(braking.began);
        if recent.len() >= settings.habit && CoolDown::new("coached", settings.window).ready(ctx)? {
            ctx.propose(
                Notification::to_group("braking-habit", &settings.notify)
                    .parameter("vehicle", ctx.name_of(vehicle))
                    .parameter("times", i64::try_from(recent.len()).unwrap_or(i64::MAX))
                    .background()
                    .because(format!("{} harsh brakings within {}", recent.len(), settings.window)),
            );
        }
        // Only the newest decide; the list stays short whatever the road.
        let surplus = recent.len().saturating_sub(settings.habit);
        RECENT.set(ctx, &recent.split_off(surplus))?;
        Ok(())
    }
}

pointsman_sdk::rule!(Brakes);
