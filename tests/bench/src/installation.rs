//! Installations to measure: devices of three readings each, rules that these concern, and rules that they do not.

use std::sync::Arc;

use engine::{Engine, Persistence, Setup, Turn};
use model::deployment::{Deployment, Grants, KeyKind, Lifecycle, Limits, PackageDigest, PackageRef, Role, World};
use model::device::{Actions, Confirm, Device, Devices};
use model::input::Body;
use model::trigger::{Gap, Kind, Predicate, Test};
use model::{
    Attributes, Capability, DeviceNo, Freshness, Input, Instant, Name, Quality, Reading, Span, Trigger, Value, limits,
};

use crate::native;

/// Readings of one kind that come before the device changes its mind: with three triggers that look at three
/// readings, each rule is woken by one event in a hundred.
pub const RUN: u64 = 100;
/// A device reports this often.
const PERIOD: Span = Span::from_secs(1);
/// Where the readings begin.
const START: Instant = Instant(1_700_000_000_000_000);

/// How often the three rules are woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wakes {
    /// A threshold, a hold and a change: each by one event in [`RUN`].
    #[default]
    Seldom,
    /// All three by each event.
    Always,
}

/// What is installed.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Devices that report in turn; each concerns the same three deployments.
    pub devices: u32,
    /// Deployments that look at a device which never reports.
    pub unconcerned: u32,
    pub wakes: Wakes,
    pub persistence: Persistence,
}

impl Default for Size {
    fn default() -> Self {
        Self { devices: 1, unconcerned: 0, wakes: Wakes::Seldom, persistence: Persistence::DecisionsOnly }
    }
}

/// An engine and the devices that feed it, without end.
pub struct Feed {
    engine: Engine,
    input: Input,
    devices: u64,
    number: u64,
    /// When the first event comes.
    start: Instant,
}

impl Feed {
    /// A feed whose devices have all reported, and whose triggers have all been through both of their states.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let mut feed = Self::cold(size);
        while feed.number < 2 * RUN * feed.devices.min(RUN) || feed.number < feed.devices {
            feed.turn(limits::TURN_INPUTS);
        }
        feed
    }

    /// A feed at its first event.
    ///
    /// # Panics
    /// Never: the installation is sound.
    #[must_use]
    pub fn cold(size: Size) -> Self {
        let engine = Engine::new(setup(size), size.persistence).expect("the installation is sound");
        Self { engine, input: input(), devices: u64::from(size.devices), number: 0, start: START }
    }

    /// The same with its first event at this instant.
    #[must_use]
    pub fn beginning(mut self, start: Instant) -> Self {
        self.start = start;
        self
    }

    /// One turn of `events` events.
    pub fn turn(&mut self, events: usize) -> Turn {
        for _ in 0..events {
            let at = self.make_event();
            self.engine.take(&self.input, at);
        }
        self.engine.finish()
    }

    /// Makes the next event, and returns when it comes.
    pub fn make_event(&mut self) -> Instant {
        let (at, device, high) = place(self.number, self.devices);
        self.number += 1;
        fill(&mut self.input, device, high);
        self.start + at.since(START)
    }

    /// The event that [`Feed::make_event`] made.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }
}

/// When event `number` comes, from which device, and whether its readings are high. Devices report in turn; each
/// changes after [`RUN`] reports, one device in [`RUN`] in each round.
#[must_use]
pub fn place(number: u64, devices: u64) -> (Instant, DeviceNo, bool) {
    let (round, device) = (number / devices, number % devices);
    let at = START + Span(number * PERIOD.0 / devices);
    let number = u32::try_from(device + 1).expect("devices are counted in u32");
    (at, DeviceNo(number), ((round + device) / RUN) % 2 == 1)
}

/// The devices: those that report, and one that does not.
#[must_use]
pub fn devices(count: u32) -> Devices {
    Devices::new((1..=count + 1).map(|number| Device {
        number: DeviceNo(number),
        id: format!("device-{number:05}").into(),
        kind: "sensor".into(),
        site: format!("site-{number:05}").into(),
        source: None,
        availability: None,
        commands: Actions::new(),
        confirm: Confirm::default(),
        about: Attributes::new(),
    }))
}

/// What an engine is built from.
#[must_use]
pub fn setup(size: Size) -> Setup {
    let members: Vec<_> = (1..=size.devices).map(DeviceNo).collect();
    let kinds = match size.wakes {
        Wakes::Seldom => [threshold(), held(), change()],
        Wakes::Always => [every(), every(), every()],
    };
    let concerned = (0..).zip(kinds).map(|(number, kind)| deployment(&format!("rule-{number}"), kind, members.clone()));
    let silent = DeviceNo(size.devices + 1);
    let others =
        (0..size.unconcerned).map(|number| deployment(&format!("other-{number:04}"), threshold(), vec![silent]));
    let program = native::program(native::quiet);
    Setup {
        partitions: limits::PARTITIONS,
        devices: Arc::new(devices(size.devices)),
        deployments: concerned.chain(others).map(|spec| (Arc::new(spec), Arc::clone(&program))).collect(),
        groups: Vec::new(),
        default_sink: "mqtt".into(),
    }
}

fn deployment(name: &str, kind: Kind, members: Vec<DeviceNo>) -> Deployment {
    Deployment {
        name: name.into(),
        package: PackageRef { id: "rule".into(), version: "1.0.0".into(), digest: PackageDigest([7; 32]) },
        world: World::Rule,
        key: KeyKind::Device,
        lifecycle: Lifecycle::Turn,
        state_version: 1,
        completions: Vec::new(),
        settings: "{}".into(),
        roles: vec![Role { name: "probe".into(), capabilities: Vec::new(), many: true, members, selector: None }],
        triggers: vec![Trigger { name: "wake".into(), role: Some("probe".into()), kind }],
        histories: Vec::new(),
        grants: Grants::default(),
        metrics: Vec::new(),
        limits: Limits::default(),
    }
}

fn capability(name: &str) -> Capability {
    Capability::named(name).expect("a well-formed name")
}

fn when(name: &str, test: Test) -> Predicate {
    Predicate::Test { role: None, capability: capability(name), test }
}

fn threshold() -> Kind {
    let clear = Some(when("temperature", Test::Below(23.0)));
    Kind::Threshold { when: when("temperature", Test::Above(25.0)), clear, snapshot: false, keep: false }
}

fn held() -> Kind {
    let when = when("humidity", Test::Above(60.0));
    let duration = Span::from_secs(5);
    Kind::Held {
        when,
        duration,
        stale: None,
        gap: Gap::Continue,
        gap_max: limits::GAP_MAX,
        snapshot: false,
        keep: false,
    }
}

fn change() -> Kind {
    Kind::Change { capability: capability("contact"), from: None, to: None, deadband: None, snapshot: false }
}

fn every() -> Kind {
    Kind::Reading { capability: None, snapshot: false, late: false }
}

/// An event of three readings, to be filled in.
#[must_use]
pub fn input() -> Input {
    let reading = |name: &str, unit: Option<&str>| Reading {
        capability: capability(name),
        value: Value::Boolean(false),
        unit: unit.map(Name::from),
        previous: None,
        quality: Quality::Good,
        attributes: Attributes::new(),
    };
    let readings = vec![reading("temperature", Some("Cel")), reading("humidity", Some("%")), reading("contact", None)];
    Input {
        id: "mqtt:home:12:345678".into(),
        source: "mqtt:home".into(),
        own_id: false,
        occurred_at: None,
        body: Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings },
        attributes: Attributes::new(),
        redelivery: None,
    }
}

/// Puts the values of one report into an event made by [`input`].
pub fn fill(input: &mut Input, from: DeviceNo, high: bool) {
    let Body::Observation { device, readings, .. } = &mut input.body else { return };
    *device = from;
    let values = if high { (30.0, 70.0) } else { (20.0, 40.0) };
    let values = [Value::Number(values.0), Value::Number(values.1), Value::Boolean(high)];
    readings.iter_mut().zip(values).for_each(|(reading, value)| reading.value = value);
}
