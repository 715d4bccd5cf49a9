//! The plan: devices and deployments as they stand between two switches, compiled for the hot path. Immutable; a
//! change makes a new plan, and partitions carry their state over by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::deployment::KeyKind;
use model::device::Devices;
use model::guest::Program;
use model::notification::Group;
use model::trigger::{Kind, Zone};
use model::window::{Frame, Window};
use model::{Deployment, DeviceNo, Id, Name, Trigger, limits, topic};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::configuration::Stored;
use crate::triggers::fence::{AreaError, Fence};
use crate::triggers::times::{Times, TimesError};

/// What an engine is built from.
#[derive(Clone)]
pub struct Setup {
    /// At least 1; fixed for the life of an installation.
    pub partitions: u16,
    pub devices: Arc<Devices>,
    pub deployments: Vec<(Arc<Deployment>, Arc<dyn Program>)>,
    pub groups: Vec<Group>,
    /// The sink of devices that name no connection, and of what rules publish.
    pub default_sink: Name,
}

/// Why a set of deployments cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("two deployments are named `{0}`")]
    Twice(Name),
    #[error("deployment `{deployment}`, trigger `{trigger}`: {error}")]
    Schedule { deployment: Name, trigger: Name, error: TimesError },
    #[error("deployment `{deployment}`, trigger `{trigger}`: {error}")]
    Area { deployment: Name, trigger: Name, error: AreaError },
    #[error("deployment `{deployment}`, trigger `{trigger}`: role `{role}` is not bound")]
    Role { deployment: Name, trigger: Name, role: Name },
    #[error(
        "deployment `{deployment}`: its state was written by `state-version` {stored}, the package has {wanted}, and \
         migrations do not run yet; deploy a package with `state-version` {stored}, or give the deployment another name \
         and begin with empty state"
    )]
    StateVersion { deployment: Name, stored: u32, wanted: u32 },
}

pub(crate) struct Plan {
    pub(crate) partitions: u16,
    pub(crate) devices: Arc<Devices>,
    /// Sorted by name: the order in which they run.
    pub(crate) deployments: Vec<Planned>,
    pub(crate) groups: BTreeMap<Name, Group>,
    pub(crate) default_sink: Name,
    /// The partitions that see a device: its home first, then those of single keys that bind it.
    pub(crate) routes: FxHashMap<DeviceNo, SmallVec<[u16; 4]>>,
    /// The partitions in which some rule listens to raw messages.
    pub(crate) message_partitions: Vec<u16>,
    /// The partitions in which some rule listens to an emission, by its name.
    pub(crate) listeners: BTreeMap<Name, Vec<u16>>,
    /// Which deployments keep histories of a device, in order.
    pub(crate) histories: FxHashMap<DeviceNo, Vec<u32>>,
    /// What is in force, as the journal names it.
    pub(crate) configuration: Stored,
    /// Topics that belong to devices: no rule may publish there.
    device_topics: Vec<Name>,
}

pub(crate) struct Planned {
    pub(crate) spec: Arc<Deployment>,
    pub(crate) program: Arc<dyn Program>,
    /// `id@version`, as decisions name the rule.
    pub(crate) rule: Name,
    pub(crate) triggers: Vec<PlannedTrigger>,
}

pub(crate) struct PlannedTrigger {
    pub(crate) spec: Trigger,
    /// Changes when the predicate, role or kind does: state with another fingerprint starts anew.
    pub(crate) fingerprint: u64,
    pub(crate) times: Option<Times>,
    pub(crate) fence: Option<Arc<Fence>>,
}

impl Plan {
    pub(crate) fn new(setup: Setup) -> Result<Self, SetupError> {
        let configuration = Stored::new(setup.configuration());
        let mut deployments =
            setup.deployments.into_iter().map(|(spec, program)| plan(spec, program)).collect::<Result<Vec<_>, _>>()?;
        deployments.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        if let Some(pair) = deployments.windows(2).find(|pair| pair[0].spec.name == pair[1].spec.name) {
            return Err(SetupError::Twice(pair[0].spec.name.clone()));
        }
        let device_topics =
            setup.devices.iter().flat_map(|device| device.topics().cloned().collect::<Vec<_>>()).collect();
        let mut plan = Self {
            partitions: setup.partitions.max(1),
            groups: setup.groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
            default_sink: setup.default_sink,
            devices: setup.devices,
            deployments,
            routes: FxHashMap::default(),
            message_partitions: Vec::new(),
            listeners: BTreeMap::new(),
            histories: FxHashMap::default(),
            configuration,
            device_topics,
        };
        plan.lay_routes();
        Ok(plan)
    }

    fn lay_routes(&mut self) {
        let mut routes: FxHashMap<DeviceNo, SmallVec<[u16; 4]>> = FxHashMap::default();
        for device in self.devices.iter() {
            routes.entry(device.number).or_default().push(self.partition_of_site(&device.site));
        }
        let mut listening = Vec::new();
        let mut listeners: BTreeMap<Name, Vec<u16>> = BTreeMap::new();
        for (number, planned) in (0_u32..).zip(&self.deployments) {
            let spec = &planned.spec;
            for member in spec.roles.iter().flat_map(|role| &role.members) {
                let to = routes.entry(*member).or_default();
                if let Some(partition) = self.partition_for(spec, *member).filter(|partition| !to.contains(partition)) {
                    to.push(partition);
                }
                let keeping = self.histories.entry(*member).or_default();
                if !spec.histories.is_empty() && keeping.last() != Some(&number) {
                    keeping.push(number);
                }
            }
            let hears = |partition: &u16| !self.keys_in(spec, *partition).is_empty();
            for trigger in &spec.triggers {
                match &trigger.kind {
                    Kind::Message { .. } => listening.extend((0..self.partitions).filter(hears)),
                    Kind::Custom { name } => {
                        listeners.entry(name.clone()).or_default().extend((0..self.partitions).filter(hears));
                    }
                    _ => {}
                }
            }
        }
        for partitions in listeners.values_mut() {
            partitions.sort_unstable();
            partitions.dedup();
        }
        listening.sort_unstable();
        listening.dedup();
        self.histories.retain(|_, keeping| !keeping.is_empty());
        self.message_partitions = listening;
        self.listeners = listeners;
        self.routes = routes;
    }

    /// The partitions in which some rule listens to messages on this topic, in order.
    pub(crate) fn hearers(&self, topic: &str) -> Vec<u16> {
        let hears = |planned: &&Planned| {
            let mut kinds = planned.spec.triggers.iter().map(|trigger| &trigger.kind);
            kinds.any(|kind| matches!(kind, Kind::Message { filter, .. } if topic::matches(filter, topic)))
        };
        let hearing: Vec<_> = self.deployments.iter().filter(hears).collect();
        let mut partitions = self.message_partitions.clone();
        partitions.retain(|number| hearing.iter().any(|planned| !self.keys_in(&planned.spec, *number).is_empty()));
        partitions
    }

    /// The partition in which a key of a deployment lives.
    pub(crate) fn home_of_key(&self, deployment: &Deployment, key: &str) -> Option<u16> {
        match deployment.key {
            KeyKind::Device => Some(self.partition_of_site(&self.devices.named(key)?.site)),
            KeyKind::Site => Some(self.partition_of_site(key)),
            KeyKind::One => Some(self.partition_of_one(&deployment.name)),
            KeyKind::Person => None,
        }
    }

    /// The partition of a site, and so of its devices and of their keys.
    pub(crate) fn partition_of_site(&self, site: &str) -> u16 {
        partition_of_site(site, self.partitions)
    }

    pub(crate) fn partition_of_device(&self, device: DeviceNo) -> Option<u16> {
        Some(self.partition_of_site(&self.devices.get(device)?.site))
    }

    /// The partition in which a deployment sees a device.
    pub(crate) fn partition_for(&self, deployment: &Deployment, device: DeviceNo) -> Option<u16> {
        match deployment.key {
            KeyKind::Device | KeyKind::Site => self.partition_of_device(device),
            KeyKind::One => Some(self.partition_of_one(&deployment.name)),
            KeyKind::Person => None,
        }
    }

    /// The partition of the only key of a deployment whose key is `one`.
    pub(crate) fn partition_of_one(&self, deployment: &str) -> u16 {
        partition_of_one(deployment, self.partitions)
    }

    /// The partition in which keys of notifications to a group are kept.
    pub(crate) fn partition_of_group(&self, group: &str) -> u16 {
        partition_of(b"group", group, self.partitions)
    }

    /// The partitions in which effects of a deployment are decided.
    pub(crate) fn partitions_of_effects(&self, deployment: &Deployment) -> BTreeSet<u16> {
        let members = deployment.roles.iter().flat_map(|role| &role.members);
        let mut partitions: BTreeSet<u16> = members.filter_map(|member| self.partition_of_device(*member)).collect();
        if !deployment.grants.notifications.is_empty() {
            partitions.extend(self.groups.keys().map(|group| self.partition_of_group(group)));
        }
        partitions
    }

    /// The key that an event of this device has for this deployment.
    pub(crate) fn key_of(&self, deployment: &Deployment, device: DeviceNo) -> Option<Name> {
        let device = self.devices.get(device)?;
        match deployment.key {
            KeyKind::Device => Some(device.id.clone()),
            KeyKind::Site => Some(device.site.clone()),
            KeyKind::One => Some(Name::from("one")),
            KeyKind::Person => None,
        }
    }

    /// The keys that a deployment has in a partition, in order.
    pub(crate) fn keys_in(&self, deployment: &Deployment, partition: u16) -> Vec<Name> {
        if deployment.key == KeyKind::One {
            let here = self.partition_of_one(&deployment.name) == partition;
            return here.then(|| Name::from("one")).into_iter().collect();
        }
        let members = deployment.roles.iter().flat_map(|role| &role.members);
        let mut keys: Vec<Name> = members
            .filter(|member| self.partition_of_device(**member) == Some(partition))
            .filter_map(|member| self.key_of(deployment, *member))
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Whether a topic is one on which some device is commanded or heard.
    pub(crate) fn is_device_topic(&self, name: &str) -> bool {
        self.device_topics.iter().any(|filter| topic::matches(filter, name))
    }

    pub(crate) fn deployment_named(&self, name: &str) -> Option<u32> {
        let index = self.deployments.binary_search_by(|planned| (*planned.spec.name).cmp(name)).ok()?;
        u32::try_from(index).ok()
    }
}

/// The partition in which a site's devices and their keys live.
#[must_use]
pub fn partition_of_site(site: &str, partitions: u16) -> u16 {
    partition_of(b"site", site, partitions)
}

/// The partition in which the only key of a deployment with key `one` lives.
#[must_use]
pub fn partition_of_one(deployment: &str, partitions: u16) -> u16 {
    partition_of(b"one", deployment, partitions)
}

fn partition_of(kind: &[u8], name: &str, partitions: u16) -> u16 {
    u16::try_from(Id::of(&[kind, name.as_bytes()]).fold() % u64::from(partitions.max(1)))
        .expect("a remainder of a u16 fits a u16")
}

fn plan(spec: Arc<Deployment>, program: Arc<dyn Program>) -> Result<Planned, SetupError> {
    let mut triggers = Vec::with_capacity(spec.triggers.len());
    for trigger in &spec.triggers {
        if let Some(role) = trigger.role.as_ref().filter(|role| spec.role(role).is_none()) {
            return Err(SetupError::Role {
                deployment: spec.name.clone(),
                trigger: trigger.name.clone(),
                role: role.clone(),
            });
        }
        let times = Times::of(&trigger.kind).map_err(|error| SetupError::Schedule {
            deployment: spec.name.clone(),
            trigger: trigger.name.clone(),
            error,
        })?;
        let fence = match &trigger.kind {
            Kind::Zone(zone) => Some(Arc::new(fence(zone).map_err(|error| SetupError::Area {
                deployment: spec.name.clone(),
                trigger: trigger.name.clone(),
                error,
            })?)),
            _ => None,
        };
        triggers.push(PlannedTrigger { spec: trigger.clone(), fingerprint: fingerprint(trigger), times, fence });
    }
    let rule = Name::from(spec.package.to_string());
    Ok(Planned { spec, program, rule, triggers })
}

fn fence(zone: &Zone) -> Result<Fence, AreaError> {
    if zone.margin > limits::ZONE_METRES {
        return Err(AreaError::Margin);
    }
    Fence::new(&zone.area)
}

/// What a trigger's state depends on: its role, kind and predicate, but not its durations, so that a changed `for`
/// keeps `since`.
fn fingerprint(trigger: &Trigger) -> u64 {
    let role = trigger.role.as_deref().unwrap_or_default();
    let basis = match &trigger.kind {
        Kind::Threshold { when, clear, .. } => format!("{when:?} {clear:?}"),
        Kind::Held { when, .. } => format!("{when:?}"),
        Kind::Reading { capability, .. } => format!("{capability:?}"),
        Kind::Change { capability, from, to, .. } => format!("{capability:?} {from:?} {to:?}"),
        Kind::Schedule(schedule) => format!("{} {}", schedule.cron, schedule.zone),
        Kind::Sun(sun) => format!("{:?} {} {}", sun.event, sun.latitude, sun.longitude),
        Kind::Message { filter, key_from, .. } => format!("{filter} {key_from:?}"),
        Kind::Custom { name } => name.to_string(),
        Kind::Zone(zone) => format!("{:?} {:?}", zone.capability, zone.area),
        Kind::Window(window) => {
            let frame = match &window.frame {
                Frame::Sliding { .. } => "sliding".to_owned(),
                Frame::Session { .. } => "session".to_owned(),
                Frame::Count { .. } => "count".to_owned(),
                Frame::State { during } => format!("{during:?}"),
            };
            let Window { capability, aggregate, when, by, .. } = &**window;
            format!("{capability:?} {aggregate:?} {when:?} {by:?} {frame}")
        }
        Kind::Silence { .. } | Kind::Availability { .. } => String::new(),
    };
    Id::of(&[trigger.kind.word().as_bytes(), role.as_bytes(), basis.as_bytes()]).fold()
}
