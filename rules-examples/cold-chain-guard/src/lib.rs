//! Alarms when a shipment leaves its temperature range, and adds up all time outside over the whole trip.

use std::collections::BTreeSet;

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    high: Temperature,
    low: Temperature,
    budget: Span,
    gap_max: Span,
    notify: String,
}

/// Time outside the range since loading, of one probe.
#[derive(Serialize, Deserialize)]
struct Tally {
    outside: Span,
    /// The last reading: when, and whether it was outside.
    at: Instant,
    out: bool,
    told: bool,
}

/// Probes in excursion; present while there is one.
const EXCURSIONS: Slot<BTreeSet<String>> = Slot::new("excursions");
const TALLY: &str = "tally/";
/// More probes than any trailer has; bounds the reset at loading.
const PROBES: u32 = 256;

#[derive(Serialize)]
struct Excursion<'a> {
    probe: &'a str,
    minutes: i64,
    at: String,
}

struct Guard;

impl Rule for Guard {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.low >= settings.high {
            return Err(format!("low is {} and high is {}: low must be below high", settings.low, settings.high));
        }
        Ok(())
    }

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        let (probe, mut excursions) = (&condition.device, EXCURSIONS.get(ctx)?.unwrap_or_default());
        // A probe can be too warm and, another day, too cold: each of the two conditions counts.
        let entry = format!("{} {probe}", event.trigger);
        if condition.began() {
            let limit = if event.trigger == "too-warm" { ctx.settings.high } else { ctx.settings.low };
            let side = if event.trigger == "too-warm" { "above" } else { "below" };
            let why = format!("{side} {limit} for {}", condition.lasted(ctx.now()));
            if excursions.is_empty() {
                ctx.propose(Command::to_role("alarm", "on").because(&why));
            }
            let mut notification = Notification::to_group("excursion", &ctx.settings.notify)
                .parameter("probe", ctx.name_of(probe))
                .parameter("side", side)
                .parameter("limit", limit.to_string());
            if let Some(value) = ctx.number(probe, "temperature") {
                notification = notification.parameter("value", value);
            }
            ctx.propose(notification.because(why));
            ctx.propose(Emission::new("excursion").about(probe).attribute("side", side));
            excursions.insert(entry);
        } else if excursions.remove(&entry) && excursions.is_empty() {
            ctx.propose(Command::to_role("alarm", "off").because("every probe is back in range"));
        }
        if excursions.is_empty() {
            EXCURSIONS.remove(ctx)
        } else {
            EXCURSIONS.set(ctx, &excursions)?
        }
        Ok(())
    }

    fn on_observation(ctx: &Context<Settings>, event: &Event, observation: &Observation) -> Result<(), Failure> {
        let Some(value) = observation.number("temperature") else { return Ok(()) };
        let out = value > ctx.settings.high.celsius() || value < ctx.settings.low.celsius();
        let slot = Slot::<Tally>::named(format!("{TALLY}{}", observation.device));
        let at = event.occurred_at;
        let mut tally = slot.get(ctx)?.unwrap_or(Tally { outside: Span::ZERO, at, out, told: false });
        if tally.out {
            // A reading holds until the next one, but silence longer than the gap is not evidence of warmth.
            tally.outside = tally.outside + at.since(tally.at).min(ctx.settings.gap_max);
        }
        (tally.at, tally.out) = (at, out);
        if tally.outside >= ctx.settings.budget && !tally.told {
            tally.told = true;
            Self::spent(ctx, event, &observation.device, tally.outside)?;
        }
        slot.set(ctx, &tally)?;
        Ok(())
    }

    /// A new load: what its predecessor has suffered does not count.
    fn on_message(ctx: &Context<Settings>, _: &Event, _: &Message) -> Result<(), Failure> {
        for name in ctx.names(TALLY, None, PROBES) {
            ctx.remove(&name);
        }
        Ok(())
    }
}

impl Guard {
    fn spent(ctx: &Context<Settings>, event: &Event, probe: &str, outside: Span) -> Result<(), Failure> {
        let why = format!("{outside} outside the range since loading, {} allowed", ctx.settings.budget);
        ctx.propose(
            Notification::to_group("budget-spent", &ctx.settings.notify)
                .parameter("probe", ctx.name_of(probe))
                .parameter("minutes", outside.as_mins())
                .urgent()
                .because(&why),
        );
        let excursion = Excursion { probe, minutes: outside.as_mins(), at: event.occurred_at.to_string() };
        // A site's name may hold slashes; its topic has one level for it.
        let topic = format!("pointsman/excursions/{}", event.key.replace('/', "-"));
        ctx.propose(Publication::json(topic, &excursion)?.because(why));
        Ok(())
    }
}

pointsman_sdk::rule!(Guard);
