//! From a component's types to the engine's: what a guest hands over, once [`model::border`] lets it pass.

use model::effect::{
    Audience, Check, Command, Comparison, Emission, Notification, Overdue, Relinquishment, Target, Timer, Urgency,
};
use model::event::{Custom, Message};
use model::value::Position;
use model::{Attributes, Effect, Instant, Name, Proposal, Span, Value, border};

use crate::bindings::pointsman::rules::types as wit;
use crate::stop::Refused;

/// All proposals of one answer.
pub(crate) fn proposals(answer: Vec<wit::Proposal>, effects_max: usize) -> Result<Vec<Proposal>, Refused> {
    border::proposals(answer.into_iter().map(proposal), effects_max).map_err(Refused::Output)
}

/// One value that a guest hands over outside of an answer.
pub(crate) fn value(what: &str, value: wit::ValueResult) -> Result<Value, Refused> {
    border::value(what, plain(value)).map_err(Refused::Output)
}

/// Fields of a log line.
pub(crate) fn fields(fields: wit::AttributesResult) -> Attributes {
    border::fields(attributes(fields))
}

pub(crate) fn instant(what: &str, at: i64) -> Result<Instant, Refused> {
    border::instant(what, Instant(at)).map_err(Refused::Output)
}

fn proposal(proposal: wit::Proposal) -> Proposal {
    Proposal {
        effect: effect(proposal.effect),
        tag: proposal.tag.map(Name::from),
        because: proposal.because.map(Name::from),
        attributes: attributes(proposal.attributes),
    }
}

fn effect(effect: wit::Effect) -> Effect {
    match effect {
        wit::Effect::Command(it) => Effect::Command(command(it)),
        wit::Effect::Relinquish(it) => {
            Effect::Relinquish(Relinquishment { target: target(it.target), capability: Name::from(it.capability) })
        }
        wit::Effect::Notification(it) => Effect::Notification(notification(it)),
        wit::Effect::SetTimer(it) => Effect::SetTimer(timer(it)),
        wit::Effect::CancelTimer(name) => Effect::CancelTimer(Name::from(name)),
        wit::Effect::Cancel(tag) => Effect::Cancel(Name::from(tag)),
        wit::Effect::Publish(it) => Effect::Publish(message(it)),
        wit::Effect::Emit(it) => Effect::Emit(Emission {
            name: Name::from(it.name),
            key: it.key.map(Name::from),
            device: it.device.map(Name::from),
            attributes: attributes(it.attributes),
        }),
        wit::Effect::Other(it) => {
            Effect::Other(Custom { name: Name::from(it.name), attributes: attributes(it.attributes) })
        }
    }
}

fn command(command: wit::Command) -> Command {
    Command {
        target: target(command.target),
        action: Name::from(command.action),
        arguments: attributes(command.arguments),
        priority: command.priority,
        hold: command.hold.map(Span),
        expires_at: command.expires_at.map(Instant),
        only_if: command.only_if.into_iter().map(check).collect(),
        attributes: attributes(command.attributes),
    }
}

fn check(check: wit::Check) -> Check {
    Check {
        capability: Name::from(check.capability),
        comparison: match check.comparison {
            wit::Comparison::Equal => Comparison::Equal,
            wit::Comparison::NotEqual => Comparison::NotEqual,
            wit::Comparison::Less => Comparison::Less,
            wit::Comparison::AtMost => Comparison::AtMost,
            wit::Comparison::Greater => Comparison::Greater,
            wit::Comparison::AtLeast => Comparison::AtLeast,
        },
        value: plain(check.value),
    }
}

fn target(target: wit::TargetResult) -> Target {
    match target {
        wit::TargetResult::Role(role) => Target::Role(Name::from(role)),
        wit::TargetResult::Device(device) => Target::Device(Name::from(device)),
    }
}

fn notification(notification: wit::Notification) -> Notification {
    Notification {
        template: Name::from(notification.template),
        to: match notification.to {
            wit::Audience::Subject(subject) => Audience::Subject(Name::from(subject)),
            wit::Audience::OwnerOf(device) => Audience::OwnerOf(Name::from(device)),
            wit::Audience::Segment(segment) => Audience::Segment(Name::from(segment)),
            wit::Audience::Group(group) => Audience::Group(Name::from(group)),
            wit::Audience::Other(other) => Audience::Other(Name::from(other)),
        },
        parameters: attributes(notification.parameters),
        urgency: match notification.urgency {
            wit::Urgency::Background => Urgency::Background,
            wit::Urgency::Normal => Urgency::Normal,
            wit::Urgency::Urgent => Urgency::Urgent,
        },
        dedupe: notification.dedupe.map(Name::from),
        not_before: notification.not_before.map(Instant),
        expires_at: notification.expires_at.map(Instant),
        attributes: attributes(notification.attributes),
    }
}

fn timer(timer: wit::Timer) -> Timer {
    Timer {
        name: Name::from(timer.name),
        due: Instant(timer.due),
        overdue: match timer.overdue {
            wit::Overdue::Fire => Overdue::Fire,
            wit::Overdue::FireWithin(span) => Overdue::FireWithin(Span(span)),
            wit::Overdue::Skip => Overdue::Skip,
        },
        payload: timer.payload.map(plain),
        attributes: attributes(timer.attributes),
    }
}

fn message(message: wit::MessageResult) -> Message {
    Message {
        topic: Name::from(message.topic),
        payload: message.payload.into(),
        content_type: message.content_type.map(Name::from),
        retained: message.retained,
        attributes: attributes(message.attributes),
    }
}

fn attributes(attributes: wit::AttributesResult) -> Attributes {
    attributes.into_iter().map(|(name, value)| (Name::from(name), plain(value))).collect()
}

fn plain(value: wit::ValueResult) -> Value {
    match value {
        wit::ValueResult::Boolean(yes) => Value::Boolean(yes),
        wit::ValueResult::Integer(integer) => Value::Integer(integer),
        wit::ValueResult::Number(number) => Value::Number(number),
        wit::ValueResult::Text(text) => Value::Text(Name::from(text)),
        wit::ValueResult::Bytes(bytes) => Value::Bytes(bytes.into()),
        wit::ValueResult::Position(p) => {
            Value::Position(Position { latitude: p.latitude, longitude: p.longitude, accuracy: p.accuracy })
        }
        wit::ValueResult::Json(text) => Value::Json(Name::from(text)),
    }
}

#[cfg(test)]
mod tests;
