//! More work by the clock than the host can do: input gets through all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use engine::{Engine, Meter, Persistence, Setup, Wall};
use host::own;
use host::pipeline::Pipeline;
use host::system_clock::{Clocks, SystemClock};
use ingest::Ids;
use ingest::inlet::{self, Delivery, Inlet, Ticket};
use model::deployment::{Grants, KeyKind, Lifecycle, Limits, PackageDigest, PackageRef, Role, World};
use model::device::{Actions, Confirm, Device, Devices};
use model::effect::{Overdue, Timer};
use model::event::{Cause, Freshness, Reading};
use model::guest::{Failure, Handled, Host, Instance, Program, Validated};
use model::input::Body;
use model::trigger::Kind;
use model::{Capability, Deployment, DeviceNo, Effect, Event, Input, Instant, Name, Proposal, Span, Trigger, Value};

const BEGIN: i64 = 1_796_083_200_000_000;
/// Rules, each with as many timers as one event may set.
const RULES: usize = 5;
const TIMERS: usize = 60;
/// What one firing takes: all of them together take longer than the second after which they come again.
const FIRING: i64 = 4_000;
/// A host that lets only timers come would never end; this one does after so many firings.
const ENOUGH: u64 = 50_000;

/// The machine: time passes only while rules run.
#[derive(Default)]
struct Machine {
    elapsed: AtomicI64,
    firings: AtomicU64,
    /// Firings before the second reading.
    heard_after: AtomicU64,
}

/// Sets timers at the first reading; each of them comes again after a second.
struct Busy(Arc<Machine>);

impl Program for Busy {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        Ok(Box::new(Busy(Arc::clone(&self.0))))
    }
}

impl Instance for Busy {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, host: Box<dyn Host>) -> Handled {
        Handled { host, result: Ok(self.answer(event)), fuel: 0 }
    }
}

impl Busy {
    fn answer(&self, event: &Event) -> Vec<Proposal> {
        let again = |name: Name| Proposal {
            effect: Effect::SetTimer(Timer {
                name,
                due: event.received_at + Span::from_secs(1),
                overdue: Overdue::Fire,
                payload: None,
                attributes: Vec::new(),
            }),
            tag: None,
            because: None,
            attributes: Vec::new(),
        };
        match &event.cause {
            Cause::Timer(tick) => {
                self.0.elapsed.fetch_add(FIRING, Ordering::SeqCst);
                let firings = self.0.firings.fetch_add(1, Ordering::SeqCst);
                if firings < ENOUGH { vec![again(tick.name.clone())] } else { Vec::new() }
            }
            Cause::Observation(observation) if observation.readings[0].value == Value::Boolean(true) => {
                (0..TIMERS).map(|n| again(Name::from(n.to_string()))).collect()
            }
            _ => {
                self.0.heard_after.store(self.0.firings.load(Ordering::SeqCst), Ordering::SeqCst);
                Vec::new()
            }
        }
    }
}

fn rule(name: String) -> Deployment {
    Deployment {
        name: name.into(),
        package: PackageRef { id: "busy".into(), version: "1.0.0".into(), digest: PackageDigest([7; 32]) },
        world: World::Rule,
        key: KeyKind::Device,
        lifecycle: Lifecycle::Turn,
        state_version: 1,
        completions: Vec::new(),
        settings: "{}".into(),
        roles: vec![Role {
            name: "switch".into(),
            capabilities: Vec::new(),
            many: false,
            members: vec![DeviceNo(1)],
            selector: None,
        }],
        triggers: vec![Trigger {
            name: "reading".into(),
            role: Some("switch".into()),
            kind: Kind::Reading { capability: None, snapshot: false, late: false },
        }],
        histories: Vec::new(),
        grants: Grants { commands: Vec::new(), notifications: Vec::new(), publish: Vec::new(), emit: Vec::new() },
        metrics: Vec::new(),
        limits: Limits::default(),
    }
}

fn setup(machine: &Arc<Machine>) -> Setup {
    let switch = Device {
        number: DeviceNo(1),
        id: "switch".into(),
        kind: "switch".into(),
        site: "home".into(),
        source: None,
        availability: None,
        commands: Actions::new(),
        confirm: Confirm { within: Span::from_secs(5), retries: 0 },
        about: Vec::new(),
    };
    let busy =
        |n: usize| (Arc::new(rule(format!("busy-{n}"))), Arc::new(Busy(Arc::clone(machine))) as Arc<dyn Program>);
    Setup {
        partitions: 1,
        devices: Arc::new(Devices::new([switch])),
        deployments: (0..RULES).map(busy).collect(),
        groups: Vec::new(),
        default_sink: "none".into(),
    }
}

fn report(inlet: &Inlet, ids: &Ids, on: bool) {
    let reading = Reading {
        capability: Capability::named("switch").expect("a name"),
        value: Value::Boolean(on),
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    let body = Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![reading] };
    let input: Input = own::input(ids, body);
    inlet.try_put(Delivery::new(vec![input], 100, Ticket::none())).expect("an empty inlet has room");
}

#[test]
fn timers_that_come_faster_than_they_run_let_input_through() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = store::Options { partitions: 1, ..store::Options::default() };
    let (writer, _reader) = store::Store::open(folder.path(), &options).expect("a new store").into_writer();
    let machine = Arc::new(Machine::default());
    let engine = Engine::new(setup(&machine), Persistence::Store).expect("a setup");
    let (inlet, outlet) = inlet::channel(64 * 1_024);
    let ids = Ids::new(Name::from("host"), 1);
    inlet.try_put(own::started(&ids, "test", engine.configuration(), false, None)).expect("an empty inlet has room");
    let elapsed = Arc::clone(&machine);
    let clocks = move || {
        let elapsed = elapsed.elapsed.load(Ordering::SeqCst);
        Clocks { wall: Instant(BEGIN + elapsed), boot: elapsed }
    };
    let mut pipeline = Pipeline {
        engine,
        outlet,
        writer: writer.clone(),
        clock: Arc::new(SystemClock::over(Box::new(clocks), Instant::default())),
        ids: ids.clone(),
        wall: Wall::default(),
        doubted: false,
        meter: Meter::default(),
        signed: Instant::default(),
        linger: Duration::ZERO,
        committed: Arc::new(|_| ()),
    };
    report(&inlet, &ids, true);
    pipeline.turn(256).expect("the store runs");
    assert_eq!(machine.firings.load(Ordering::SeqCst), 0, "nothing is due yet");
    // A second later all are due, and more are each time that those have fired.
    machine.elapsed.fetch_add(1_500_000, Ordering::SeqCst);
    report(&inlet, &ids, false);
    pipeline.turn(256).expect("the store runs");
    drop(pipeline);
    writer.stop().expect("the store stops");
    let heard_after = machine.heard_after.load(Ordering::SeqCst);
    let all = u64::try_from(RULES * TIMERS).expect("few");
    assert!((all..10 * all).contains(&heard_after), "the reading came after {heard_after} firings");
}
