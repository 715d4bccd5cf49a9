//! Decisions in words.

use model::effect::{Audience, Target};
use model::value::plain;
use model::{Attributes, Decision, Effect};

/// What was decided on, in a few words.
pub(super) fn what(decision: &Decision) -> String {
    let Some(record) = &decision.effect else {
        let cause = &decision.cause;
        let phase = cause.phase.map(|phase| format!(" {}", phase.word())).unwrap_or_default();
        return format!("looked at {}{phase}", cause.name);
    };
    match &record.effect {
        Effect::Command(command) => {
            let device = record.member.as_deref().unwrap_or_else(|| target(&command.target));
            format!("{device}: {}{}", command.action, parameters(&command.arguments))
        }
        Effect::Relinquish(relinquishment) => {
            format!("lets go of {} of {}", relinquishment.capability, target(&relinquishment.target))
        }
        Effect::Notification(notification) => {
            format!("tells {}: {}", audience(&notification.to), notification.template)
        }
        Effect::SetTimer(timer) => format!("timer {} at {}", timer.name, timer.due),
        Effect::CancelTimer(name) => format!("no more timer {name}"),
        Effect::Cancel(tag) => format!("withdraws {tag}"),
        Effect::Publish(message) => format!("publishes on {}", message.topic),
        Effect::Emit(emission) => format!("emits {}{}", emission.name, parameters(&emission.attributes)),
        Effect::Other(custom) => format!("{}{}", custom.name, parameters(&custom.attributes)),
    }
}

fn target(target: &Target) -> &str {
    match target {
        Target::Role(name) | Target::Device(name) => name,
    }
}

fn audience(audience: &Audience) -> String {
    match audience {
        Audience::OwnerOf(name) => format!("the owner of {name}"),
        Audience::Subject(name) | Audience::Segment(name) | Audience::Group(name) | Audience::Other(name) => {
            name.to_string()
        }
    }
}

fn parameters(attributes: &Attributes) -> String {
    let parameters = plain::object(attributes);
    parameters.iter().map(|(name, value)| format!(" {name}={}", short(value))).collect()
}

/// Numbers with two decimals at most: this is to be read, not to be computed with.
fn short(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            format!("{}", (number * 100.0).round() / 100.0)
        }
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
