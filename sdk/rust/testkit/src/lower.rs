//! From the SDK's vocabulary to the engine's. What may pass is asked of [`model::border`], as the sandbox does.

use model::effect::{self, Effect};
use model::event::{Custom, Message};
use model::{Attributes, Instant, Name, Span, Value, border};
use pointsman_sdk::effect as sdk;
use pointsman_sdk::value as given;

/// All proposals of one event.
pub(crate) fn proposals(proposals: Vec<sdk::Proposal>, effects_max: usize) -> border::Crossing<Vec<model::Proposal>> {
    border::proposals(proposals.into_iter().map(proposal), effects_max)
}

fn proposal(it: sdk::Proposal) -> model::Proposal {
    model::Proposal {
        effect: effect(it.effect),
        tag: it.tag.map(Name::from),
        because: it.because.map(Name::from),
        attributes: attributes(it.attributes),
    }
}

fn effect(it: sdk::Effect) -> Effect {
    match it {
        sdk::Effect::Command(it) => Effect::Command(command(it)),
        sdk::Effect::Relinquish(it) => Effect::Relinquish(effect::Relinquishment {
            target: target(it.target),
            capability: Name::from(it.capability),
        }),
        sdk::Effect::Notification(it) => Effect::Notification(notification(it)),
        sdk::Effect::SetTimer(it) => Effect::SetTimer(timer(it)),
        sdk::Effect::CancelTimer(it) => Effect::CancelTimer(Name::from(it)),
        sdk::Effect::Cancel(it) => Effect::Cancel(Name::from(it)),
        sdk::Effect::Publish(it) => Effect::Publish(Message {
            topic: Name::from(it.topic),
            payload: it.payload.into(),
            content_type: it.content_type.map(Name::from),
            retained: it.retained,
            attributes: Attributes::new(),
        }),
        sdk::Effect::Emit(it) => Effect::Emit(effect::Emission {
            name: Name::from(it.name),
            key: it.key.map(Name::from),
            device: it.device.map(Name::from),
            attributes: attributes(it.attributes),
        }),
        sdk::Effect::Other(it) => {
            Effect::Other(Custom { name: Name::from(it.name), attributes: attributes(it.attributes) })
        }
    }
}

fn command(it: sdk::Command) -> effect::Command {
    effect::Command {
        target: target(it.target),
        action: Name::from(it.action),
        arguments: attributes(it.arguments),
        priority: it.priority,
        hold: it.hold.map(|span| Span(span.0)),
        expires_at: it.expires_at.map(instant),
        only_if: it.only_if.into_iter().map(check).collect(),
        attributes: attributes(it.attributes),
    }
}

fn check(it: sdk::Check) -> effect::Check {
    effect::Check {
        capability: Name::from(it.capability),
        comparison: match it.comparison {
            sdk::Comparison::Equal => effect::Comparison::Equal,
            sdk::Comparison::NotEqual => effect::Comparison::NotEqual,
            sdk::Comparison::Less => effect::Comparison::Less,
            sdk::Comparison::AtMost => effect::Comparison::AtMost,
            sdk::Comparison::Greater => effect::Comparison::Greater,
            sdk::Comparison::AtLeast => effect::Comparison::AtLeast,
        },
        value: plain(it.value),
    }
}

fn target(it: sdk::Target) -> effect::Target {
    match it {
        sdk::Target::Role(role) => effect::Target::Role(Name::from(role)),
        sdk::Target::Device(device) => effect::Target::Device(Name::from(device)),
    }
}

fn notification(it: sdk::Notification) -> effect::Notification {
    effect::Notification {
        template: Name::from(it.template),
        to: match it.to {
            sdk::Audience::Subject(it) => effect::Audience::Subject(Name::from(it)),
            sdk::Audience::OwnerOf(it) => effect::Audience::OwnerOf(Name::from(it)),
            sdk::Audience::Segment(it) => effect::Audience::Segment(Name::from(it)),
            sdk::Audience::Group(it) => effect::Audience::Group(Name::from(it)),
            sdk::Audience::Other(it) => effect::Audience::Other(Name::from(it)),
        },
        parameters: attributes(it.parameters),
        urgency: match it.urgency {
            sdk::Urgency::Background => effect::Urgency::Background,
            sdk::Urgency::Normal => effect::Urgency::Normal,
            sdk::Urgency::Urgent => effect::Urgency::Urgent,
        },
        dedupe: it.dedupe.map(Name::from),
        not_before: it.not_before.map(instant),
        expires_at: it.expires_at.map(instant),
        attributes: attributes(it.attributes),
    }
}

fn timer(it: sdk::Timer) -> effect::Timer {
    effect::Timer {
        name: Name::from(it.name),
        due: instant(it.due),
        overdue: match it.overdue {
            sdk::Overdue::Fire => effect::Overdue::Fire,
            sdk::Overdue::FireWithin(span) => effect::Overdue::FireWithin(Span(span.0)),
            sdk::Overdue::Skip => effect::Overdue::Skip,
        },
        payload: it.payload.map(plain),
        attributes: attributes(it.attributes),
    }
}

pub(crate) fn attributes(given: given::Attributes) -> Attributes {
    given.into_iter().map(|(name, value)| (Name::from(name), plain(value))).collect()
}

/// A value as it is, sound or not.
pub(crate) fn plain(value: given::Value) -> Value {
    match value {
        given::Value::Boolean(yes) => Value::Boolean(yes),
        given::Value::Integer(integer) => Value::Integer(integer),
        given::Value::Number(number) => Value::Number(number),
        given::Value::Text(text) => Value::Text(Name::from(text)),
        given::Value::Bytes(bytes) => Value::Bytes(bytes.into()),
        given::Value::Position(it) => Value::Position(model::value::Position {
            latitude: it.latitude,
            longitude: it.longitude,
            accuracy: it.accuracy,
        }),
        given::Value::Json(text) => Value::Json(Name::from(text)),
    }
}

fn instant(at: pointsman_sdk::Instant) -> Instant {
    Instant(at.0)
}
