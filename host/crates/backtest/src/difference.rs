//! The difference of two decisions, and of none and one.

use engine::digest;
use model::effect::{Audience, Target};
use model::{Decision, Effect, Instant, Name, Verdict};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::html::span;

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Only in the old run.
    Removed,
    /// Only in the new run.
    Added,
    /// In both, at another instant.
    Moved,
    /// In both at the same instant, with another content or verdict.
    Changed,
}

impl Class {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Added => "added",
            Self::Moved => "moved",
            Self::Changed => "changed",
        }
    }
}

/// One decision that is not the same in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    pub class: Class,
    /// In the old run; in the new one for what was added.
    pub at: Instant,
    /// How much later it is in the new run, in seconds; negative where it is earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_seconds: Option<f64>,
    pub deployment: Name,
    pub key: Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Name>,
    /// The kind of effect; `failure` for a step that failed or was refused as a whole.
    pub kind: Name,
    /// What it does to whom, in words.
    pub what: String,
    /// What woke the rule, and its own line about why.
    pub why: String,
    /// What is not the same, where both have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The decisions as `replay` writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Map<String, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Map<String, Json>>,
}

/// A part of a decision that is not the same in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Such as `effect.arguments.value`.
    pub path: String,
    /// Null where the decision has no such part.
    pub old: Json,
    pub new: Json,
}

/// Whether a decision is compared: it has an effect beyond its own rule, a refusal or a failure. Timers are a rule's
/// own means; what they lead to is compared.
pub(crate) fn counts(decision: &Decision) -> bool {
    let inward = |effect: &Effect| matches!(effect, Effect::SetTimer(_) | Effect::CancelTimer(_));
    let own = decision.effect.as_ref().is_some_and(|record| inward(&record.effect));
    decision.is_notable() && !(own && decision.reason.is_none())
}

/// Whether two decisions come to the same. Lines for people and the versions of rules do not count.
pub(crate) fn same(old: &Decision, new: &Decision) -> bool {
    let effect =
        |decision: &Decision| decision.effect.as_ref().map(|record| (record.effect.clone(), record.member.clone()));
    old.at == new.at
        && old.verdict == new.verdict
        && old.deployment == new.deployment
        && old.key == new.key
        && old.reason == new.reason
        && (old.effect.is_none() && new.effect.is_none() || effect(old) == effect(new))
        && (old.effect.is_some() || what(old) == what(new))
}

/// Decisions that could be the same one: deployment, key, kind, what.
pub(crate) type Place = (Name, Name, Name, String);

pub(crate) fn place(decision: &Decision) -> Place {
    (decision.deployment.clone(), decision.key.clone(), kind(decision), what(decision))
}

fn kind(decision: &Decision) -> Name {
    Name::from(decision.effect.as_ref().map_or("failure", |record| record.effect.kind()))
}

/// What it does to whom.
fn what(decision: &Decision) -> String {
    let Some(record) = &decision.effect else {
        return decision.reason.as_deref().unwrap_or("failed").to_owned();
    };
    let member = |target: &Target| match (&record.member, target) {
        (Some(name), _) | (None, Target::Device(name) | Target::Role(name)) => name.clone(),
    };
    match &record.effect {
        Effect::Command(command) => format!("{}: {}", member(&command.target), command.action),
        Effect::Relinquish(given) => format!("{}: {}", member(&given.target), given.capability),
        Effect::Notification(notification) => format!("{} to {}", notification.template, audience(&notification.to)),
        Effect::Publish(message) => message.topic.to_string(),
        Effect::Emit(emission) => emission.name.to_string(),
        Effect::SetTimer(timer) => timer.name.to_string(),
        Effect::CancelTimer(name) | Effect::Cancel(name) => name.to_string(),
        Effect::Other(custom) => custom.name.to_string(),
    }
}

fn audience(audience: &Audience) -> &Name {
    match audience {
        Audience::Subject(name)
        | Audience::OwnerOf(name)
        | Audience::Segment(name)
        | Audience::Group(name)
        | Audience::Other(name) => name,
    }
}

/// Whom it tells: a person, or a group of them.
pub(crate) fn person(decision: &Decision) -> Option<Name> {
    match &decision.effect.as_ref()?.effect {
        Effect::Notification(notification) => Some(audience(&notification.to).clone()),
        _ => None,
    }
}

/// The device that it acts on, else the one that woke the rule.
pub(crate) fn device(decision: &Decision) -> Option<Name> {
    let acted = decision.effect.as_ref().and_then(|record| match (&record.member, &record.effect) {
        (Some(member), _) => Some(member.clone()),
        (None, Effect::Command(command)) => match &command.target {
            Target::Device(device) => Some(device.clone()),
            Target::Role(_) => None,
        },
        _ => None,
    });
    acted.or_else(|| decision.cause.device.clone())
}

impl Difference {
    /// How much later or earlier it is in the new run, in words.
    #[must_use]
    pub fn moved(&self) -> Option<String> {
        let seconds = self.moved_seconds?;
        let word = if seconds < 0.0 { "earlier" } else { "later" };
        Some(format!("{} {word}", span(seconds.abs())))
    }

    pub(crate) fn removed(old: &Decision) -> Self {
        Self { old: Some(digest::line(old)), ..Self::about(Class::Removed, old) }
    }

    pub(crate) fn added(new: &Decision) -> Self {
        Self { new: Some(digest::line(new)), ..Self::about(Class::Added, new) }
    }

    /// Of two decisions that are not the same.
    pub(crate) fn between(old: &Decision, new: &Decision) -> Self {
        let (before, after) = (digest::line(old), digest::line(new));
        let mut fields = Vec::new();
        for path in ["effect", "verdict", "reason"] {
            compare(path, before.get(path), after.get(path), &mut fields);
        }
        let (class, moved_seconds) = if old.at == new.at {
            if fields.is_empty() {
                // Such as an urgency or an expiry, which the line does not show.
                let hidden = Json::from("differs in a part that the decision's line does not show");
                fields.push(Field { path: "effect".to_owned(), old: Json::Null, new: hidden });
            }
            (Class::Changed, None)
        } else {
            (Class::Moved, Some((new.at - old.at) as f64 / 1e6))
        };
        Self { moved_seconds, fields, old: Some(before), new: Some(after), ..Self::about(class, old) }
    }

    fn about(class: Class, decision: &Decision) -> Self {
        Self {
            class,
            at: decision.at,
            moved_seconds: None,
            deployment: decision.deployment.clone(),
            key: decision.key.clone(),
            device: device(decision),
            kind: kind(decision),
            what: what(decision),
            why: why(decision),
            fields: Vec::new(),
            old: None,
            new: None,
        }
    }
}

fn why(decision: &Decision) -> String {
    let cause = &decision.cause;
    let phase = cause.phase.map(|phase| format!(" {}", phase.word())).unwrap_or_default();
    let mut why = format!("{}{phase}", cause.name);
    if let Some(because) = &decision.because {
        why = format!("{why}: {because}");
    }
    if decision.verdict != Verdict::Allowed {
        let reason = decision.reason.as_deref().unwrap_or("no reason given");
        why = format!("{why} ({}: {reason})", decision.verdict.word());
    }
    why
}

/// Every leaf that differs. Ids name the decision itself and are no content.
fn compare(path: &str, old: Option<&Json>, new: Option<&Json>, fields: &mut Vec<Field>) {
    if old == new || path == "effect.id" {
        return;
    }
    if let (Some(Json::Object(old)), Some(Json::Object(new))) = (old, new) {
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().for_each(|name| compare(&format!("{path}.{name}"), old.get(name), new.get(name), fields));
        return;
    }
    let value = |json: Option<&Json>| json.cloned().unwrap_or(Json::Null);
    fields.push(Field { path: path.to_owned(), old: value(old), new: value(new) });
}
