//! Declared devices, checked: units, parts of patterns, actions that set something or are momentary.

use std::collections::{BTreeMap, BTreeSet};

use model::device::{ANY_ACTION, Action, Actions, AvailabilityTopic, Confirm, ReadingMap, Sets, Source};
use model::value::plain;
use model::{Capability, Device, DeviceNo, Name, Span, Unit, Value, limits};
use serde_json::Value as Json;

use super::{pattern, raw};
use crate::document::{Document, Path};
use crate::manifest::{Kept, in_unit};
use crate::problem::Problem;

/// What a device's entry may refer to.
pub(super) struct Around<'a> {
    /// The site of a device that names none.
    pub(super) site: &'a Name,
    /// Names of MQTT connections; none where any is right.
    pub(super) connections: Option<&'a BTreeSet<Name>>,
    /// Where actions go that a device does not declare, `{device}` in place of its id.
    pub(super) undeclared: Option<&'a Name>,
}

/// What the id stands for in the topic of undeclared actions.
const DEVICE: &str = "{device}";

/// What is wrong with a topic of undeclared actions.
pub(super) fn check_undeclared(topic: &str) -> Result<(), String> {
    match topic.replace(DEVICE, "").contains(['{', '}']) {
        true => Err(format!("`{topic}`: the only part that it may have is {DEVICE}")),
        false => Ok(()),
    }
}

/// The action that stands for all others.
fn undeclared(topic: &str, id: &str) -> Action {
    let topic = topic.replace(DEVICE, id).into();
    let payload = "{{ command }}".into();
    Action { sets: None, momentary: false, idempotent: false, expires: limits::COMMAND_EXPIRY, topic, payload }
}

/// The devices of a file in its order, patterns among them; numbers are given later.
pub(super) fn devices(
    document: &Document,
    raw: Vec<raw::Device>,
    around: &Around<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Device> {
    let mut ids = BTreeSet::new();
    let mut devices = Vec::with_capacity(raw.len());
    for raw in raw {
        let path = Path::of(&["device", &raw.id]);
        let mut entry = Entry { document, path: &path, problems };
        if !ids.insert(raw.id.clone()) {
            entry.problem(&["id"], format!("a second device with the id `{}`", raw.id));
        }
        let device = entry.device(raw, around);
        entry.check_parts(&device);
        devices.push(device);
    }
    devices
}

struct Entry<'a> {
    document: &'a Document,
    path: &'a Path,
    problems: &'a mut Vec<Problem>,
}

impl Entry<'_> {
    fn problem(&mut self, keys: &[&str], message: impl Into<String>) {
        let path = keys.iter().fold(self.path.clone(), |path, key| path.key(key));
        self.problems.push(self.document.problem(&path, message));
    }

    fn device(&mut self, raw: raw::Device, around: &Around<'_>) -> Device {
        let commands = raw.commands.into_iter().map(|(name, action)| {
            let action = self.action(&name, action);
            (name, action)
        });
        let mut commands: Actions = commands.collect();
        if let Some(topic) = around.undeclared {
            commands.insert(ANY_ACTION.into(), undeclared(topic, &raw.id));
        }
        let source = raw.source.map(|source| self.source(source, around));
        let about = raw.about.into_iter().filter_map(|(name, value)| Some((name, plain::from_json(&value)?)));
        Device {
            number: DeviceNo(0),
            id: raw.id,
            kind: raw.kind,
            site: raw.site.unwrap_or_else(|| around.site.clone()),
            source,
            availability: raw.availability.map(|a| AvailabilityTopic {
                topic: a.topic,
                online: a.online,
                offline: a.offline,
            }),
            commands,
            confirm: Confirm { within: raw.confirm.within, retries: raw.confirm.retries },
            about: about.collect(),
        }
    }

    fn source(&mut self, raw: raw::Source, around: &Around<'_>) -> Source {
        if let (Some(name), Some(known)) = (&raw.connection, around.connections)
            && !known.contains(name)
        {
            let path = self.path.key("source").key("connection");
            let problem = self.document.problem(&path, format!("there is no connection `{name}`"));
            self.problems.push(problem.near(name, known.iter().map(|name| &**name)));
        }
        let readings = raw.readings.into_iter().map(|(capability, reading)| self.reading(capability, reading));
        let readings = readings.collect();
        Source { connection: raw.connection, topic: raw.topic, readings, time: raw.time, id: raw.id }
    }

    fn reading(&mut self, capability: Capability, raw: raw::Reading) -> ReadingMap {
        let unit = raw.unit.and_then(|code| Unit::named(&code).ok());
        if let (Some(given), Some(kept)) = (unit, capability.unit())
            && let Err(error) = given.convert(0.0, kept)
        {
            self.problem(&["source", "readings", capability.name(), "unit"], error.to_string());
        }
        let values = raw.values.into_iter().filter_map(|(text, value)| Some((text, plain::from_json(&value)?)));
        ReadingMap { capability, path: raw.path, unit, values: values.collect() }
    }

    fn action(&mut self, name: &str, raw: raw::Action) -> Action {
        let keys = ["commands", name];
        match (&raw.capability, raw.momentary) {
            (None, false) => self.problem(&keys, "expected the capability that it sets, or momentary = true"),
            (Some(_), true) => self.problem(&keys, "a momentary action sets no capability: name one or the other"),
            (None, true) if raw.value.is_some() => self.problem(&keys, "a momentary action sets no value"),
            (None, true) | (Some(_), false) => {}
        }
        if raw.idempotent && !raw.momentary {
            self.problem(&keys, "only a momentary action needs idempotent: any other may be sent again anyway");
        }
        if raw.expires == Span(0) || raw.expires > limits::OUTBOX_AGE {
            self.problem(
                &["commands", name, "expires"],
                format!("expected more than 0s, at most {}", limits::OUTBOX_AGE),
            );
        }
        let sets = raw.capability.map(|capability| {
            let value = raw.value.as_ref().and_then(|value| self.set_value(name, capability, value));
            Sets { capability, value }
        });
        let raw::Action { momentary, idempotent, expires, topic, payload, .. } = raw;
        Action { sets, momentary, idempotent, expires, topic, payload }
    }

    fn set_value(&mut self, action: &str, capability: Capability, value: &Json) -> Option<Value> {
        let Some(unit) = capability.unit().filter(|_| !value.is_boolean()) else { return plain::from_json(value) };
        match in_unit(value, Kept::In(unit), Unit::convert) {
            Ok(number) => Some(Value::Number(number)),
            Err(message) => {
                self.problem(&["commands", action, "value"], format!("{capability}: {message}"));
                None
            }
        }
    }

    /// Every topic on which a fleet is heard must tell its member apart; nothing else may bring in parts of its own.
    fn check_parts(&mut self, device: &Device) {
        let mut of = |keys: &[&str], text: &str| -> BTreeSet<String> {
            match pattern::parts(text) {
                Ok(parts) => parts.into_iter().map(str::to_owned).collect(),
                Err(message) => {
                    self.problem(keys, message);
                    BTreeSet::new()
                }
            }
        };
        let mut used: BTreeMap<Vec<&str>, (BTreeSet<String>, bool)> = BTreeMap::new();
        let whole = of(&["id"], &device.id);
        used.insert(vec!["site"], (of(&["site"], &device.site), false));
        if let Some(source) = &device.source {
            used.insert(vec!["source", "topic"], (of(&["source", "topic"], &source.topic), true));
        }
        if let Some(availability) = &device.availability {
            used.insert(vec!["availability", "topic"], (of(&["availability", "topic"], &availability.topic), true));
        }
        for (name, action) in &device.commands {
            let keys = ["commands", name, "topic"];
            used.insert(keys.to_vec(), (of(&keys, &action.topic), false));
        }
        for (keys, (parts, heard)) in &used {
            for part in parts.difference(&whole) {
                self.problem(keys, format!("the id has no part {{{part}}}"));
            }
            if *heard {
                for part in whole.difference(parts) {
                    self.problem(
                        keys,
                        format!("expected the part {{{part}}} of the id: each member needs its own topic"),
                    );
                }
            }
        }
        if !whole.is_empty() && !used.values().any(|(_, heard)| *heard) {
            self.problem(&["id"], "a fleet needs a source or availability topic: its members are found by it");
        }
    }
}
