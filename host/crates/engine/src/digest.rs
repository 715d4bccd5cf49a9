//! Decisions as users read them, and the digest of a run: SHA-256 over its decisions as canonical JSON (RFC 8785).
//!
//! A run's digest is over the decisions that are kept: those with an effect, a refusal or a failure. So it can be
//! computed from a store as well as from a replay.

use model::decision::EffectRecord;
use model::effect::{Audience, Target};
use model::value::plain;
use model::{Decision, Effect};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::line::{Lines, Versions, string};

/// A decision in the form of the decisions file.
#[must_use]
pub fn line(decision: &Decision) -> Map<String, Json> {
    let mut line = Map::new();
    line.insert("at".into(), json!(decision.at.to_string()));
    line.insert("deployment".into(), json!(&*decision.deployment));
    line.insert("rule".into(), json!(&*decision.rule));
    line.insert("digest".into(), json!(decision.digest.to_string()));
    line.insert("key".into(), json!(&*decision.key));
    let cause = &decision.cause;
    let mut caused = Map::new();
    caused.insert("event".into(), json!(&*cause.event));
    caused.insert("kind".into(), json!(&*cause.kind));
    caused.insert("name".into(), json!(&*cause.name));
    if let Some(phase) = cause.phase {
        caused.insert("phase".into(), json!(phase.word()));
    }
    if let Some(device) = &cause.device {
        caused.insert("device".into(), json!(&**device));
    }
    line.insert("cause".into(), Json::Object(caused));
    if let Some(record) = &decision.effect {
        line.insert("effect".into(), Json::Object(effect(record)));
        line.insert("index".into(), json!(decision.index));
    }
    if let Some(because) = &decision.because {
        line.insert("because".into(), json!(&**because));
    }
    line.insert("verdict".into(), json!(decision.verdict.word()));
    if let Some(reason) = &decision.reason {
        line.insert("reason".into(), json!(&**reason));
    }
    let gates = decision.gates.iter().map(|gate| match &gate.reason {
        Some(reason) => json!({"gate": &*gate.gate, "verdict": gate.verdict.word(), "reason": &**reason}),
        None => json!({"gate": &*gate.gate, "verdict": gate.verdict.word()}),
    });
    line.insert("gates".into(), gates.collect());
    line
}

/// The member `effect` of a line.
pub(crate) fn effect(record: &EffectRecord) -> Map<String, Json> {
    let mut effect = content(&record.effect);
    effect.insert("id".into(), json!(record.id.to_string()));
    effect.insert("kind".into(), json!(record.effect.kind()));
    if let Some(member) = &record.member {
        effect.insert("device".into(), json!(&**member));
    }
    if let Some(tag) = &record.tag {
        effect.insert("tag".into(), json!(&**tag));
    }
    effect
}

fn content(effect: &Effect) -> Map<String, Json> {
    let json = match effect {
        Effect::Command(command) => {
            let mut json = json!({"target": target(&command.target), "action": &*command.action});
            if !command.arguments.is_empty() {
                json["arguments"] = Json::Object(plain::object(&command.arguments));
            }
            json
        }
        Effect::Relinquish(relinquishment) => {
            json!({"target": target(&relinquishment.target), "capability": &*relinquishment.capability})
        }
        Effect::Notification(notification) => json!({
            "template": &*notification.template,
            "to": audience(&notification.to),
            "parameters": plain::object(&notification.parameters),
        }),
        Effect::SetTimer(timer) => {
            let mut json = json!({"name": &*timer.name, "due": timer.due.to_string()});
            if let Some(payload) = &timer.payload {
                json["payload"] = plain::to_json(payload);
            }
            json
        }
        Effect::CancelTimer(name) => json!({"name": &**name}),
        Effect::Cancel(tag) => json!({"cancelled": &**tag}),
        Effect::Publish(message) => {
            let payload = match std::str::from_utf8(&message.payload) {
                Ok(text) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                Err(_) => json!(&*message.payload),
            };
            json!({"topic": &*message.topic, "payload": payload})
        }
        Effect::Emit(emission) => {
            let mut json = json!({"name": &*emission.name, "attributes": plain::object(&emission.attributes)});
            if let Some(key) = &emission.key {
                json["key"] = json!(&**key);
            }
            json
        }
        Effect::Other(custom) => json!({"name": &*custom.name, "attributes": plain::object(&custom.attributes)}),
    };
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn target(target: &Target) -> Json {
    match target {
        Target::Role(role) => json!({"role": &**role}),
        Target::Device(device) => json!({"device": &**device}),
    }
}

fn audience(audience: &Audience) -> Json {
    match audience {
        Audience::Subject(name) => json!({"subject": &**name}),
        Audience::OwnerOf(name) => json!({"owner-of": &**name}),
        Audience::Segment(name) => json!({"segment": &**name}),
        Audience::Group(name) => json!({"group": &**name}),
        Audience::Other(name) => json!({"other": &**name}),
    }
}

/// The digest of a run. Decisions may come in any order; 32 bytes a decision are kept.
#[derive(Debug, Default)]
pub struct RunDigest {
    decisions: Vec<(model::Instant, [u8; 32])>,
    lines: Lines,
}

impl RunDigest {
    /// Adds a decision, without package digest, rule version and durations.
    pub fn add(&mut self, decision: &Decision) {
        let text = self.lines.write(decision, Versions::LeftOut);
        self.decisions.push((decision.at, Sha256::digest(text.as_bytes()).into()));
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.decisions.sort_unstable();
        let mut hash = Sha256::new();
        for (_, digest) in &self.decisions {
            hash.update(digest);
        }
        model::deployment::PackageDigest(hash.finalize().into()).to_string()
    }
}

/// Writes JSON with sorted members and no white space; numbers as ECMAScript does (RFC 8785, section 3.2.2).
pub fn canonical(json: &Json, into: &mut String) {
    match json {
        Json::Null => into.push_str("null"),
        Json::Bool(yes) => into.push_str(if *yes { "true" } else { "false" }),
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => into.push_str(&ecmascript(float)),
            _ => into.push_str(&number.to_string()),
        },
        Json::String(text) => string(text, into),
        Json::Array(items) => {
            into.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    into.push(',');
                }
                canonical(item, into);
            }
            into.push(']');
        }
        Json::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            into.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    into.push(',');
                }
                string(name, into);
                into.push(':');
                canonical(&members[name], into);
            }
            into.push('}');
        }
    }
}

/// A finite number as ECMAScript's `Number::toString` writes it.
fn ecmascript(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let magnitude = libm::fabs(number);
    if (1e-6..1e21).contains(&magnitude) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: Json, expected: &str) {
        let mut text = String::new();
        canonical(&json, &mut text);
        assert_eq!(text, expected);
    }

    #[test]
    fn members_are_sorted_and_numbers_written_as_ecmascript_does() {
        check(json!({"b": 1, "a": [true, null, "é\n"]}), "{\"a\":[true,null,\"é\\n\"],\"b\":1}");
        check(json!([8.0, 0.1, 1e21, 1e-7, 123456789.5, -0.0]), "[8,0.1,1e+21,1e-7,123456789.5,0]");
    }
}
