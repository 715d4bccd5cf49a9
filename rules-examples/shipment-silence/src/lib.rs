//! Tells dispatch when a tracker falls silent, what it last said, and when it is back.

use pointsman_sdk::patterns::CoolDown;
use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    weak_battery: Share,
    again: Span,
    escalate_after: Span,
    notify: String,
    on_call: String,
}

/// Since when it has been silent; present while it is and people know.
const SILENT: Slot<Instant> = Slot::new("silent");
const ESCALATE: &str = "escalate";

struct Silence;

impl Rule for Silence {
    type Settings = Settings;

    fn on_condition(ctx: &Context<Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        let tracker = &condition.device;
        if !condition.began() {
            ctx.cancel_timer(ESCALATE);
            if let Some(since) = SILENT.take(ctx)? {
                let lasted = ctx.now().since(since);
                ctx.propose(
                    Notification::to_group("tracker-back", &ctx.settings.notify)
                        .parameter("tracker", ctx.name_of(tracker))
                        .parameter("minutes", lasted.as_mins())
                        .background()
                        .because(format!("heard again after {lasted}")),
                );
            }
            return Ok(());
        }
        let after = ctx.now() + ctx.settings.escalate_after;
        ctx.propose(Timer::at(ESCALATE, after).overdue(Overdue::Fire));
        // A tracker in a valley comes and goes; people hear of it once in a while.
        if CoolDown::new("told", ctx.settings.again).ready(ctx)? {
            SILENT.set(ctx, &condition.since)?;
            let notification = Self::about(ctx, "tracker-silent", &ctx.settings.notify, tracker);
            ctx.propose(notification.because(format!("nothing heard since {}", condition.since)));
            ctx.propose(Emission::new("shipment-silent").about(tracker));
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<Settings>, event: &Event, tick: &Tick) -> Result<(), Failure> {
        // What the tracker said while the host was down comes first.
        if ctx.postponed(tick, Span::mins(1)) {
            return Ok(());
        }
        let notification = Self::about(ctx, "tracker-silent", &ctx.settings.on_call, &event.key).urgent();
        ctx.propose(notification.because(format!("still silent after another {}", ctx.settings.escalate_after)));
        Ok(())
    }
}

impl Silence {
    /// The template with what the tracker last said. A flat battery explains a silence and is no case for the police.
    fn about(ctx: &Context<Settings>, template: &str, group: &str, tracker: &str) -> Notification {
        let mut notification = Notification::to_group(template, group).parameter("tracker", ctx.name_of(tracker));
        if let Some(known) = ctx.last(tracker, "position") {
            let place = known.value.to_string();
            notification = notification.parameter("place", place).parameter("placed", known.reported.to_string());
        }
        let battery = ctx.number(tracker, "battery");
        if let Some(percent) = battery.filter(|percent| *percent <= ctx.settings.weak_battery.percent()) {
            notification = notification.parameter("battery", percent);
        }
        notification
    }
}

pointsman_sdk::rule!(Silence);
