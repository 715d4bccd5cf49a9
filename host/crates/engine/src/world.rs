//! The world of a partition: what a rule may ask during a call. Lent to the instance by value and handed back.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use model::guest::{Civil, HistoryProblem, Host, Known, Level, Pass, StateProblem, Summary};
use model::{Attributes, Capability, Deployment, DeviceNo, Id, Instant, Name, Span, Value, limits};
use rustc_hash::FxHashMap;

use crate::calendar;
use crate::history::Series;
use crate::plan::Plan;
use crate::state::{KeyState, Writes};
use crate::trace::{Read, Reads};
use crate::twin::Twin;

/// Twins, states and histories of one partition, and the call that is running.
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) twins: FxHashMap<DeviceNo, Twin>,
    /// By deployment's name and key.
    pub(crate) states: FxHashMap<(Name, Name), KeyState>,
    /// By deployment's name, device and number of the history in its manifest.
    pub(crate) histories: BTreeMap<(Name, DeviceNo, u16), Series>,
    pub(crate) call: Call,
}

/// One call of one rule.
pub(crate) struct Call {
    pub(crate) deployment: Option<Arc<Deployment>>,
    pub(crate) state_key: (Name, Name),
    /// The event's `received-at`.
    pub(crate) now: Instant,
    pub(crate) writes: Writes,
    /// Seed of the event's random numbers, and how many were drawn.
    pub(crate) seed: Id,
    drawn: u64,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) counts: Vec<(Name, u64)>,
    pub(crate) samples: Vec<(Name, f64)>,
    /// Filled only while somebody traces.
    pub(crate) reads: Reads,
}

impl Call {
    fn none() -> Self {
        let empty = Name::from("");
        Self {
            deployment: None,
            state_key: (empty.clone(), empty),
            now: Instant::default(),
            writes: Writes::default(),
            seed: Id::default(),
            drawn: 0,
            logs: Vec::new(),
            counts: Vec::new(),
            samples: Vec::new(),
            reads: None,
        }
    }

    /// Makes room for another call; what this one left is given to be put back.
    pub(crate) fn set_aside(&mut self) -> Self {
        std::mem::replace(self, Self::none())
    }
}

/// A line of a rule's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    pub deployment: Name,
    pub key: Name,
    pub level: Level,
    pub message: String,
    pub fields: Attributes,
}

impl World {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            twins: FxHashMap::default(),
            states: FxHashMap::default(),
            histories: BTreeMap::new(),
            call: Call::none(),
        }
    }

    /// Sets the scene for one call.
    pub(crate) fn begin(&mut self, deployment: &Arc<Deployment>, key: &Name, event: &str, now: Instant) {
        self.call.state_key = (deployment.name.clone(), key.clone());
        self.call.deployment = Some(Arc::clone(deployment));
        self.call.now = now;
        self.call.seed = Id::of(&[b"chance", deployment.name.as_bytes(), event.as_bytes()]);
        self.call.drawn = 0;
        self.call.writes.clear();
        self.call.counts.clear();
        self.call.samples.clear();
        if let Some(reads) = &mut self.call.reads {
            reads.get_mut().clear();
        }
    }

    pub(crate) fn twin(&mut self, device: DeviceNo) -> &mut Twin {
        self.twins.entry(device).or_insert_with(|| Twin::new(device))
    }

    fn deployment(&self) -> Option<&Arc<Deployment>> {
        self.call.deployment.as_ref()
    }

    /// A device that the running deployment binds.
    fn bound(&self, device: &str) -> Option<DeviceNo> {
        let number = self.plan.devices.named(device)?.number;
        self.deployment()?.role_of(number).map(|_| number)
    }
}

impl Host for World {
    fn settings(&self) -> &str {
        self.deployment().map_or("{}", |deployment| &deployment.settings)
    }

    fn last(&self, device: &str, capability: &str) -> Option<Known> {
        let known = self.known(device, capability);
        self.trace(|| Read::Device {
            device: Name::from(device),
            capability: Name::from(capability),
            known: known.clone(),
        });
        known
    }

    fn available(&self, device: &str) -> Option<(bool, Instant)> {
        let available = self.availability(device);
        self.trace(|| Read::Availability {
            device: Name::from(device),
            available: available.map(|(available, _)| available),
        });
        available
    }

    fn summarise(&self, device: &str, capability: &str, window: Span) -> Result<Option<Summary>, HistoryProblem> {
        self.trace(|| Read::History { device: Name::from(device), capability: Name::from(capability), window });
        let deployment = self.deployment().ok_or(HistoryProblem::NotDeclared)?;
        let device = self.bound(device).ok_or(HistoryProblem::NotDeclared)?;
        let role = deployment.role_of(device).ok_or(HistoryProblem::NotDeclared)?;
        let declared = |history: &model::deployment::History| {
            history.role == role.name && history.capability.name() == capability && window <= history.window
        };
        let (number, history) = (0_u16..)
            .zip(&deployment.histories)
            .find(|(_, history)| declared(history))
            .ok_or(HistoryProblem::NotDeclared)?;
        let last = self.twins.get(&device).and_then(|twin| twin.get(history.capability));
        if last.and_then(|held| held.value.as_ref()).is_some_and(|value| value.as_f64().is_none()) {
            return Err(HistoryProblem::NotNumeric);
        }
        let series = self.histories.get(&(deployment.name.clone(), device, number));
        Ok(series.and_then(|series| series.summarise(history, window, self.call.now)))
    }

    fn members(&self, role: &str) -> Vec<Name> {
        let members = self.deployment().and_then(|d| d.role(role)).map(|role| &*role.members).unwrap_or_default();
        members.iter().filter_map(|member| self.plan.devices.get(*member)).map(|device| device.id.clone()).collect()
    }

    fn about(&self, device: &str) -> Attributes {
        let Some(device) = self.bound(device).and_then(|number| self.plan.devices.get(number)) else {
            return Vec::new();
        };
        let mut about = vec![
            (Name::from("kind"), Value::Text(device.kind.clone())),
            (Name::from("site"), Value::Text(device.site.clone())),
        ];
        about.extend(device.about.iter().cloned());
        about
    }

    fn get(&self, name: &str) -> Option<Value> {
        let value = self.call.writes.get(self.states.get(&self.call.state_key), name, self.call.now).cloned();
        self.trace(|| Read::State { name: Name::from(name), value: value.clone() });
        value
    }

    fn set(&mut self, name: &str, value: Value, expires_at: Option<Instant>) -> Result<(), StateProblem> {
        self.call.writes.set(self.states.get(&self.call.state_key), name, value, expires_at)
    }

    fn remove(&mut self, name: &str) {
        self.call.writes.remove(name);
    }

    fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<Name> {
        self.call.writes.names(self.states.get(&self.call.state_key), prefix, after, limit, self.call.now)
    }

    fn local(&self, at: Instant, zone: &str) -> Option<Civil> {
        calendar::local(at, calendar::zone(zone)?)
    }

    fn instant_of(&self, local: Civil, zone: &str, pass: Pass) -> Option<Instant> {
        calendar::instant_of(local, calendar::zone(zone)?, pass)
    }

    fn chance(&mut self) -> u32 {
        let drawn = self.call.drawn;
        self.call.drawn += 1;
        (mix(self.call.seed.fold().wrapping_add(drawn.wrapping_mul(GOLDEN))) >> 32) as u32
    }

    fn log(&mut self, level: Level, message: &str, fields: Attributes) {
        let (deployment, key) = self.call.state_key.clone();
        self.call.logs.push(LogLine { deployment, key, level, message: message.to_owned(), fields });
    }

    fn count(&mut self, name: &str, by: u64) {
        if let Some(name) = self.metric(name) {
            self.call.counts.push((name, by));
        }
    }

    fn observe(&mut self, name: &str, sample: f64) {
        if let Some(name) = self.metric(name).filter(|_| sample.is_finite()) {
            self.call.samples.push((name, sample));
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl World {
    fn known(&self, device: &str, capability: &str) -> Option<Known> {
        let held = self.twins.get(&self.bound(device)?)?.get(Capability::known(capability)?)?;
        Some(held.into())
    }

    fn availability(&self, device: &str) -> Option<(bool, Instant)> {
        let twin = self.twins.get(&self.bound(device)?)?;
        match twin.available {
            Some(available) => Some((available, twin.available_since)),
            // A device that has no availability of its own counts as there once it has spoken.
            None => twin.newest.map(|newest| (true, newest)),
        }
    }

    /// Remembers what was read, where somebody traces.
    fn trace(&self, read: impl FnOnce() -> Read) {
        if let Some(reads) = &self.call.reads {
            reads.borrow_mut().push(read());
        }
    }

    /// A metric of that name, if the manifest declares it.
    fn metric(&self, name: &str) -> Option<Name> {
        let declared = self.deployment()?.metrics.iter().take(limits::METRICS).find(|metric| &***metric == name)?;
        Some(declared.clone())
    }
}

/// 2^64 divided by the golden ratio: the increment of the SplitMix64 generator.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
