//! From the SDK's vocabulary to the engine's: proposals, or the reason why the border of the sandbox would not let them
//! pass. The engine does not look again, so what is no sound value must not get there.

use model::effect::{self, Effect};
use model::event::{Custom, Message};
use model::{Attributes, Instant, Name, Span, Value, limits};
use pointsman_sdk::effect as sdk;
use pointsman_sdk::value as given;

/// Why something may not pass, naming the field.
type Crossing<T> = Result<T, String>;

/// All proposals of one event.
pub(crate) fn proposals(proposals: Vec<sdk::Proposal>, effects_max: usize) -> Crossing<Vec<model::Proposal>> {
    if proposals.len() > effects_max {
        return Err(format!("{} effects from one event, at most {effects_max}", proposals.len()));
    }
    let lower = |(index, it)| proposal(it).map_err(|why| format!("effect {}: {why}", index + 1));
    proposals.into_iter().enumerate().map(lower).collect()
}

fn proposal(it: sdk::Proposal) -> Crossing<model::Proposal> {
    Ok(model::Proposal {
        effect: effect(it.effect)?,
        tag: optional_name("tag", it.tag)?,
        because: it.because.map(Name::from),
        attributes: attributes("attributes", it.attributes)?,
    })
}

fn effect(it: sdk::Effect) -> Crossing<Effect> {
    Ok(match it {
        sdk::Effect::Command(it) => Effect::Command(command(it)?),
        sdk::Effect::Relinquish(it) => Effect::Relinquish(effect::Relinquishment {
            target: target(it.target)?,
            capability: name("capability", it.capability)?,
        }),
        sdk::Effect::Notification(it) => Effect::Notification(notification(it)?),
        sdk::Effect::SetTimer(it) => Effect::SetTimer(timer(it)?),
        sdk::Effect::CancelTimer(it) => Effect::CancelTimer(name("timer", it)?),
        sdk::Effect::Cancel(it) => Effect::Cancel(name("tag", it)?),
        sdk::Effect::Publish(it) => Effect::Publish(Message {
            topic: Name::from(it.topic),
            payload: it.payload.into(),
            content_type: optional_name("content-type", it.content_type)?,
            retained: it.retained,
            attributes: Attributes::new(),
        }),
        sdk::Effect::Emit(it) => Effect::Emit(effect::Emission {
            name: name("name", it.name)?,
            key: optional_name("key", it.key)?,
            device: optional_name("device", it.device)?,
            attributes: attributes("attributes", it.attributes)?,
        }),
        sdk::Effect::Other(it) => {
            Effect::Other(Custom { name: name("name", it.name)?, attributes: attributes("attributes", it.attributes)? })
        }
    })
}

fn command(it: sdk::Command) -> Crossing<effect::Command> {
    if let Some(priority) = it.priority.filter(|priority| !(1..=16).contains(priority)) {
        return Err(format!("`priority` is {priority}, expected 1 to 16"));
    }
    Ok(effect::Command {
        target: target(it.target)?,
        action: name("action", it.action)?,
        arguments: attributes("arguments", it.arguments)?,
        priority: it.priority,
        hold: it.hold.map(|span| Span(span.0)),
        expires_at: optional_instant("expires-at", it.expires_at)?,
        only_if: it.only_if.into_iter().map(check).collect::<Crossing<_>>()?,
        attributes: attributes("attributes", it.attributes)?,
    })
}

fn check(it: sdk::Check) -> Crossing<effect::Check> {
    Ok(effect::Check {
        capability: name("only-if", it.capability)?,
        comparison: match it.comparison {
            sdk::Comparison::Equal => effect::Comparison::Equal,
            sdk::Comparison::NotEqual => effect::Comparison::NotEqual,
            sdk::Comparison::Less => effect::Comparison::Less,
            sdk::Comparison::AtMost => effect::Comparison::AtMost,
            sdk::Comparison::Greater => effect::Comparison::Greater,
            sdk::Comparison::AtLeast => effect::Comparison::AtLeast,
        },
        value: value("only-if", it.value)?,
    })
}

fn target(it: sdk::Target) -> Crossing<effect::Target> {
    Ok(match it {
        sdk::Target::Role(role) => effect::Target::Role(name("role", role)?),
        sdk::Target::Device(device) => effect::Target::Device(name("device", device)?),
    })
}

fn notification(it: sdk::Notification) -> Crossing<effect::Notification> {
    Ok(effect::Notification {
        template: name("template", it.template)?,
        to: match it.to {
            sdk::Audience::Subject(it) => effect::Audience::Subject(name("subject", it)?),
            sdk::Audience::OwnerOf(it) => effect::Audience::OwnerOf(name("owner-of", it)?),
            sdk::Audience::Segment(it) => effect::Audience::Segment(name("segment", it)?),
            sdk::Audience::Group(it) => effect::Audience::Group(name("group", it)?),
            sdk::Audience::Other(it) => effect::Audience::Other(name("to", it)?),
        },
        parameters: attributes("parameters", it.parameters)?,
        urgency: match it.urgency {
            sdk::Urgency::Background => effect::Urgency::Background,
            sdk::Urgency::Normal => effect::Urgency::Normal,
            sdk::Urgency::Urgent => effect::Urgency::Urgent,
        },
        dedupe: optional_name("dedupe", it.dedupe)?,
        not_before: optional_instant("not-before", it.not_before)?,
        expires_at: optional_instant("expires-at", it.expires_at)?,
        attributes: attributes("attributes", it.attributes)?,
    })
}

fn timer(it: sdk::Timer) -> Crossing<effect::Timer> {
    Ok(effect::Timer {
        name: name("timer", it.name)?,
        due: instant("due", it.due)?,
        overdue: match it.overdue {
            sdk::Overdue::Fire => effect::Overdue::Fire,
            sdk::Overdue::FireWithin(span) => effect::Overdue::FireWithin(Span(span.0)),
            sdk::Overdue::Skip => effect::Overdue::Skip,
        },
        payload: it.payload.map(|payload| value("payload", payload)).transpose()?,
        attributes: attributes("attributes", it.attributes)?,
    })
}

fn attributes(what: &str, given: given::Attributes) -> Crossing<Attributes> {
    let lower = |(label, it): (String, given::Value)| {
        let label = name(what, label)?;
        let it = value(&label, it).map_err(|why| format!("{what}: {why}"))?;
        Ok((label, it))
    };
    given.into_iter().map(lower).collect()
}

fn value(what: &str, given: given::Value) -> Crossing<Value> {
    let value = plain(given);
    if value.is_sound() { Ok(value) } else { Err(format!("`{what}` is {value}, which is no sound value")) }
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

fn optional_name(what: &str, given: Option<String>) -> Crossing<Option<Name>> {
    given.map(|given| name(what, given)).transpose()
}

fn name(what: &str, given: String) -> Crossing<Name> {
    if given.len() > limits::NAME_BYTES {
        return Err(format!("`{what}` has a name of {} bytes, at most {}", given.len(), limits::NAME_BYTES));
    }
    Ok(Name::from(given))
}

fn optional_instant(what: &str, at: Option<pointsman_sdk::Instant>) -> Crossing<Option<Instant>> {
    at.map(|at| instant(what, at)).transpose()
}

fn instant(what: &str, at: pointsman_sdk::Instant) -> Crossing<Instant> {
    let at = Instant(at.0);
    let written = (Instant::MIN..=Instant::MAX).contains(&at);
    if written { Ok(at) } else { Err(format!("`{what}` is {} us since 1970, outside of the years 1 to 9999", at.0)) }
}
