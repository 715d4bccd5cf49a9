//! A life: one run of the host from its start to its end, over the files that the one before has left. Wired as the
//! program wires itself, over other sources, sinks, clock and medium.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use delivery::{Dispatcher, Sink};
use engine::{Engine, Meter, Persistence, Turn, Wall};
use host::past::Past;
use host::pipeline::Pipeline;
use host::system_clock::{Clocks, SystemClock};
use host::{caught_up, outward, own};
use ingest::devices::Shared;
use ingest::inlet;
use ingest::mqtt::{Address, Connection, Options, Version};
use ingest::{DeviceMap, Ids, Intake};
use model::{Instant, Name};
use store::{Medium, Reader, Store, Writer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::broker::{Broker, Client};
use crate::gate::Gate;
use crate::plan::Plan;
use crate::rules::{self, BROKER, HOOK};
use crate::sinks::{Beyond, Simulated};
use crate::world::{BEGIN, World};

/// Bytes that wait for the engine: little, so that the driver is held back too.
const INLET_BYTES: usize = 8 * 1_024;
/// Results of sinks that wait for the engine.
const RESULTS: usize = 64;

/// What every life is made of.
pub(crate) struct Surroundings<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) world: &'a World,
    pub(crate) broker: &'a Arc<Broker>,
    pub(crate) beyond: &'a Arc<Beyond>,
    /// In a deliberately broken run: the outbox is read the wrong way round.
    pub(crate) reversed: bool,
}

pub(crate) struct Life {
    pub(crate) pipeline: Pipeline,
    pub(crate) gate: Arc<Gate>,
    pub(crate) reader: Reader,
    /// Turns that were handed to the store.
    pub(crate) submitted: u64,
    told: Arc<AtomicU64>,
    writer: Writer,
    connection: Connection,
    tasks: Vec<JoinHandle<()>>,
}

impl Life {
    pub(crate) fn begin(folder: &Path, around: &Surroundings<'_>) -> Self {
        let gate = Arc::new(Gate::default());
        let medium = Medium { faults: Some(gate.clone()), ..Medium::default() };
        let options = store::Options { partitions: around.plan.partitions, ..store::Options::default() };
        let store = Store::open_on(folder, &options, medium).expect("a store that crashed opens again");
        let start = store.start_number();
        let past = Past::read(&store).expect("a store that crashed can be read");
        let alive = past.alive();
        let beyond = Arc::clone(around.beyond);
        let clock = Arc::new(SystemClock::over(Box::new(move || clocks(&beyond)), alive.unwrap_or_default()));
        let doubted = clock.standing().held;
        number_devices(&store, around.world);
        let (writer, reader) = store.into_writer();
        let mut engine =
            Engine::new(rules::setup(around.plan, around.world), Persistence::Store).expect("a valid setup");
        past.give_to(&mut engine).expect("our own rows");

        let (inlet, outlet) = inlet::channel(INLET_BYTES);
        let ids = Ids::new(Name::from("host"), start);
        let engine_ids = Ids::new(Name::from("engine"), start);
        inlet
            .try_put(own::started(&ids, "simulated", engine.configuration(), doubted, alive))
            .expect("an empty inlet has room");
        let (results_in, results) = mpsc::channel(RESULTS);
        let life = around.beyond.revive();
        let sink = |name: &str| Arc::new(Simulated::new(name, around.beyond, life)) as Arc<dyn Sink>;
        let (waiting, reversed, now) = (reader.clone(), around.reversed, Arc::clone(&clock));
        let (dispatcher, sinks) = Dispatcher::new(delivery::Options {
            sinks: vec![sink(BROKER), sink(HOOK)],
            // Read right here: on a thread of its own it would end sooner or later, but not at the same moment each time.
            source: Arc::new(move |limit: usize| {
                let rows = outward::waiting(&waiting, limit);
                std::future::ready(rows.map(|mut rows| {
                    if reversed {
                        rows.reverse();
                    }
                    rows
                }))
            }),
            results: results_in,
            clock: Arc::new(move || now.now()),
            gate: Some(outward::gate(reader.clone())),
        });
        let told: Arc<AtomicU64> = Arc::default();
        let (hinted, counted): (OnceLock<delivery::Handle>, _) = (OnceLock::from(sinks.clone()), Arc::clone(&told));
        let committed = Arc::new(move |turn: &Turn| {
            if let Some(sinks) = hinted.get() {
                outward::hint(sinks, turn);
            }
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let map = Shared::new(DeviceMap::new((*around.world.devices).clone(), []));
        let intake = Intake::new(Ids::new(Name::from("sim"), start), map);
        let connection = Connection::over(Client::new(around.broker.clone()), mqtt_options(), intake, inlet.clone());
        let tasks = vec![
            tokio::spawn(dispatcher.run()),
            tokio::spawn(outward::take_results(results, inlet.clone(), ids.clone(), sinks)),
            tokio::spawn(caught_up::watch(vec![connection.status().clone()], inlet, ids)),
        ];
        let (wall, meter, writer_too) = (Wall::default(), Meter::default(), writer.clone());
        let pipeline = Pipeline {
            engine,
            outlet,
            writer: writer_too,
            clock,
            ids: engine_ids,
            wall,
            doubted,
            meter,
            signed: alive.unwrap_or_default(),
            linger: Duration::ZERO,
            committed,
        };
        Self { pipeline, gate, reader, submitted: 0, told, writer, connection, tasks }
    }

    /// Turns that the store has and has not told about.
    pub(crate) fn outstanding(&self) -> u64 {
        self.submitted - self.told.load(Ordering::SeqCst)
    }

    /// Takes what is ready and runs a turn.
    pub(crate) fn turn(&mut self, inputs_max: usize) {
        let handed = self.pipeline.turn(inputs_max).expect("the store runs while the host lives");
        self.submitted += handed;
    }

    /// Ends on the spot. Whatever was not on disk is gone.
    pub(crate) fn end(self) {
        self.gate.end();
        self.tasks.iter().for_each(JoinHandle::abort);
        self.connection.abort();
        drop(self.pipeline);
        // What it could not write was never acknowledged.
        let _ = self.writer.stop();
    }
}

fn clocks(beyond: &Beyond) -> Clocks {
    let elapsed = i64::try_from(beyond.elapsed().0).expect("a run is short");
    Clocks { wall: Instant(BEGIN + elapsed + beyond.wall_offset()), boot: elapsed }
}

fn number_devices(store: &Store, world: &World) {
    let ids: Vec<Name> = world.devices.iter().map(|device| device.id.clone()).collect();
    let numbers = store.number_devices(&ids).expect("a store that crashed can be written");
    let own: Vec<_> = world.devices.iter().map(|device| device.number).collect();
    assert_eq!(numbers, own, "devices keep their numbers");
}

fn mqtt_options() -> Options {
    Options {
        address: Address { host: "simulated".to_owned(), port: 1, tls: false },
        version: Version::V5,
        client_id: Name::from("sim-in"),
        subscribe: vec![Name::from("world/+")],
        subscribed: None,
        credentials: None,
        tls: ingest::mqtt::Tls::default(),
    }
}
