//! What is said about a package: one JSON value, and the same as lines for people.

use std::path::Path;

use config::Manifest;
use model::deployment::ArgumentRange;
use model::value::plain;
use sandbox::Inspection;
use serde_json::{Value as Json, json};

use crate::cli::output;

/// Everything that is said about a package.
pub(crate) fn json(file: &Path, inspection: &Inspection, manifest: Option<&Manifest>) -> Json {
    json!({
        "file": file.display().to_string(),
        "size": inspection.size,
        "digest": inspection.digest.to_string(),
        "world": inspection.world.word(),
        "imports": inspection.imports,
        "exports": inspection.exports,
        "wasi": inspection.wasi().next().is_some(),
        "migrates": inspection.migrates,
        "producers": inspection.producers,
        "manifest": manifest.map(|manifest| summary(manifest, inspection.manifest.as_deref().unwrap_or_default())),
    })
}

fn summary(manifest: &Manifest, text: &str) -> Json {
    let roles = manifest.roles.iter().map(|(name, role)| {
        let capabilities: Vec<String> = role.capabilities.iter().map(ToString::to_string).collect();
        json!({"name": &**name, "capabilities": capabilities, "many": role.many})
    });
    json!({
        "id": &*manifest.id,
        "version": manifest.version.to_string(),
        "world": manifest.world.word(),
        "description": &*manifest.description,
        "state-version": manifest.state_version,
        "roles": roles.collect::<Vec<_>>(),
        "triggers": triggers(text),
        "requests": requests(manifest),
    })
}

/// Name and kind of each trigger, as they stand in the manifest, which has been checked.
fn triggers(text: &str) -> Vec<Json> {
    let table: toml::Table = text.parse().unwrap_or_default();
    let list = table.get("trigger").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |trigger: &toml::Value, key: &str| trigger.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    list.iter().map(|trigger| json!({"name": word(trigger, "name"), "kind": word(trigger, "kind")})).collect()
}

fn requests(manifest: &Manifest) -> Json {
    let asked = &manifest.requests;
    let commands = asked.commands.iter().map(|((role, action), arguments)| {
        let arguments = arguments.iter().map(|(name, range)| (name.to_string(), self::range(range)));
        json!({"command": format!("{role}:{action}"), "arguments": arguments.collect::<serde_json::Map<_, _>>()})
    });
    let notifications = asked.notifications.iter();
    let notifications = notifications.map(|n| json!({"template": &*n.template, "purpose": &*n.purpose}));
    json!({
        "commands": commands.collect::<Vec<_>>(),
        "notifications": notifications.collect::<Vec<_>>(),
        "publish": asked.publish,
        "emit": asked.emit,
        "traits": asked.traits,
    })
}

fn range(range: &ArgumentRange) -> Json {
    match range {
        ArgumentRange::Between(low, high) => json!(format!("{low}..{high}")),
        ArgumentRange::OneOf(values) => values.iter().map(plain::to_json).collect(),
    }
}

/// The report for people.
pub(crate) fn print(report: &Json) {
    row("package", &text(&report["file"]));
    row("size", &format!("{} bytes", report["size"]));
    row("digest", &text(&report["digest"]));
    row("world", &text(&report["world"]));
    rows("imports", &list(&report["imports"], text));
    if report["wasi"] == true {
        row("wasi", "runs only where its deployment says `compatibility = true`");
    }
    rows("made by", &list(&report["producers"], text));
    let manifest = &report["manifest"];
    if manifest.is_null() {
        return row("manifest", "none");
    }
    row("rule", &format!("{} {}", text(&manifest["id"]), text(&manifest["version"])));
    row("", &text(&manifest["description"]));
    rows("roles", &list(&manifest["roles"], role));
    rows("triggers", &list(&manifest["triggers"], |t| format!("{} ({})", text(&t["name"]), text(&t["kind"]))));
    rows("asks for", &powers(&manifest["requests"]));
}

fn role(role: &Json) -> String {
    let capabilities = list(&role["capabilities"], text).join(", ");
    let capabilities = if capabilities.is_empty() { "any device" } else { &capabilities };
    let many = if role["many"] == Json::Bool(true) { " (many)" } else { "" };
    format!("{}: {capabilities}{many}", text(&role["name"]))
}

/// One line for each power that a rule asks for.
fn powers(requests: &Json) -> Vec<String> {
    let mut powers = list(&requests["commands"], |command| {
        let none = command["arguments"].as_object().is_none_or(serde_json::Map::is_empty);
        let with = if none { String::new() } else { format!(" with {}", command["arguments"]) };
        format!("command {}{with}", text(&command["command"]))
    });
    powers.extend(list(&requests["notifications"], |notification| {
        format!("notification {} for {}", text(&notification["template"]), text(&notification["purpose"]))
    }));
    for (key, word) in [("publish", "publish to"), ("emit", "emit"), ("traits", "read the trait")] {
        powers.extend(list(&requests[key], |name| format!("{word} {}", text(name))));
    }
    powers
}

/// A text without its quotes, anything else as JSON.
fn text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

fn list(json: &Json, each: impl Fn(&Json) -> String) -> Vec<String> {
    json.as_array().into_iter().flatten().map(each).collect()
}

fn row(name: &str, value: &str) {
    output::print(format_args!("{name:<14}{value}"));
}

fn rows(name: &str, values: &[String]) {
    match values {
        [] => row(name, "none"),
        [first, rest @ ..] => {
            row(name, first);
            rest.iter().for_each(|value| row("", value));
        }
    }
}
