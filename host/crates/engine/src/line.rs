//! A decision as one line of canonical JSON, written as it is read: members in their order, and a tree only for what an
//! effect carries.

use std::fmt::Write as _;

use model::{Decision, Instant};
use serde_json::Value as Json;

use crate::digest::{canonical, effect};

/// Whether a line says which version of a rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// As the decisions file has it.
    Named,
    /// As the digest of a run has it: the same for every version that decides the same.
    LeftOut,
}

/// Writes lines. Keeps the text of the last instant: all decisions about one event share it.
#[derive(Debug, Default)]
pub struct Lines {
    text: String,
    at: Option<Instant>,
    at_text: String,
}

impl Lines {
    /// The line of a decision, without a line break, until the next is asked for.
    pub fn write(&mut self, decision: &Decision, versions: Versions) -> &str {
        if self.at != Some(decision.at) {
            self.at = Some(decision.at);
            self.at_text.clear();
            let _ = write!(self.at_text, "{}", decision.at);
        }
        let text = &mut self.text;
        text.clear();
        text.push_str("{\"at\":");
        string(&self.at_text, text);
        optional("because", decision.because.as_deref(), text);
        cause(decision, text);
        member("deployment", &decision.deployment, text);
        if versions == Versions::Named {
            let _ = write!(text, ",\"digest\":\"{}\"", decision.digest);
        }
        if let Some(record) = &decision.effect {
            text.push_str(",\"effect\":");
            canonical(&Json::Object(effect(record)), text);
        }
        gates(decision, text);
        if decision.effect.is_some() {
            let _ = write!(text, ",\"index\":{}", decision.index);
        }
        member("key", &decision.key, text);
        optional("reason", decision.reason.as_deref(), text);
        if versions == Versions::Named {
            member("rule", &decision.rule, text);
        }
        member("verdict", decision.verdict.word(), text);
        text.push('}');
        text
    }
}

fn cause(decision: &Decision, text: &mut String) {
    let cause = &decision.cause;
    text.push_str(",\"cause\":{");
    if let Some(device) = &cause.device {
        text.push_str("\"device\":");
        string(device, text);
        text.push(',');
    }
    text.push_str("\"event\":");
    string(&cause.event, text);
    member("kind", &cause.kind, text);
    member("name", &cause.name, text);
    optional("phase", cause.phase.map(model::Phase::word), text);
    text.push('}');
}

fn gates(decision: &Decision, text: &mut String) {
    text.push_str(",\"gates\":[");
    for (index, gate) in decision.gates.iter().enumerate() {
        text.push_str(if index > 0 { ",{\"gate\":" } else { "{\"gate\":" });
        string(&gate.gate, text);
        optional("reason", gate.reason.as_deref(), text);
        member("verdict", gate.verdict.word(), text);
        text.push('}');
    }
    text.push(']');
}

fn optional(name: &str, value: Option<&str>, text: &mut String) {
    if let Some(value) = value {
        member(name, value, text);
    }
}

fn member(name: &str, value: &str, text: &mut String) {
    text.push_str(",\"");
    text.push_str(name);
    text.push_str("\":");
    string(value, text);
}

/// A JSON string. Names hardly ever need escapes.
pub(crate) fn string(value: &str, text: &mut String) {
    if value.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(value);
        text.push('"');
        return;
    }
    text.push_str(&serde_json::to_string(value).expect("a string is JSON"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::line;
    use model::decision::{CauseRef, EffectRecord, GateResult};
    use model::deployment::PackageDigest;
    use model::effect::{Command, Overdue, Target, Timer};
    use model::{Effect, Id, Name, Phase, Value, Verdict};

    fn decision() -> Decision {
        Decision {
            at: Instant(1_700_000_000_000_000),
            deployment: "fridge".into(),
            rule: "guard@1.0.0".into(),
            digest: PackageDigest([7; 32]),
            key: "a \"quoted\"\nkey é".into(),
            cause: CauseRef {
                event: "17".into(),
                kind: "condition".into(),
                name: "too-warm".into(),
                phase: Some(Phase::Began),
                device: Some("probe/1".into()),
            },
            index: 3,
            effect: None,
            because: Some("above 8 °C".into()),
            verdict: Verdict::Nothing,
            reason: None,
            gates: Vec::new(),
        }
    }

    #[track_caller]
    fn check(decision: &Decision) {
        let mut lines = Lines::default();
        let mut tree = line(decision);
        let mut expected = String::new();
        canonical(&Json::Object(tree.clone()), &mut expected);
        assert_eq!(lines.write(decision, Versions::Named), expected);
        tree.remove("digest");
        tree.remove("rule");
        expected.clear();
        canonical(&Json::Object(tree), &mut expected);
        assert_eq!(lines.write(decision, Versions::LeftOut), expected);
    }

    #[test]
    fn a_line_is_the_canonical_form_of_the_tree() {
        check(&decision());
        let bare = CauseRef { phase: None, device: None, ..decision().cause };
        check(&Decision { cause: bare, because: None, reason: Some("rate".into()), ..decision() });
    }

    #[test]
    fn a_line_holds_what_an_effect_carries_and_what_each_gate_said() {
        let gate = |verdict, reason: Option<&str>| GateResult {
            gate: "capability".into(),
            verdict,
            reason: reason.map(Name::from),
        };
        let gates = vec![gate(Verdict::Allowed, None), gate(Verdict::Refused, Some("not-granted"))];
        let record = |effect| EffectRecord { id: Id([9; 16]), effect, member: Some("lamp".into()), tag: None };
        let command = Effect::Command(Command {
            target: Target::Role("alarm".into()),
            action: "on".into(),
            arguments: vec![("volume".into(), Value::Number(0.1))],
            priority: None,
            hold: None,
            expires_at: None,
            only_if: Vec::new(),
            attributes: Vec::new(),
        });
        let timer = Effect::SetTimer(Timer {
            name: "still".into(),
            due: Instant(5),
            overdue: Overdue::Fire,
            payload: Some(Value::Number(1e21)),
            attributes: Vec::new(),
        });
        for effect in [command, timer] {
            check(&Decision { effect: Some(record(effect)), gates: gates.clone(), ..decision() });
        }
    }

    #[test]
    fn the_next_line_has_its_own_instant() {
        let mut lines = Lines::default();
        lines.write(&decision(), Versions::Named);
        let later = Decision { at: Instant(1_700_000_001_000_000), ..decision() };
        assert!(lines.write(&later, Versions::Named).contains("2023-11-14T22:13:21Z"));
    }
}
