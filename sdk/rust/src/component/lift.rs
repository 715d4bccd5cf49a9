//! From the bindings' types to the SDK's, by moving.

use super::bindings::types as wit;
use crate::effect::Target;
use crate::event::{
    Cause, Completion, Condition, Custom, Event, Freshness, Message, Observation, Outcome, Phase, Quality, Reading,
    Tick,
};
use crate::time::Instant;
use crate::value::{Attributes, Position, Value};

pub(super) fn event(event: wit::Event) -> Event {
    Event {
        id: event.id,
        trigger: event.trigger,
        key: event.key,
        occurred_at: Instant(event.occurred_at),
        received_at: Instant(event.received_at),
        cause: cause(event.cause),
        attributes: attributes(event.attributes),
    }
}

fn cause(cause: wit::Cause) -> Cause {
    match cause {
        wit::Cause::Observation(it) => Cause::Observation(Observation {
            device: it.device,
            role: it.role,
            freshness: freshness(it.freshness),
            readings: it.readings.into_iter().map(reading).collect(),
            attributes: attributes(it.attributes),
        }),
        wit::Cause::Condition(it) => Cause::Condition(condition(it)),
        wit::Cause::Timer(it) => Cause::Timer(tick(it)),
        wit::Cause::Schedule(it) => Cause::Schedule(tick(it)),
        wit::Cause::Completion(it) => Cause::Completion(completion(it)),
        wit::Cause::Message(it) => Cause::Message(Message {
            topic: it.topic,
            payload: it.payload,
            content_type: it.content_type,
            retained: it.retained,
            attributes: attributes(it.attributes),
        }),
        wit::Cause::Custom(it) => Cause::Custom(Custom { name: it.name, attributes: attributes(it.attributes) }),
    }
}

fn reading(it: wit::Reading) -> Reading {
    Reading {
        capability: it.capability,
        value: value(it.value),
        unit: it.unit,
        previous: it.previous.map(value),
        quality: quality(it.quality),
        attributes: attributes(it.attributes),
    }
}

fn condition(it: wit::Condition) -> Condition {
    Condition {
        phase: match it.phase {
            wit::Phase::Began => Phase::Began,
            wit::Phase::Ended => Phase::Ended,
        },
        device: it.device,
        role: it.role,
        capability: it.capability,
        value: it.value.map(value),
        since: Instant(it.since),
        deadline: it.deadline.map(Instant),
        attributes: attributes(it.attributes),
    }
}

fn tick(it: wit::Tick) -> Tick {
    Tick {
        name: it.name,
        due: Instant(it.due),
        missed: it.missed,
        payload: it.payload.map(value),
        attributes: attributes(it.attributes),
    }
}

fn completion(it: wit::Completion) -> Completion {
    Completion {
        tag: it.tag,
        effect: it.effect,
        target: it.target.map(|target| match target {
            wit::Target::Role(role) => Target::Role(role),
            wit::Target::Device(device) => Target::Device(device),
        }),
        outcome: match it.outcome {
            wit::Outcome::Accepted => Outcome::Accepted,
            wit::Outcome::Confirmed => Outcome::Confirmed,
            wit::Outcome::Delivered => Outcome::Delivered,
            wit::Outcome::Refused => Outcome::Refused,
            wit::Outcome::Expired => Outcome::Expired,
            wit::Outcome::Superseded => Outcome::Superseded,
            wit::Outcome::Failed => Outcome::Failed,
            wit::Outcome::Other(word) => Outcome::Other(word),
        },
        reason: it.reason,
        attributes: attributes(it.attributes),
    }
}

pub(super) fn value(value: wit::Value) -> Value {
    match value {
        wit::Value::Boolean(yes) => Value::Boolean(yes),
        wit::Value::Integer(integer) => Value::Integer(integer),
        wit::Value::Number(number) => Value::Number(number),
        wit::Value::Text(text) => Value::Text(text),
        wit::Value::Bytes(bytes) => Value::Bytes(bytes),
        wit::Value::Position(it) => {
            Value::Position(Position { latitude: it.latitude, longitude: it.longitude, accuracy: it.accuracy })
        }
        wit::Value::Json(text) => Value::Json(text),
    }
}

pub(super) fn attributes(attributes: wit::Attributes) -> Attributes {
    attributes.into_iter().map(|(name, it)| (name, value(it))).collect()
}

pub(super) fn quality(quality: wit::Quality) -> Quality {
    match quality {
        wit::Quality::Good => Quality::Good,
        wit::Quality::Uncertain => Quality::Uncertain,
        wit::Quality::Bad => Quality::Bad,
    }
}

pub(super) fn freshness(freshness: wit::Freshness) -> Freshness {
    match freshness {
        wit::Freshness::Live => Freshness::Live,
        wit::Freshness::Snapshot => Freshness::Snapshot,
        wit::Freshness::Late => Freshness::Late,
    }
}
