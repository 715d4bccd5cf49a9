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
/// Probes of which nobody knows whether their excursion is over, after a gap; present while there is one.
const LOST: Slot<BTreeSet<String>> = Slot::new("lost");
const TOO_WARM: &str = "too-warm";
const TOO_COLD: &str = "too-cold";
const TALLY: &str = "tally/";
const IN_RANGE: &str = "every probe is back in range";
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
        let probe = &condition.device;
        let (mut excursions, mut lost) = (EXCURSIONS.get(ctx)?.unwrap_or_default(), LOST.get(ctx)?.unwrap_or_default());
        let entry = entry(&event.trigger, probe);
        if condition.began() {
            let limit = if event.trigger == TOO_WARM { ctx.settings.high } else { ctx.settings.low };
            let side = if event.trigger == TOO_WARM { "above" } else { "below" };
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
            lost.remove(&entry);
            excursions.insert(entry);
        } else if excursions.remove(&entry) {
            if condition.is_unknown() {
                // Goods that nobody has seen cool down are not in range: the next reading tells.
                lost.insert(entry);
            } else if excursions.is_empty() && lost.is_empty() {
                ctx.propose(Command::to_role("alarm", "off").because(IN_RANGE));
            }
        }
        keep(ctx, &EXCURSIONS, &excursions)?;
        keep(ctx, &LOST, &lost)
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
        Self::found(ctx, &observation.device, value)
    }

    /// A new load: what its predecessor has suffered does not count.
    fn on_message(ctx: &Context<Settings>, _: &Event, _: &Message) -> Result<(), Failure> {
        for name in ctx.names(TALLY, None, PROBES) {
            ctx.remove(&name);
        }
        if LOST.take(ctx)?.is_some() && EXCURSIONS.get(ctx)?.is_none() {
            ctx.propose(Command::to_role("alarm", "off").because("a new load"));
        }
        Ok(())
    }
}

/// A probe can be too warm and, another day, too cold: each of the two conditions counts.
fn entry(trigger: &str, probe: &str) -> String {
    format!("{trigger} {probe}")
}

fn keep(ctx: &Context<Settings>, slot: &Slot<BTreeSet<String>>, entries: &BTreeSet<String>) -> Result<(), Failure> {
    if entries.is_empty() {
        slot.remove(ctx);
    } else {
        slot.set(ctx, entries)?;
    }
    Ok(())
}

impl Guard {
    /// A probe reports again: what it is no longer in is over.
    fn found(ctx: &Context<Settings>, probe: &str, value: f64) -> Result<(), Failure> {
        let Some(mut lost) = LOST.get(ctx)? else { return Ok(()) };
        let before = lost.len();
        if value <= ctx.settings.high.celsius() {
            lost.remove(&entry(TOO_WARM, probe));
        }
        if value >= ctx.settings.low.celsius() {
            lost.remove(&entry(TOO_COLD, probe));
        }
        if lost.len() == before {
            return Ok(());
        }
        if lost.is_empty() && EXCURSIONS.get(ctx)?.is_none() {
            ctx.propose(Command::to_role("alarm", "off").because(IN_RANGE));
        }
        keep(ctx, &LOST, &lost)
    }

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
