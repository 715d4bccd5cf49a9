//! The powers that are left: what the manifest asks for and the operator grants.

use std::collections::BTreeMap;

use model::deployment::{ArgumentRange, CommandGrant, Grants, Hours, NotificationGrant, Role};
use model::{Name, topic};

use super::filters::covers;
use super::{DeploymentFile, Installation, bindings};
use crate::document::Path;
use crate::manifest::{Asked, Manifest, commands};
use crate::problem::Problem;
use crate::schema::{hours, range};

/// Requested ∩ granted. A grant that was not asked for, or leaves nothing, is a problem.
pub(super) fn intersect(
    file: &DeploymentFile,
    manifest: &Manifest,
    roles: &[Role],
    installation: &Installation<'_>,
    problems: &mut Vec<Problem>,
) -> Grants {
    let mut meeting = Meeting { file, manifest, installation, problems };
    Grants {
        commands: meeting.commands(roles),
        notifications: meeting.notifications(),
        publish: meeting.publish(),
        emit: meeting.emit(),
    }
}

struct Meeting<'a> {
    file: &'a DeploymentFile,
    manifest: &'a Manifest,
    installation: &'a Installation<'a>,
    problems: &'a mut Vec<Problem>,
}

fn at(key: &str) -> Path {
    Path::of(&["grants", key])
}

impl Meeting<'_> {
    fn problem(&mut self, path: &Path, message: impl Into<String>) {
        self.problems.push(self.file.problem(path, message));
    }

    fn unasked<'n>(&mut self, path: &Path, written: &str, asked: impl Iterator<Item = &'n str>) {
        let problem = self.file.problem(path, format!("the rule does not ask for `{written}`"));
        self.problems.push(problem.near(written, asked));
    }

    fn commands(&mut self, roles: &[Role]) -> Vec<CommandGrant> {
        let asked = &self.manifest.requests.commands;
        let priority = self.priority();
        let mut granted: Vec<CommandGrant> = Vec::new();
        for Asked { role, action, arguments, path } in commands(&self.file.grants.commands, &at("commands")) {
            let Some(requested) = asked.get(&(role.clone(), action.clone())) else {
                let known: Vec<_> = asked.keys().map(|(role, action)| format!("{role}:{action}")).collect();
                self.unasked(&path, &format!("{role}:{action}"), known.iter().map(String::as_str));
                continue;
            };
            if granted.iter().any(|grant| grant.role == role && grant.action == action) {
                self.problem(&path, format!("`{role}:{action}` is there twice"));
                continue;
            }
            self.check_members(roles, &role, &action, &path);
            let arguments = self.arguments(requested, arguments, &path);
            let hours = self.hours_of(&role, &action);
            granted.push(CommandGrant { role, action, arguments, priority, hours });
        }
        self.check_hours(&granted);
        granted
    }

    /// The table of keys has checked their form.
    fn hours_of(&self, role: &Name, action: &Name) -> Option<Hours> {
        let (from, to) = hours(self.file.grants.hours.get(&*format!("{role}:{action}"))?)?;
        let zone = self.file.grants.zone.as_ref().unwrap_or(&self.installation.site.zone);
        Some(Hours { from, to, zone: zone.clone() })
    }

    /// Hours of a command that is not granted would bind nothing.
    fn check_hours(&mut self, granted: &[CommandGrant]) {
        let known: Vec<_> = granted.iter().map(|grant| format!("{}:{}", grant.role, grant.action)).collect();
        for written in self.file.grants.hours.keys().filter(|written| !known.contains(&written.to_string())) {
            let problem = self.file.problem(&at("hours").key(written), format!("`{written}` is not granted"));
            self.problems.push(problem.near(written, known.iter().map(String::as_str)));
        }
        if self.file.grants.zone.is_some() && self.file.grants.hours.is_empty() {
            self.problem(&at("zone"), "there are no `hours` that it would be the zone of");
        }
    }

    /// A device that lacks the action could never do what is granted.
    fn check_members(&mut self, roles: &[Role], role: &Name, action: &Name, path: &Path) {
        let bound = roles.iter().find(|bound| bound.name == *role);
        let members = bound.map(|role| bindings::members(role, self.installation)).unwrap_or_default();
        for device in members.into_iter().filter(|device| device.action(action).is_none()) {
            let problem = self.file.problem(path, format!("device `{}` has no action `{action}`", device.id));
            self.problems.push(problem.near(action, device.commands.keys().map(|name| &**name)));
        }
    }

    fn arguments(
        &mut self,
        requested: &BTreeMap<Name, ArgumentRange>,
        granted: BTreeMap<Name, ArgumentRange>,
        path: &Path,
    ) -> BTreeMap<Name, ArgumentRange> {
        let mut left = requested.clone();
        for (name, granted) in granted {
            let both = match left.get(&name) {
                None => Some(granted),
                Some(requested) => meet(requested, &granted),
            };
            match both {
                Some(both) => drop(left.insert(name, both)),
                None => self.problem(&path.key(&name), "leaves nothing of what the rule asks for"),
            }
        }
        left
    }

    fn priority(&mut self) -> (u8, u8) {
        let whole = |end: f64| (end.fract() == 0.0 && (1.0..=16.0).contains(&end)).then_some(end as u8);
        let ends = range(&self.file.grants.priority).and_then(|(low, high)| Some((whole(low)?, whole(high)?)));
        ends.unwrap_or_else(|| {
            let message = format!("`{}`: expected whole numbers within 1..16", self.file.grants.priority);
            self.problem(&at("priority"), message);
            (16, 16)
        })
    }

    fn notifications(&mut self) -> Vec<NotificationGrant> {
        let asked = &self.manifest.requests.notifications;
        let mut granted: Vec<NotificationGrant> = Vec::new();
        for name in &self.file.grants.notifications {
            let path = at("notifications");
            let Some(request) = asked.iter().find(|request| request.template == *name) else {
                self.unasked(&path, name, asked.iter().map(|request| &*request.template));
                continue;
            };
            let Some(template) = self.installation.templates.get(name) else {
                let known = self.installation.templates.keys().map(|name| &**name);
                let problem = self.file.problem(&path, format!("there is no template `{name}`"));
                self.problems.push(problem.near(name, known));
                continue;
            };
            if request.purpose != template.purpose {
                let (asked, approved) = (&request.purpose, &template.purpose);
                let message = format!("the rule asks for `{name}` for `{asked}`, the template is for `{approved}`");
                self.problem(&path, message);
            }
            if granted.iter().any(|grant| grant.template == *name) {
                self.problem(&path, format!("`{name}` is there twice"));
                continue;
            }
            let purpose = template.purpose.clone();
            granted.push(NotificationGrant { template: name.clone(), class: template.class, purpose });
        }
        granted
    }

    /// The narrower filter wins where one holds the other; filters that merely overlap are two different wishes.
    fn publish(&mut self) -> Vec<Name> {
        let asked = &self.manifest.requests.publish;
        let mut left: Vec<Name> = Vec::new();
        for granted in &self.file.grants.publish {
            let path = at("publish");
            let narrower: Vec<_> = if asked.iter().any(|asked| covers(asked, granted)) {
                vec![granted.clone()]
            } else {
                asked.iter().filter(|asked| covers(granted, asked)).cloned().collect()
            };
            if narrower.is_empty() {
                self.unasked(&path, granted, asked.iter().map(|asked| &**asked));
            }
            for filter in narrower {
                self.check_topics(&filter, &path);
                if !left.contains(&filter) {
                    left.push(filter);
                }
            }
        }
        left
    }

    /// No rule publishes where a device is heard or commanded.
    fn check_topics(&mut self, filter: &Name, path: &Path) {
        let mut refuse = |theirs: &str, device: &str| {
            if topic::overlap(filter, theirs) {
                let message = format!("`{filter}` overlaps `{theirs}` of device `{device}`: use-command");
                self.problems.push(self.file.problem(path, message));
            }
        };
        for device in self.installation.devices.iter() {
            device.topics().for_each(|theirs| refuse(theirs, &device.id));
        }
        for pattern in self.installation.patterns {
            pattern.filters().iter().for_each(|theirs| refuse(theirs, pattern.id()));
        }
    }

    fn emit(&mut self) -> Vec<Name> {
        let asked = &self.manifest.requests.emit;
        let mut left: Vec<Name> = Vec::new();
        for name in &self.file.grants.emit {
            if !asked.contains(name) {
                self.unasked(&at("emit"), name, asked.iter().map(|asked| &**asked));
            } else if !left.contains(name) {
                left.push(name.clone());
            }
        }
        left
    }
}

/// What both allow; none where that is nothing.
fn meet(one: &ArgumentRange, other: &ArgumentRange) -> Option<ArgumentRange> {
    use ArgumentRange::{Between, OneOf};
    match (one, other) {
        (Between(low, high), Between(other_low, other_high)) => {
            let (low, high) = (low.max(*other_low), high.min(*other_high));
            (low <= high).then_some(Between(low, high))
        }
        (OneOf(values), range) | (range, OneOf(values)) => {
            let values: Vec<_> = values.iter().filter(|value| range.holds(value)).cloned().collect();
            (!values.is_empty()).then_some(OneOf(values))
        }
    }
}
