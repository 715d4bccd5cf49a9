//! Cases: everything that is needed to run one step again elsewhere, and running it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::deployment::PackageDigest;
use model::device::{Actions, Confirm, Device, Devices};
use model::guest::{Failure, Handled, Instance, Program};
use model::{Attributes, Deployment, DeviceNo, Event, Instant, Name, Proposal, Value, limits};
use serde::{Deserialize, Serialize};

use crate::history::{Bucket, Series};
use crate::partition::Partition;
use crate::plan::{Plan, Setup, SetupError};
use crate::rows;
use crate::state::{Entry, KeyState};
use crate::step::{Wake, acceptable};
use crate::twin::Twin;
use crate::world::{LogLine, World};

/// The version of the case's form that this program writes.
pub const CASE_VERSION: u32 = 1;

/// A step with its world: a dead letter's evidence, and a file in the hands of a rule's author.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Case {
    /// [`CASE_VERSION`] when it was written.
    pub case: u32,
    /// The version of the engine that wrote it.
    pub engine: Name,
    /// `id@version`.
    pub rule: Name,
    pub digest: PackageDigest,
    pub deployment: Deployment,
    pub event: Event,
    /// Tries before this one.
    pub attempt: u32,
    /// The partition's clock: the only "now" of the call.
    pub now: Instant,
    pub failure: CaseFailure,
    /// The key's state before the step.
    pub state: BTreeMap<Name, Entry>,
    /// Values of the state, where all of it is left out because it is larger than a case may be, or because the step
    /// never ran.
    #[serde(default)]
    pub state_left_out: usize,
    pub devices: Vec<CaseDevice>,
    /// Members that are left out, because there are more than a case holds, or because the step never ran.
    #[serde(default)]
    pub devices_left_out: usize,
    pub twins: Vec<Twin>,
    pub histories: Vec<CaseHistory>,
}

/// How the step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFailure {
    pub reason: Name,
    pub message: Name,
}

/// A device as far as a rule can see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseDevice {
    pub number: DeviceNo,
    pub id: Name,
    pub kind: Name,
    pub site: Name,
    pub about: Attributes,
}

/// The buckets of one declared window of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseHistory {
    pub device: DeviceNo,
    /// Its place among the manifest's histories.
    pub number: u16,
    pub buckets: Vec<(i64, Bucket)>,
    pub last: Option<(Instant, f64)>,
}

/// What a step did when it ran again.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerun {
    pub result: Result<Vec<Proposal>, Failure>,
    /// Values written, and names removed.
    pub writes: BTreeMap<Name, Option<Value>>,
    pub logs: Vec<LogLine>,
    pub fuel: u64,
}

/// Why a case cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("the case is of version {found}, this program reads up to {CASE_VERSION}")]
    Newer { found: u32 },
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// How much of the step's world a case holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    devices: usize,
    state: bool,
}

impl Extent {
    const WHOLE: Self = Self { devices: limits::CASE_DEVICES, state: true };
    /// What a case comes down to that is too large.
    const SMALLER: [Self; 3] = [
        Self { devices: 1, state: true },
        Self { devices: limits::CASE_DEVICES, state: false },
        Self { devices: 1, state: false },
    ];
    /// The event and its deployment.
    const EVENT: Self = Self { devices: 0, state: false };
}

impl Partition {
    /// The case of a step that failed, before anything of it is kept, as it is stored.
    pub(crate) fn case(&self, wake: &Wake, reason: &str, message: &str) -> Box<[u8]> {
        let all = [Extent::WHOLE].into_iter().chain(Extent::SMALLER);
        // A state that is too large is not even copied.
        let fitting = all.filter(|extent| !extent.state || self.case_state(wake).1 <= limits::CASE_BYTES);
        let mut cases = fitting.map(|extent| rows::encode_named(&self.case_of(wake, reason, message, extent)));
        let fits = cases.find(|case| case.len() <= limits::CASE_BYTES);
        fits.unwrap_or_else(|| self.case_of_event(wake, reason, message))
    }

    /// The case of a step that never ran: its event alone.
    pub(crate) fn case_of_event(&self, wake: &Wake, reason: &str, message: &str) -> Box<[u8]> {
        rows::encode_named(&self.case_of(wake, reason, message, Extent::EVENT))
    }

    /// The state of the step's key, and what it weighs.
    fn case_state(&self, wake: &Wake) -> (Option<&KeyState>, usize) {
        let spec = &self.plan.deployments[wake.deployment as usize].spec;
        let state = self.view().states.get(&(spec.name.clone(), wake.event.key.clone()));
        let weight = state.into_iter().flatten().map(|(name, entry)| name.len() + entry.value.weight()).sum();
        (state, weight)
    }

    fn case_of(&self, wake: &Wake, reason: &str, message: &str, extent: Extent) -> Case {
        let planned = &self.plan.deployments[wake.deployment as usize];
        let spec = &planned.spec;
        let world = self.view();
        let (state, _) = self.case_state(wake);
        let (members, devices_left_out) = self.case_members(wake, extent.devices);
        let device = |number: &DeviceNo| {
            let device = self.plan.devices.get(*number)?;
            Some(CaseDevice {
                number: *number,
                id: device.id.clone(),
                kind: device.kind.clone(),
                site: device.site.clone(),
                about: device.about.clone(),
            })
        };
        let histories = (0_u16..).zip(&spec.histories).flat_map(|(number, _)| {
            let series = |device: &DeviceNo| {
                let series = world.histories.get(&(spec.name.clone(), *device, number))?;
                Some(CaseHistory { device: *device, number, buckets: series.buckets(), last: series.last() })
            };
            members.iter().filter_map(series).collect::<Vec<_>>()
        });
        Case {
            case: CASE_VERSION,
            engine: Name::from(env!("CARGO_PKG_VERSION")),
            rule: planned.rule.clone(),
            digest: spec.package.digest,
            deployment: (**spec).clone(),
            event: wake.event.clone(),
            attempt: wake.attempt,
            now: self.clock,
            failure: CaseFailure { reason: Name::from(reason), message: Name::from(message) },
            state: state.filter(|_| extent.state).cloned().unwrap_or_default(),
            state_left_out: state.filter(|_| !extent.state).map_or(0, KeyState::len),
            devices: members.iter().filter_map(device).collect(),
            devices_left_out,
            histories: histories.collect(),
            twins: members.iter().filter_map(|member| world.twins.get(member)).cloned().collect(),
        }
    }

    /// The members of a deployment's roles, the event's own device first, as many as a case holds.
    fn case_members(&self, wake: &Wake, most: usize) -> (Vec<DeviceNo>, usize) {
        let spec = &self.plan.deployments[wake.deployment as usize].spec;
        let own = wake.event.cause.device().and_then(|id| self.plan.devices.named(id)).map(|device| device.number);
        let mut members: Vec<DeviceNo> = own.into_iter().collect();
        let rest = spec.roles.iter().flat_map(|role| &role.members).filter(|member| Some(**member) != own);
        let mut rest: Vec<DeviceNo> = rest.copied().collect();
        // Devices of another partition are not known here.
        rest.retain(|member| self.plan.partition_for(spec, *member) == Some(self.number));
        rest.sort_unstable();
        rest.dedup();
        members.append(&mut rest);
        let left_out = members.len().saturating_sub(most);
        members.truncate(most);
        (members, left_out)
    }
}

impl Case {
    /// Runs the step on a fresh instance in the case's own world. Nothing of it can reach anything.
    ///
    /// # Errors
    /// When the case is of a newer version or its deployment cannot be laid out.
    pub fn run(&self, program: &Arc<dyn Program>) -> Result<Rerun, CaseError> {
        if self.case > CASE_VERSION {
            return Err(CaseError::Newer { found: self.case });
        }
        // A step needs no trigger: what woke it stands in its event.
        let spec = Arc::new(Deployment { triggers: Vec::new(), ..self.deployment.clone() });
        let setup = Setup {
            partitions: 1,
            devices: Arc::new(Devices::new(self.devices.iter().map(CaseDevice::whole))),
            deployments: vec![(Arc::clone(&spec), Arc::clone(program))],
            groups: Vec::new(),
            default_sink: Name::from(""),
        };
        let mut world = World::new(Arc::new(Plan::new(setup)?));
        world.twins = self.twins.iter().map(|twin| (twin.device, twin.clone())).collect();
        world.states.insert((spec.name.clone(), self.event.key.clone()), self.state.clone());
        for history in &self.histories {
            let place = (spec.name.clone(), history.device, history.number);
            world.histories.insert(place, Series::of(&history.buckets, history.last));
        }
        world.begin(&spec, &self.event.key, &self.event.id, self.now);
        match program.instantiate() {
            Ok(instance) => Ok(rerun(instance, &spec, &self.event, Box::new(world)).0),
            Err(failure) => Ok(Rerun { result: Err(failure), writes: BTreeMap::new(), logs: Vec::new(), fuel: 0 }),
        }
    }
}

/// Runs one event on an instance over a world that was set up for it; gives the world back.
pub(crate) fn rerun(
    mut instance: Box<dyn Instance>,
    spec: &Deployment,
    event: &Event,
    world: Box<World>,
) -> (Rerun, Box<World>) {
    let Handled { host, result, fuel } = instance.handle(event, world);
    let mut world: Box<World> = host.into_any().downcast().expect("an instance hands back what it was lent");
    let result = result.and_then(|proposals| acceptable(&spec.limits, world.call.writes.bytes(), proposals));
    let writes = if result.is_ok() { world.call.writes.values() } else { BTreeMap::new() };
    (Rerun { result, writes, logs: std::mem::take(&mut world.call.logs), fuel }, world)
}

impl CaseDevice {
    fn whole(&self) -> Device {
        Device {
            number: self.number,
            id: self.id.clone(),
            kind: self.kind.clone(),
            site: self.site.clone(),
            source: None,
            availability: None,
            commands: Actions::new(),
            confirm: Confirm::default(),
            about: self.about.clone(),
        }
    }
}
