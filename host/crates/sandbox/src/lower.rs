//! From the engine's vocabulary to the contract's: events on their way into a guest, answers to its questions.
//!
//! An event is lent, not copied: texts stay where they are, and only the lists of records are laid out anew.

use model::event::{Cause, Event, Reading};
use model::guest::{Civil, HistoryProblem, Known, StateProblem, Summary};
use model::{Name, Value};

use crate::bindings::pointsman::rules::{calendar, devices, state, types as wit};

/// Calls `call` with the event as the contract has it.
pub(crate) fn with_event<R>(event: &Event, call: impl FnOnce(wit::Event<'_>) -> R) -> R {
    let attributes = pairs(&event.attributes);
    let finish = |cause| {
        call(wit::Event {
            id: &event.id,
            trigger: &event.trigger,
            key: &event.key,
            occurred_at: event.occurred_at.0,
            received_at: event.received_at.0,
            cause,
            attributes: &attributes,
        })
    };
    match &event.cause {
        Cause::Observation(observation) => {
            let flat: Vec<_> = observation.readings.iter().flat_map(|reading| &reading.attributes).map(pair).collect();
            let mut rest = &flat[..];
            let readings: Vec<_> = observation.readings.iter().map(|r| reading(r, &mut rest)).collect();
            finish(wit::Cause::Observation(wit::Observation {
                device: &observation.device,
                role: observation.role.as_deref(),
                freshness: freshness(observation.freshness),
                readings: &readings,
                attributes: &pairs(&observation.attributes),
            }))
        }
        Cause::Condition(condition) => finish(wit::Cause::Condition(wit::Condition {
            phase: match condition.phase {
                model::Phase::Began => wit::Phase::Began,
                model::Phase::Ended => wit::Phase::Ended,
            },
            device: &condition.device,
            role: condition.role.as_deref(),
            capability: condition.capability.map(|capability| capability.name()),
            value: condition.value.as_ref().map(value),
            since: condition.since.0,
            deadline: condition.deadline.map(|at| at.0),
            attributes: &pairs(&condition.attributes),
        })),
        Cause::Timer(tick) => finish(wit::Cause::Timer(self::tick(tick, &pairs(&tick.attributes)))),
        Cause::Schedule(tick) => finish(wit::Cause::Schedule(self::tick(tick, &pairs(&tick.attributes)))),
        Cause::Completion(completion) => finish(wit::Cause::Completion(wit::Completion {
            tag: completion.tag.as_deref(),
            effect: &completion.effect,
            target: completion.target.as_ref().map(target),
            outcome: outcome(&completion.outcome),
            reason: completion.reason.as_deref(),
            attributes: &pairs(&completion.attributes),
        })),
        Cause::Message(message) => finish(wit::Cause::Message(wit::MessageParam {
            topic: &message.topic,
            payload: &message.payload,
            content_type: message.content_type.as_deref(),
            retained: message.retained,
            attributes: &pairs(&message.attributes),
        })),
        Cause::Custom(custom) => {
            finish(wit::Cause::Custom(wit::CustomParam { name: &custom.name, attributes: &pairs(&custom.attributes) }))
        }
    }
}

/// Takes this reading's attributes off the front of `rest`.
fn reading<'a>(reading: &'a Reading, rest: &mut &'a [(&'a str, wit::ValueParam<'a>)]) -> wit::Reading<'a> {
    let (attributes, others) = rest.split_at(reading.attributes.len());
    *rest = others;
    wit::Reading {
        capability: reading.capability.name(),
        value: value(&reading.value),
        unit: reading.unit.as_deref(),
        previous: reading.previous.as_ref().map(value),
        quality: quality(reading.quality),
        attributes,
    }
}

fn tick<'a>(tick: &'a model::event::Tick, attributes: wit::AttributesParam<'a>) -> wit::Tick<'a> {
    wit::Tick {
        name: &tick.name,
        due: tick.due.0,
        missed: tick.missed,
        payload: tick.payload.as_ref().map(value),
        attributes,
    }
}

fn pairs(attributes: &[(Name, Value)]) -> Vec<(&str, wit::ValueParam<'_>)> {
    attributes.iter().map(pair).collect()
}

fn pair((name, value): &(Name, Value)) -> (&str, wit::ValueParam<'_>) {
    (name, self::value(value))
}

fn value(value: &Value) -> wit::ValueParam<'_> {
    match value {
        Value::Boolean(yes) => wit::ValueParam::Boolean(*yes),
        Value::Integer(integer) => wit::ValueParam::Integer(*integer),
        Value::Number(number) => wit::ValueParam::Number(*number),
        Value::Text(text) => wit::ValueParam::Text(text),
        Value::Bytes(bytes) => wit::ValueParam::Bytes(bytes),
        Value::Position(position) => wit::ValueParam::Position(self::position(*position)),
        Value::Json(text) => wit::ValueParam::Json(text),
    }
}

/// A value as an answer, which the generated types own.
pub(crate) fn owned(value: Value) -> wit::ValueResult {
    match value {
        Value::Boolean(yes) => wit::ValueResult::Boolean(yes),
        Value::Integer(integer) => wit::ValueResult::Integer(integer),
        Value::Number(number) => wit::ValueResult::Number(number),
        Value::Text(text) => wit::ValueResult::Text(text.as_ref().to_owned()),
        Value::Bytes(bytes) => wit::ValueResult::Bytes(bytes.into_vec()),
        Value::Position(position) => wit::ValueResult::Position(self::position(position)),
        Value::Json(text) => wit::ValueResult::Json(text.as_ref().to_owned()),
    }
}

pub(crate) fn owned_pairs(attributes: model::Attributes) -> wit::AttributesResult {
    attributes.into_iter().map(|(name, value)| (name.as_ref().to_owned(), owned(value))).collect()
}

fn position(position: model::value::Position) -> wit::Position {
    wit::Position { latitude: position.latitude, longitude: position.longitude, accuracy: position.accuracy }
}

fn quality(quality: model::Quality) -> wit::Quality {
    match quality {
        model::Quality::Good => wit::Quality::Good,
        model::Quality::Uncertain => wit::Quality::Uncertain,
        model::Quality::Bad => wit::Quality::Bad,
    }
}

fn freshness(freshness: model::Freshness) -> wit::Freshness {
    match freshness {
        model::Freshness::Live => wit::Freshness::Live,
        model::Freshness::Snapshot => wit::Freshness::Snapshot,
        model::Freshness::Late => wit::Freshness::Late,
    }
}

fn outcome(outcome: &model::event::Outcome) -> wit::Outcome<'_> {
    use model::event::Outcome;
    match outcome {
        Outcome::Accepted => wit::Outcome::Accepted,
        Outcome::Confirmed => wit::Outcome::Confirmed,
        Outcome::Delivered => wit::Outcome::Delivered,
        Outcome::Refused => wit::Outcome::Refused,
        Outcome::Expired => wit::Outcome::Expired,
        Outcome::Superseded => wit::Outcome::Superseded,
        Outcome::Failed => wit::Outcome::Failed,
        Outcome::Other(word) => wit::Outcome::Other(word),
    }
}

fn target(target: &model::effect::Target) -> wit::TargetParam<'_> {
    match target {
        model::effect::Target::Role(role) => wit::TargetParam::Role(role),
        model::effect::Target::Device(device) => wit::TargetParam::Device(device),
    }
}

pub(crate) fn known(known: Known) -> devices::Known {
    devices::Known {
        value: owned(known.value),
        unit: known.unit.map(|unit| unit.as_ref().to_owned()),
        desired: known.desired.map(owned),
        since: known.since.0,
        reported: known.reported.0,
        quality: quality(known.quality),
        freshness: freshness(known.freshness),
        attributes: owned_pairs(known.attributes),
    }
}

pub(crate) fn summary(summary: &Summary) -> devices::Summary {
    devices::Summary {
        count: summary.count,
        first: summary.first,
        last: summary.last,
        min: summary.min,
        max: summary.max,
        mean: summary.mean,
        time_mean: summary.time_mean,
        attributes: Vec::new(),
    }
}

pub(crate) fn history_problem(problem: HistoryProblem) -> devices::HistoryProblem {
    match problem {
        HistoryProblem::NotDeclared => devices::HistoryProblem::NotDeclared,
        HistoryProblem::NotNumeric => devices::HistoryProblem::NotNumeric,
    }
}

pub(crate) fn state_problem(problem: StateProblem) -> state::Problem {
    match problem {
        StateProblem::TooLarge => state::Problem::TooLarge,
        StateProblem::OverQuota => state::Problem::OverQuota,
    }
}

pub(crate) fn civil(civil: Civil) -> calendar::Civil {
    calendar::Civil {
        year: civil.year,
        month: civil.month,
        day: civil.day,
        hour: civil.hour,
        minute: civil.minute,
        second: civil.second,
        weekday: civil.weekday,
        offset_minutes: civil.offset_minutes,
    }
}
