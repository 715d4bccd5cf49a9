//! Events, effects and what a step did, in words for people.

use engine::trace::{Read, Step};
use model::effect::{Audience, Target};
use model::event::{Freshness, Quality, Reading};
use model::input::Body;
use model::{Decision, Effect, Input, Instant, Value, Verdict};
use serde_json::json;

use super::node::Node;

pub(super) fn reading(reading: &Reading) -> String {
    let unit = reading.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let bad = if reading.quality == Quality::Bad { " (bad)" } else { "" };
    format!("{} {}{unit}{bad}", reading.capability, reading.value)
}

/// An observed input. `key` is the device's id, where it has one.
pub(super) fn input(input: &Input, key: Option<&str>, sequence: u64, at: Instant) -> Node {
    let device = key.unwrap_or_default();
    let words = match &input.body {
        Body::Observation { freshness, readings, .. } => {
            let values: Vec<String> = readings.iter().map(reading).collect();
            let fresh = match freshness {
                Freshness::Live => "",
                Freshness::Snapshot => ", a snapshot",
                Freshness::Late => ", late",
            };
            let values = if values.is_empty() { "nothing that is known".to_owned() } else { values.join(", ") };
            format!("{device} reported {values}{fresh}")
        }
        Body::Availability { available: true, .. } => format!("{device} became available"),
        Body::Availability { available: false, .. } => format!("{device} was gone"),
        Body::Message(message) => format!("message on {}", message.topic),
        Body::Manual { action, .. } => format!("an operator commanded {device}: {action}"),
        other => other.kind().to_owned(),
    };
    let node = Node::new("input", format!("{words} (record {sequence}, {})", input.source)).at(at);
    let node = node.fact("record", sequence).fact("input", &*input.id).fact("source", &*input.source);
    let node = node.fact("device", device);
    match input.occurred_at {
        Some(occurred) => node.fact("occurred-at", occurred.to_string()),
        None => node,
    }
}

pub(super) fn effect(decision: &Decision) -> String {
    let Some(record) = &decision.effect else { return "no effect".to_owned() };
    match &record.effect {
        Effect::Command(command) => {
            let target = record.member.as_deref().unwrap_or(match &command.target {
                Target::Role(name) | Target::Device(name) => name,
            });
            let arguments = command.arguments.iter().map(|(name, value)| format!(" {name}={value}"));
            format!("command {target} {}{}", command.action, arguments.collect::<String>())
        }
        Effect::Relinquish(relinquishment) => format!("relinquish {}", relinquishment.capability),
        Effect::Notification(notification) => {
            let to = match &notification.to {
                Audience::Subject(name)
                | Audience::OwnerOf(name)
                | Audience::Segment(name)
                | Audience::Group(name)
                | Audience::Other(name) => name,
            };
            format!("notification `{}` to {to}", notification.template)
        }
        Effect::SetTimer(timer) => format!("set timer `{}` for {}", timer.name, timer.due),
        Effect::CancelTimer(name) => format!("cancel timer `{name}`"),
        Effect::Cancel(tag) => format!("cancel what is tagged `{tag}`"),
        Effect::Publish(message) => format!("publish on {}", message.topic),
        Effect::Emit(emission) => format!("emit `{}`", emission.name),
        Effect::Other(custom) => format!("effect `{}`", custom.name),
    }
}

/// What a rule was and did in one step.
pub(super) fn step(decision: &Decision, step: Option<&Step>) -> Node {
    let Decision { rule, digest, deployment, key, .. } = decision;
    let node = Node::new("step", format!("rule {rule} ran for deployment {deployment}, key {key} ({digest})"));
    let mut node = node.fact("rule", &**rule).fact("digest", digest.to_string());
    node = node.fact("deployment", &**deployment).fact("key", &**key).fact("event", &*decision.cause.event);
    if let Some(because) = &decision.because {
        node.below.push(Node::new("because", format!("because {because}")).fact("because", &**because));
    }
    let Some(step) = step else { return node };
    node.at = Some(step.at);
    if step.attempt > 0 {
        node.below.push(Node::new("attempt", format!("try {}", step.attempt + 1)).fact("attempt", step.attempt + 1));
    }
    node.below.extend(step.reads.iter().map(read));
    node.below.extend(step.writes.iter().map(|write| {
        let node = match &write.value {
            Some(value) => Node::new("write", format!("wrote {} = {value}", write.name)),
            None => Node::new("write", format!("removed {}", write.name)),
        };
        node.fact("name", &*write.name).fact("value", json!(write.value.as_ref().map(model::value::plain::to_json)))
    }));
    if let Some(failure) = &step.failure {
        node.below.push(Node::new("failure", format!("failed: {failure}; its writes were dropped")));
    }
    node
}

fn read(read: &Read) -> Node {
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let plain = |value: Option<&Value>| json!(value.map(model::value::plain::to_json));
    match read {
        Read::State { name, value } => Node::new("read", format!("read {name}: {}", shown(value.as_ref())))
            .fact("name", &**name)
            .fact("value", plain(value.as_ref())),
        Read::Device { device, capability, known } => {
            let value = known.as_ref().map(|known| &known.value);
            let since = known.as_ref().map(|known| format!(" since {}", known.since)).unwrap_or_default();
            Node::new("read", format!("read {capability} of {device}: {}{since}", shown(value)))
                .fact("device", &**device)
                .fact("capability", &**capability)
                .fact("value", plain(value))
        }
        Read::Availability { device, available } => {
            let word = match available {
                Some(true) => "available",
                Some(false) => "gone",
                None => "unknown",
            };
            Node::new("read", format!("read whether {device} is there: {word}")).fact("device", &**device)
        }
        Read::History { device, capability, window } => {
            Node::new("read", format!("read the last {window} of {capability} of {device}"))
                .fact("device", &**device)
                .fact("capability", &**capability)
        }
    }
}

/// What was decided about one effect, gate by gate.
pub(super) fn decided(decision: &Decision) -> Node {
    let what = match (decision.verdict, &decision.reason) {
        (Verdict::Nothing, _) => "proposed nothing".to_owned(),
        (Verdict::Failed, reason) => {
            let (reason, message) = (reason.as_deref().unwrap_or_default(), decision.because.as_deref());
            format!("failed ({reason}): {}", message.unwrap_or_default())
        }
        (verdict, None) => format!("{}: {}", effect(decision), verdict.word()),
        (verdict, Some(reason)) => format!("{}: {}, {reason}", effect(decision), verdict.word()),
    };
    let mut node = Node::new("decision", what);
    node.facts = engine::digest::line(decision);
    node.facts.remove("at");
    node.below.extend(decision.gates.iter().map(|gate| {
        let reason = gate.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
        Node::new("gate", format!("{}: {}{reason}", gate.gate, gate.verdict.word()))
    }));
    node
}
