//! Tells carers when a heart races at rest or beats too slowly for minutes, and somebody else when it goes on.

use pointsman_sdk::patterns::CoolDown;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    high: Rate,
    low: Rate,
    escalate_after: Span,
    cool_down: Span,
    carers: String,
    on_call: String,
}

struct Heart;

impl Rule for Heart {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.low >= settings.high {
            return Err(format!("low is {} and high is {}: low must be below high", settings.low, settings.high));
        }
        Ok(())
    }

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        let trigger = event.trigger.as_str();
        let cool_down = CoolDown::new(trigger, ctx.settings.cool_down);
        match (trigger, condition.began()) {
            ("unheard", true) => {
                if cool_down.ready(ctx)? {
                    let notification = Notification::to_group("wearable-silent", &ctx.settings.carers).background();
                    ctx.propose(notification.because(format!("nothing heard since {}", condition.since)));
                }
            }
            ("unheard", false) => {}
            (_, true) => {
                // The escalation does not cool down: the second time in an hour may be the one that matters.
                let after = ctx.now() + ctx.settings.escalate_after;
                ctx.propose(Timer::at(trigger, after).overdue(Overdue::Fire));
                if cool_down.ready(ctx)? {
                    Self::tell(ctx, trigger, &condition.device, &ctx.settings.carers, condition.since);
                    Self::told(trigger).set(ctx, &true)?;
                }
                Self::since(trigger).set(ctx, &condition.since)?;
            }
            (_, false) => {
                ctx.cancel_timer(trigger);
                Self::since(trigger).remove(ctx);
                if Self::told(trigger).take(ctx)?.is_some() {
                    let lasted = condition.lasted(ctx.now());
                    let notification = Notification::to_group("heart-rate-settled", &ctx.settings.carers).background();
                    ctx.propose(notification.because(format!("back to normal after {lasted}")));
                }
            }
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<Settings>, event: &Event, tick: &Tick) -> Result<(), Failure> {
        // It may have settled while the host was down.
        if ctx.postponed(tick, Span::mins(1)) {
            return Ok(());
        }
        if let Some(since) = Self::since(&tick.name).get(ctx)? {
            Self::tell(ctx, &tick.name, &event.key, &ctx.settings.on_call, since);
            Self::told(&tick.name).set(ctx, &true)?;
        }
        Ok(())
    }
}

impl Heart {
    fn tell(ctx: &Context<Settings>, trigger: &str, device: &str, group: &str, since: Instant) {
        let (what, limit) =
            if trigger == "racing" { ("high at rest", ctx.settings.high) } else { ("low", ctx.settings.low) };
        let mut notification = Notification::to_group("heart-rate", group)
            .parameter("what", what)
            .parameter("minutes", ctx.now().since(since).as_mins())
            .urgent();
        if let Some(rate) = ctx.number(device, "heart-rate") {
            notification = notification.parameter("rate", rate);
        }
        ctx.propose(notification.because(format!("heart rate {what}, limit {limit}, since {since}")));
    }

    fn since(trigger: &str) -> Slot<Instant> {
        Slot::named(format!("{trigger}/since"))
    }

    fn told(trigger: &str) -> Slot<bool> {
        Slot::named(format!("{trigger}/told"))
    }
}

pointsman_sdk::rule!(Heart);
