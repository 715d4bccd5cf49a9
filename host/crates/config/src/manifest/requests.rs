//! What a manifest asks for: commands with the ranges of their arguments, notifications, topics, emissions.

use std::collections::BTreeMap;

use model::Name;
use model::deployment::{ArgumentRange, World};
use model::value::plain;
use serde_json::Value as Json;

use super::{RoleNeed, raw};
use crate::document::{Document, Path};
use crate::problem::Problem;
use crate::schema::range;

/// The powers that a rule asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requests {
    /// By role and action, the ranges of the arguments that have one.
    pub commands: BTreeMap<(Name, Name), BTreeMap<Name, ArgumentRange>>,
    pub notifications: Vec<NotificationRequest>,
    /// Topic filters.
    pub publish: Vec<Name>,
    pub emit: Vec<Name>,
    /// Of persons; in world `engagement` only.
    pub traits: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRequest {
    pub template: Name,
    pub purpose: Name,
}

/// One command of a list of them, as asked for or granted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) role: Name,
    pub(crate) action: Name,
    pub(crate) arguments: BTreeMap<Name, ArgumentRange>,
    pub(crate) path: Path,
}

/// The commands of a list whose entries are `"role:action"` or a table from it to the ranges of its arguments.
/// The table of keys has checked their form.
pub(crate) fn commands(list: &[Json], path: &Path) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut add = |text: &str, arguments, path| {
        if let Some((role, action)) = text.split_once(':') {
            asked.push(Asked { role: role.into(), action: action.into(), arguments, path });
        }
    };
    for (index, item) in list.iter().enumerate() {
        let path = path.item(index, item);
        match item {
            Json::String(text) => add(text, BTreeMap::new(), path),
            Json::Object(table) => {
                for (text, arguments) in table {
                    let ranges = arguments.as_object().into_iter().flatten();
                    let ranges = ranges.filter_map(|(name, raw)| Some((Name::from(&**name), argument(raw)?)));
                    add(text, ranges.collect(), path.key(text));
                }
            }
            _ => {}
        }
    }
    asked
}

fn argument(raw: &Json) -> Option<ArgumentRange> {
    match raw {
        Json::String(text) => range(text).map(|(low, high)| ArgumentRange::Between(low, high)),
        Json::Array(values) => Some(ArgumentRange::OneOf(values.iter().filter_map(plain::from_json).collect())),
        _ => None,
    }
}

/// What the manifest asks for. A role that only a command names is declared by it, for any devices, unless its name
/// looks like a misspelt one.
pub(super) fn read(
    document: &Document,
    raw: raw::Requests,
    roles: &mut BTreeMap<Name, RoleNeed>,
    world: World,
    problems: &mut Vec<Problem>,
) -> Requests {
    let path = Path::of(&["requests"]);
    let mut known = BTreeMap::new();
    for Asked { role, action, arguments, path } in commands(&raw.commands, &path.key("commands")) {
        if !roles.contains_key(&role) {
            let problem = document.problem(&path, format!("there is no role `{role}`"));
            let problem = problem.near(&role, roles.keys().map(|name| &**name));
            if problem.nearest.is_some() {
                problems.push(problem);
            } else {
                roles.insert(role.clone(), RoleNeed { capabilities: Vec::new(), many: true });
            }
        }
        if known.contains_key(&(role.clone(), action.clone())) {
            problems.push(document.problem(&path, format!("`{role}:{action}` is there twice")));
        }
        known.insert((role, action), arguments);
    }
    if !raw.traits.is_empty() && world != World::Engagement {
        let message = format!("world \"{}\" reads no traits: only \"engagement\" does", world.word());
        problems.push(document.problem(&path.key("traits"), message));
    }
    let notifications = raw.notifications.into_iter();
    Requests {
        commands: known,
        notifications: notifications
            .map(|n| NotificationRequest { template: n.template, purpose: n.purpose })
            .collect(),
        publish: raw.publish,
        emit: raw.emit,
        traits: raw.traits,
    }
}
