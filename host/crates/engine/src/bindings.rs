//! Bindings: which trigger watches which devices in a partition, with its predicates over those devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::trigger::{Kind, Predicate, Test, Zone};
use model::window::{By, Frame, Window};
use model::{Capability, Deployment, DeviceNo, Name};

use crate::plan::{Plan, Planned, PlannedTrigger};
use crate::triggers::fence::Fence;

/// One trigger watching one device (or a place of its own for triggers without a role) in one partition.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) deployment: u32,
    pub(crate) trigger: u32,
    pub(crate) device: Option<DeviceNo>,
    pub(crate) key: Name,
    /// The predicate with every test's device filled in.
    pub(crate) when: Option<Bound>,
    pub(crate) clear: Option<Bound>,
    pub(crate) fence: Option<Arc<Fence>>,
    /// Whose readings concern it.
    pub(crate) watches: Vec<(DeviceNo, Option<Capability>)>,
}

/// A predicate over named devices.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Test {
        device: DeviceNo,
        capability: Capability,
        test: Test,
    },
    All(Vec<Bound>),
    Any(Vec<Bound>),
    /// The site has no device of the role that a test asks for.
    Unbound,
}

impl Plan {
    /// Every trigger instance of one partition, in the order in which they are evaluated.
    pub(crate) fn bindings(&self, partition: u16) -> Vec<Binding> {
        let mut bindings = Vec::new();
        for (d, planned) in (0_u32..).zip(&self.deployments) {
            for (t, trigger) in (0_u32..).zip(&planned.triggers) {
                self.bind(partition, planned, trigger, (d, t), &mut bindings);
            }
        }
        bindings
    }

    fn bind(
        &self,
        partition: u16,
        planned: &Planned,
        trigger: &PlannedTrigger,
        (deployment, index): (u32, u32),
        bindings: &mut Vec<Binding>,
    ) {
        let spec = &planned.spec;
        let Some(role) = &trigger.spec.role else {
            if !self.keys_in(spec, partition).is_empty() {
                bindings.push(Binding {
                    deployment,
                    trigger: index,
                    device: None,
                    key: Name::from(""),
                    when: None,
                    clear: None,
                    fence: None,
                    watches: Vec::new(),
                });
            }
            return;
        };
        if let Kind::Window(window) = &trigger.spec.kind
            && window.by == By::Role
        {
            self.bind_together(partition, spec, role, window, (deployment, index), bindings);
            return;
        }
        let mut members = spec.role(role).map(|role| role.members.clone()).unwrap_or_default();
        members.sort_by_key(|member| self.devices.get(*member).map(|device| device.id.clone()));
        for device in members {
            if self.partition_for(spec, device) != Some(partition) {
                continue;
            }
            let Some(key) = self.key_of(spec, device) else { continue };
            let (when, clear) = match &trigger.spec.kind {
                Kind::Threshold { when, clear, .. } => (Some(when), clear.as_ref()),
                Kind::Held { when, .. } => (Some(when), None),
                Kind::Window(window) => match &window.frame {
                    Frame::State { during } => (Some(during), None),
                    _ => (None, None),
                },
                _ => (None, None),
            };
            let when = when.map(|predicate| self.fill(spec, predicate, device));
            let clear = clear.map(|predicate| self.fill(spec, predicate, device));
            let watches = watches(&trigger.spec.kind, device, when.as_ref(), clear.as_ref());
            let fence = trigger.fence.clone();
            bindings.push(Binding {
                deployment,
                trigger: index,
                device: Some(device),
                key,
                when,
                clear,
                fence,
                watches,
            });
        }
    }

    /// One window for each key: all devices of the role that have it.
    fn bind_together(
        &self,
        partition: u16,
        spec: &Deployment,
        role: &Name,
        window: &Window,
        (deployment, trigger): (u32, u32),
        bindings: &mut Vec<Binding>,
    ) {
        let mut keys: BTreeMap<Name, Vec<DeviceNo>> = BTreeMap::new();
        for device in spec.role(role).map(|role| &*role.members).unwrap_or_default() {
            if self.partition_for(spec, *device) == Some(partition)
                && let Some(key) = self.key_of(spec, *device)
            {
                keys.entry(key).or_default().push(*device);
            }
        }
        bindings.extend(keys.into_iter().map(|(key, devices)| Binding {
            deployment,
            trigger,
            device: None,
            key,
            when: None,
            clear: None,
            fence: None,
            watches: devices.into_iter().map(|device| (device, Some(window.capability))).collect(),
        }));
    }

    /// A predicate with the devices that its roles mean beside `device`: those of the same site.
    fn fill(&self, deployment: &Deployment, predicate: &Predicate, device: DeviceNo) -> Bound {
        match predicate {
            Predicate::All(parts) => Bound::All(parts.iter().map(|p| self.fill(deployment, p, device)).collect()),
            Predicate::Any(parts) => Bound::Any(parts.iter().map(|p| self.fill(deployment, p, device)).collect()),
            Predicate::Test { role: None, capability, test } => {
                Bound::Test { device, capability: *capability, test: test.clone() }
            }
            Predicate::Test { role: Some(role), capability, test } => {
                let site = self.devices.get(device).map(|device| &device.site);
                let members = deployment.role(role).map(|role| &*role.members).unwrap_or_default();
                if members.contains(&device) {
                    return Bound::Test { device, capability: *capability, test: test.clone() };
                }
                let beside = |member: &&DeviceNo| self.devices.get(**member).map(|member| &member.site) == site;
                match members.iter().find(beside) {
                    Some(member) => Bound::Test { device: *member, capability: *capability, test: test.clone() },
                    None => Bound::Unbound,
                }
            }
        }
    }
}

impl Binding {
    /// The key, where the trigger watches all devices that have it; else nothing.
    pub(crate) fn group(&self) -> Name {
        if self.device.is_some() { Name::from("") } else { self.key.clone() }
    }
}

impl Bound {
    /// The tests in it, in writing order.
    pub(crate) fn tests(&self, into: &mut Vec<(DeviceNo, Capability)>) {
        match self {
            Self::Test { device, capability, .. } => into.push((*device, *capability)),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.tests(into)),
            Self::Unbound => {}
        }
    }

    /// The predicate in words for people.
    pub(crate) fn words(&self) -> String {
        let join = |parts: &[Self], word: &str| parts.iter().map(Self::words).collect::<Vec<_>>().join(word);
        match self {
            Self::Test { capability, test, .. } => {
                let symbol = capability.unit().map(|unit| format!(" {}", unit.symbol())).unwrap_or_default();
                format!("{capability} {}{}", test.words(), symbol.trim_end())
            }
            Self::All(parts) => join(parts, " and "),
            Self::Any(parts) => join(parts, " or "),
            Self::Unbound => "no such device".to_owned(),
        }
    }
}

fn watches(
    kind: &Kind,
    device: DeviceNo,
    when: Option<&Bound>,
    clear: Option<&Bound>,
) -> Vec<(DeviceNo, Option<Capability>)> {
    match kind {
        Kind::Reading { capability, .. } => vec![(device, *capability)],
        Kind::Change { capability, .. } | Kind::Zone(Zone { capability, .. }) => vec![(device, Some(*capability))],
        Kind::Silence { .. } | Kind::Availability { .. } => vec![(device, None)],
        Kind::Threshold { .. } | Kind::Held { .. } => {
            let mut tests = Vec::new();
            when.into_iter().chain(clear).for_each(|bound| bound.tests(&mut tests));
            tests.sort_unstable();
            tests.dedup();
            tests.into_iter().map(|(device, capability)| (device, Some(capability))).collect()
        }
        Kind::Window(window) => {
            let mut tests = vec![(device, window.capability)];
            when.into_iter().for_each(|bound| bound.tests(&mut tests));
            tests.sort_unstable();
            tests.dedup();
            tests.into_iter().map(|(device, capability)| (device, Some(capability))).collect()
        }
        Kind::Schedule(_) | Kind::Sun(_) | Kind::Message { .. } | Kind::Custom { .. } => Vec::new(),
    }
}
