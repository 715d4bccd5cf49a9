//! From the engine's vocabulary to the SDK's: events and answers, as a component's bindings would give them.

use model::event;
use pointsman_sdk::Instant;
use pointsman_sdk::effect::Target;
use pointsman_sdk::event::{
    Cause, Completion, Condition, Custom, Event, Freshness, Message, Observation, Outcome, Phase, Quality, Reading,
    Tick,
};
use pointsman_sdk::host::{Known, Summary};
use pointsman_sdk::value::{Attributes, Position, Value};

pub(crate) fn event(event: &model::Event) -> Event {
    Event {
        id: event.id.to_string(),
        trigger: event.trigger.to_string(),
        key: event.key.to_string(),
        occurred_at: instant(event.occurred_at),
        received_at: instant(event.received_at),
        cause: cause(&event.cause),
        attributes: attributes(&event.attributes),
    }
}

fn cause(cause: &event::Cause) -> Cause {
    match cause {
        event::Cause::Observation(it) => Cause::Observation(Observation {
            device: it.device.to_string(),
            role: it.role.as_deref().map(str::to_owned),
            freshness: freshness(it.freshness),
            readings: it.readings.iter().map(reading).collect(),
            attributes: attributes(&it.attributes),
        }),
        event::Cause::Condition(it) => Cause::Condition(condition(it)),
        event::Cause::Timer(it) => Cause::Timer(tick(it)),
        event::Cause::Schedule(it) => Cause::Schedule(tick(it)),
        event::Cause::Completion(it) => Cause::Completion(completion(it)),
        event::Cause::Message(it) => Cause::Message(Message {
            topic: it.topic.to_string(),
            payload: it.payload.to_vec(),
            content_type: it.content_type.as_deref().map(str::to_owned),
            retained: it.retained,
            attributes: attributes(&it.attributes),
        }),
        event::Cause::Custom(it) => {
            Cause::Custom(Custom { name: it.name.to_string(), attributes: attributes(&it.attributes) })
        }
    }
}

fn reading(it: &event::Reading) -> Reading {
    Reading {
        capability: it.capability.name().to_owned(),
        value: value(&it.value),
        unit: it.unit.as_deref().map(str::to_owned),
        previous: it.previous.as_ref().map(value),
        quality: quality(it.quality),
        attributes: attributes(&it.attributes),
    }
}

fn condition(it: &event::Condition) -> Condition {
    Condition {
        phase: match it.phase {
            event::Phase::Began => Phase::Began,
            event::Phase::Ended => Phase::Ended,
        },
        device: it.device.to_string(),
        role: it.role.as_deref().map(str::to_owned),
        capability: it.capability.map(|capability| capability.name().to_owned()),
        value: it.value.as_ref().map(value),
        since: instant(it.since),
        deadline: it.deadline.map(instant),
        attributes: attributes(&it.attributes),
    }
}

fn tick(it: &event::Tick) -> Tick {
    Tick {
        name: it.name.to_string(),
        due: instant(it.due),
        missed: it.missed,
        payload: it.payload.as_ref().map(value),
        attributes: attributes(&it.attributes),
    }
}

fn completion(it: &event::Completion) -> Completion {
    Completion {
        tag: it.tag.as_deref().map(str::to_owned),
        effect: it.effect.to_string(),
        target: it.target.as_ref().map(|target| match target {
            model::effect::Target::Role(role) => Target::Role(role.to_string()),
            model::effect::Target::Device(device) => Target::Device(device.to_string()),
        }),
        outcome: match &it.outcome {
            event::Outcome::Accepted => Outcome::Accepted,
            event::Outcome::Confirmed => Outcome::Confirmed,
            event::Outcome::Delivered => Outcome::Delivered,
            event::Outcome::Refused => Outcome::Refused,
            event::Outcome::Expired => Outcome::Expired,
            event::Outcome::Superseded => Outcome::Superseded,
            event::Outcome::Failed => Outcome::Failed,
            event::Outcome::Other(word) => Outcome::Other(word.to_string()),
        },
        reason: it.reason.as_deref().map(str::to_owned),
        attributes: attributes(&it.attributes),
    }
}

pub(crate) fn known(known: model::guest::Known) -> Known {
    Known {
        value: value(&known.value),
        unit: known.unit.as_deref().map(str::to_owned),
        desired: known.desired.as_ref().map(value),
        since: instant(known.since),
        reported: instant(known.reported),
        quality: quality(known.quality),
        freshness: freshness(known.freshness),
        attributes: attributes(&known.attributes),
    }
}

pub(crate) fn summary(summary: &model::guest::Summary) -> Summary {
    Summary {
        count: summary.count,
        first: summary.first,
        last: summary.last,
        min: summary.min,
        max: summary.max,
        mean: summary.mean,
        time_mean: summary.time_mean,
        attributes: Attributes::new(),
    }
}

pub(crate) fn value(value: &model::Value) -> Value {
    match value {
        model::Value::Boolean(yes) => Value::Boolean(*yes),
        model::Value::Integer(integer) => Value::Integer(*integer),
        model::Value::Number(number) => Value::Number(*number),
        model::Value::Text(text) => Value::Text(text.to_string()),
        model::Value::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        model::Value::Position(it) => {
            Value::Position(Position { latitude: it.latitude, longitude: it.longitude, accuracy: it.accuracy })
        }
        model::Value::Json(text) => Value::Json(text.to_string()),
    }
}

pub(crate) fn attributes(attributes: &[(model::Name, model::Value)]) -> Attributes {
    attributes.iter().map(|(name, it)| (name.to_string(), value(it))).collect()
}

fn quality(quality: event::Quality) -> Quality {
    match quality {
        event::Quality::Good => Quality::Good,
        event::Quality::Uncertain => Quality::Uncertain,
        event::Quality::Bad => Quality::Bad,
    }
}

fn freshness(freshness: event::Freshness) -> Freshness {
    match freshness {
        event::Freshness::Live => Freshness::Live,
        event::Freshness::Snapshot => Freshness::Snapshot,
        event::Freshness::Late => Freshness::Late,
    }
}

fn instant(instant: model::Instant) -> Instant {
    Instant(instant.0)
}
