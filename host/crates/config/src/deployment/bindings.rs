//! Roles bound to devices: every one, none too many, each device with what the role asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::deployment::{KeyKind, Role};
use model::{Capability, Device, DeviceNo, Name, Selector, Unit};

use super::{Binding, DeploymentFile, Installation};
use crate::document::Path;
use crate::manifest::{Manifest, RoleNeed};
use crate::problem::Problem;

/// The manifest's roles, bound. What is wrong becomes problems.
pub(super) fn bind(
    file: &DeploymentFile,
    manifest: &Manifest,
    installation: &Installation<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Role> {
    let path = Path::of(&["roles"]);
    for role in file.roles.keys().filter(|role| !manifest.roles.contains_key(*role)) {
        let problem = file.problem(&path.key(role), "the rule has no such role");
        problems.push(problem.near(role, manifest.roles.keys().map(|name| &**name)));
    }
    let mut roles = Vec::with_capacity(manifest.roles.len());
    for (name, need) in &manifest.roles {
        let mut one = One { file, path: path.key(name), name, need, installation, problems };
        let (members, selector) = match file.roles.get(name) {
            None => {
                one.problem("missing: the rule needs this role, and nothing is bound to it");
                continue;
            }
            Some(Binding::Devices(ids)) => (one.listed(ids), None),
            Some(Binding::Matching(selector)) => (one.matching(selector), Some(selector.clone())),
        };
        one.count(&members, manifest.key);
        roles.push(Role {
            name: name.clone(),
            capabilities: need.capabilities.clone(),
            many: need.many,
            members: members.iter().map(|device| device.number).collect(),
            selector,
        });
    }
    roles
}

/// Units that the bound devices state for capabilities without a canonical one. Two for one role are a problem.
pub(super) fn units(
    file: &DeploymentFile,
    roles: &[Role],
    installation: &Installation<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<(Name, Capability), Unit> {
    let mut units = BTreeMap::new();
    for role in roles {
        let devices = role.members.iter().filter_map(|number| installation.devices.get(*number));
        for (device, reading) in
            devices.flat_map(|d| d.source.iter().flat_map(move |s| s.readings.iter().map(move |r| (d, r))))
        {
            let Some(unit) = reading.unit.filter(|_| reading.capability.unit().is_none()) else { continue };
            let known = *units.entry((role.name.clone(), reading.capability)).or_insert(unit);
            if known != unit {
                let message = format!(
                    "device `{}` reports `{}` in {unit}, another one in {known}",
                    device.id, reading.capability
                );
                problems.push(file.problem(&Path::of(&["roles", &role.name]), message));
            }
        }
    }
    units
}

struct One<'a> {
    file: &'a DeploymentFile,
    path: Path,
    name: &'a Name,
    need: &'a RoleNeed,
    installation: &'a Installation<'a>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> One<'a> {
    fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(self.file.problem(&self.path, message));
    }

    fn listed(&mut self, ids: &[Name]) -> Vec<&'a Arc<Device>> {
        let mut seen = BTreeSet::new();
        let mut members = Vec::with_capacity(ids.len());
        if ids.is_empty() {
            self.problem("expected at least one device");
        }
        for id in ids {
            if !seen.insert(id) {
                self.problem(format!("device `{id}` is there twice"));
                continue;
            }
            let Some(device) = self.installation.devices.named(id) else {
                let known = self.installation.devices.iter().map(|device| &*device.id);
                let problem = self.file.problem(&self.path, format!("there is no device `{id}`"));
                self.problems.push(problem.near(id, known));
                continue;
            };
            for capability in self.need.capabilities.iter().filter(|capability| !offers(device, **capability)) {
                let message = format!("device `{id}` has no `{capability}`, which the role asks for");
                self.problems.push(self.file.problem(&self.path, message));
            }
            members.push(device);
        }
        members
    }

    fn matching(&mut self, selector: &Selector) -> Vec<&'a Arc<Device>> {
        let need = self.need;
        let fits = |device: &Device| need.capabilities.iter().all(|capability| offers(device, *capability));
        let devices = self.installation.devices.iter();
        let members: Vec<_> = devices.filter(|device| selector.matches(device) && fits(device)).collect();
        // The members of a fleet are found as they speak, so that an empty role may be right.
        if members.is_empty() && self.installation.patterns.is_empty() {
            self.problem("no device matches the selector and has the role's capabilities");
        }
        members
    }

    fn count(&mut self, members: &[&Arc<Device>], key: KeyKind) {
        if self.need.many {
            return;
        }
        let mut sites: BTreeMap<&Name, u32> = BTreeMap::new();
        for device in members {
            *sites.entry(&device.site).or_default() += 1;
        }
        if key == KeyKind::Site {
            let full: Vec<_> = sites.iter().filter(|(_, count)| **count > 1).map(|(site, _)| (*site).clone()).collect();
            for site in full {
                self.problem(format!("role `{}` takes one device a site, and site `{site}` has more", self.name));
            }
        } else if members.len() > 1 {
            self.problem(format!("role `{}` takes one device, found {}", self.name, members.len()));
        }
    }
}

/// Whether the device reports `capability` or can be told to change it.
fn offers(device: &Device, capability: Capability) -> bool {
    let reports = device.source.iter().flat_map(|source| &source.readings).any(|r| r.capability == capability);
    let sets = device.commands.values().filter_map(|action| action.sets.as_ref());
    reports || sets.into_iter().any(|sets| sets.capability == capability)
}

/// The devices of a role by number, for the checks of its commands.
pub(super) fn members<'a>(role: &Role, installation: &Installation<'a>) -> Vec<&'a Arc<Device>> {
    let get = |number: &DeviceNo| installation.devices.get(*number);
    role.members.iter().filter_map(get).collect()
}
