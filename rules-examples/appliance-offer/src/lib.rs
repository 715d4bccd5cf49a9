//! Counts an appliance's runs and offers its owner a service when it has earned one. Consent is the host's business.

use pointsman_sdk::patterns::{CoolDown, Debounce};
use pointsman_sdk::people::LinkKind;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    pause: Span,
    service_after: u32,
    again: Span,
}

/// Runs since the last service.
const RUNS: Slot<u32> = Slot::new("runs");
const OFFER: &str = "service-offer";

struct Offer;

impl Rule for Offer {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.service_after == 0 { Err("service-after must be at least 1".into()) } else { Ok(()) }
    }

    /// A washing machine soaks and pauses: a run is over when it has drawn nothing for a while.
    fn on_condition(ctx: &Context<Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        let done = Self::done(ctx);
        if condition.began() {
            done.forget(ctx);
        } else {
            done.signal(ctx)?;
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<Settings>, event: &Event, tick: &Tick) -> Result<(), Failure> {
        if !Self::done(ctx).fired(ctx, tick) {
            return Ok(());
        }
        let runs = RUNS.get_or(ctx, 0)?.saturating_add(1);
        RUNS.set(ctx, &runs)?;
        if runs < ctx.settings.service_after || !Self::is_personal(ctx, &event.key) {
            return Ok(());
        }
        if CoolDown::new(OFFER, ctx.settings.again).ready(ctx)? {
            ctx.propose(
                Notification::to_owner_of(OFFER, &event.key)
                    .parameter("appliance", ctx.name_of(&event.key))
                    .parameter("runs", runs)
                    .background()
                    .expires_at(ctx.now() + Span::days(7))
                    .because(format!("{runs} runs since the last service, {} are due one", ctx.settings.service_after))
                    .tag(OFFER),
            );
        }
        Ok(())
    }

    /// An offer that was refused is not lost: it is made again after the usual pause, when consent may be there.
    fn on_completion(ctx: &Context<Settings>, _: &Event, completion: &Completion) -> Result<(), Failure> {
        if completion.is_failure() {
            let reason = completion.reason.as_deref().unwrap_or("unknown");
            ctx.info(&format!("the offer did not go out: {reason}"));
        }
        Ok(())
    }

    /// The workshop reports a service.
    fn on_message(ctx: &Context<Settings>, _: &Event, _: &Message) -> Result<(), Failure> {
        RUNS.remove(ctx);
        CoolDown::new(OFFER, ctx.settings.again).reset(ctx);
        Ok(())
    }
}

impl Offer {
    fn done(ctx: &Context<Settings>) -> Debounce {
        Debounce::new("done", ctx.settings.pause)
    }

    /// A machine in a launderette or a rented flat is nobody's to be offered a service for. Where no link is known the
    /// host decides, from the owner it may or may not know.
    fn is_personal(ctx: &Context<Settings>, appliance: &str) -> bool {
        !ctx.links_of(appliance).iter().any(|link| matches!(link.kind, LinkKind::Shared | LinkKind::Rental))
    }
}

pointsman_sdk::engagement!(Offer);
