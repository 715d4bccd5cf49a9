//! From the SDK's types to the bindings', by moving.

use super::bindings::types as wit;
use crate::effect::{
    Audience, Check, Command, Comparison, Effect, Emission, Notification, Overdue, Proposal, Publication, Target,
    Timer, Urgency,
};
use crate::failure::Failure;
use crate::time::Instant;
use crate::value::{Attributes, Value};

pub(super) fn failure(failure: Failure) -> wit::Failure {
    match failure {
        Failure::Configuration(message) => wit::Failure::Configuration(message),
        Failure::Transient(message) => wit::Failure::Transient(message),
        Failure::Permanent(message) => wit::Failure::Permanent(message),
    }
}

pub(super) fn proposal(proposal: Proposal) -> wit::Proposal {
    wit::Proposal {
        effect: effect(proposal.effect),
        tag: proposal.tag,
        because: proposal.because,
        attributes: attributes(proposal.attributes),
    }
}

fn effect(effect: Effect) -> wit::Effect {
    match effect {
        Effect::Command(it) => wit::Effect::Command(command(it)),
        Effect::Relinquish(it) => {
            wit::Effect::Relinquish(wit::Relinquishment { target: target(it.target), capability: it.capability })
        }
        Effect::Notification(it) => wit::Effect::Notification(notification(it)),
        Effect::SetTimer(it) => wit::Effect::SetTimer(timer(it)),
        Effect::CancelTimer(name) => wit::Effect::CancelTimer(name),
        Effect::Cancel(tag) => wit::Effect::Cancel(tag),
        Effect::Publish(it) => wit::Effect::Publish(publication(it)),
        Effect::Emit(it) => wit::Effect::Emit(emission(it)),
        Effect::Other(it) => wit::Effect::Other(wit::Custom { name: it.name, attributes: attributes(it.attributes) }),
    }
}

fn command(it: Command) -> wit::Command {
    wit::Command {
        target: target(it.target),
        action: it.action,
        arguments: attributes(it.arguments),
        priority: it.priority,
        hold: it.hold.map(|span| span.0),
        expires_at: it.expires_at.map(instant),
        only_if: it.only_if.into_iter().map(check).collect(),
        attributes: attributes(it.attributes),
    }
}

fn target(target: Target) -> wit::Target {
    match target {
        Target::Role(role) => wit::Target::Role(role),
        Target::Device(device) => wit::Target::Device(device),
    }
}

fn check(it: Check) -> wit::Check {
    wit::Check {
        capability: it.capability,
        comparison: match it.comparison {
            Comparison::Equal => wit::Comparison::Equal,
            Comparison::NotEqual => wit::Comparison::NotEqual,
            Comparison::Less => wit::Comparison::Less,
            Comparison::AtMost => wit::Comparison::AtMost,
            Comparison::Greater => wit::Comparison::Greater,
            Comparison::AtLeast => wit::Comparison::AtLeast,
        },
        value: value(it.value),
    }
}

fn notification(it: Notification) -> wit::Notification {
    wit::Notification {
        template: it.template,
        to: match it.to {
            Audience::Subject(subject) => wit::Audience::Subject(subject),
            Audience::OwnerOf(device) => wit::Audience::OwnerOf(device),
            Audience::Segment(segment) => wit::Audience::Segment(segment),
            Audience::Group(group) => wit::Audience::Group(group),
            Audience::Other(other) => wit::Audience::Other(other),
        },
        parameters: attributes(it.parameters),
        urgency: match it.urgency {
            Urgency::Background => wit::Urgency::Background,
            Urgency::Normal => wit::Urgency::Normal,
            Urgency::Urgent => wit::Urgency::Urgent,
        },
        dedupe: it.dedupe,
        not_before: it.not_before.map(instant),
        expires_at: it.expires_at.map(instant),
        attributes: attributes(it.attributes),
    }
}

fn timer(it: Timer) -> wit::Timer {
    wit::Timer {
        name: it.name,
        due: it.due.0,
        overdue: match it.overdue {
            Overdue::Fire => wit::Overdue::Fire,
            Overdue::FireWithin(span) => wit::Overdue::FireWithin(span.0),
            Overdue::Skip => wit::Overdue::Skip,
        },
        payload: it.payload.map(value),
        attributes: attributes(it.attributes),
    }
}

fn publication(it: Publication) -> wit::Message {
    wit::Message {
        topic: it.topic,
        payload: it.payload,
        content_type: it.content_type,
        retained: it.retained,
        attributes: Vec::new(),
    }
}

fn emission(it: Emission) -> wit::Emission {
    wit::Emission { name: it.name, key: it.key, device: it.device, attributes: attributes(it.attributes) }
}

fn instant(instant: Instant) -> i64 {
    instant.0
}

pub(super) fn value(value: Value) -> wit::Value {
    match value {
        Value::Boolean(yes) => wit::Value::Boolean(yes),
        Value::Integer(integer) => wit::Value::Integer(integer),
        Value::Number(number) => wit::Value::Number(number),
        Value::Text(text) => wit::Value::Text(text),
        Value::Bytes(bytes) => wit::Value::Bytes(bytes),
        Value::Position(it) => wit::Value::Position(wit::Position {
            latitude: it.latitude,
            longitude: it.longitude,
            accuracy: it.accuracy,
        }),
        Value::Json(text) => wit::Value::Json(text),
    }
}

pub(super) fn attributes(attributes: Attributes) -> wit::Attributes {
    attributes.into_iter().map(|(name, it)| (name, value(it))).collect()
}
