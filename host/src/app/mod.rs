//! The composition root: reads the past, builds every part, connects them, and takes them down in the order in which
//! data flows. The only place that names all concrete types.

mod discovery;
mod room;
mod sinks;
mod sources;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use delivery::Dispatcher;
use engine::{Engine, Persistence, Turn, Wall};
use host::past::Past;
use host::pipeline::{Handle, Pipeline};
use host::system_clock::{SystemClock, boot};
use host::{caught_up, outward, own};
use ingest::inlet::{self, Delivery};
use ingest::{DeviceMap, Ids, Inlet, Intake};
use model::Name;
use prometheus_client::registry::Registry;
use sandbox::{Options as SandboxOptions, Pooling, Sandbox};
use server::{Server, State};
use store::Writer;
use tokio::sync::mpsc;

use crate::api;
use crate::installation::{self, Installation};

/// Bytes of messages that may wait for the engine: a second of a busy broker.
const INLET_BYTES: usize = 16 * 1024 * 1024;
/// Results of sinks that may wait for the engine.
const RESULTS: usize = 1_024;

/// Told of every committed turn.
pub(crate) type Observer = Arc<dyn Fn(&Turn) + Send + Sync>;

/// A host that is built and not yet told to stop.
pub(crate) struct App {
    parts: Parts,
    server: Server,
    broker: Option<SocketAddr>,
}

/// What runs, in the order in which it is stopped.
struct Parts {
    sources: sources::Sources,
    /// Publishes over the embedded broker, which stops with the sources.
    embedded: Option<delivery::sinks::mqtt::Publisher>,
    pipeline: Handle,
    engine: std::thread::JoinHandle<()>,
    dispatcher: delivery::Handle,
    sending: tokio::task::JoinHandle<()>,
    results: tokio::task::JoinHandle<()>,
    caught_up: tokio::task::JoinHandle<()>,
    writer: Writer,
}

impl App {
    /// Builds a host: opens the store, loads the packages, restores the engine, connects sources and sinks.
    ///
    /// # Errors
    /// When any of it cannot be: the store is locked or newer, a package does not run, an address is taken.
    pub(crate) async fn build(installation: Installation, observer: Option<Observer>) -> Result<Self> {
        let began = boot();
        let host = &installation.host;
        let store = room::open_store(host).await?;
        let start = store.start_number();
        let past = Past::read(&store)?;
        let alive = past.alive();
        let clock = Arc::new(SystemClock::starting_after(alive.unwrap_or_default()));
        let standing = clock.standing();
        if standing.held {
            tracing::warn!("{standing}");
        }
        let (writer, reader) = store.into_writer();
        let devices = Arc::new(discovery::known_devices(&installation, &writer, &reader)?);

        let sandbox = Sandbox::new(SandboxOptions { cache: Some(host.data.join("cache")), pooling: Pooling::Auto })?;
        let loaded = installation.load(&sandbox, installation.resolve(&devices)?)?;
        let setup = installation.setup(reader.partitions(), Arc::clone(&devices), &loaded);
        installation.keep_packages(&host.data.join(installation::PACKAGES))?;
        let mut engine = Engine::new(setup, Persistence::Store)?;
        installation.accept(&engine.cycles())?;
        past.give_to(&mut engine)?;
        engine.state_fits()?;
        engine.sample(engine::Sampler::share(installation.host.sampler));
        engine.remember_own_ids(own_ids(&installation.host.retention));

        let filters = installation::message_filters(loaded.iter().map(|loaded| &loaded.spec));
        let map = ingest::devices::Shared::new(DeviceMap::new((*devices).clone(), filters.clone()));
        let (inlet, outlet) = inlet::channel(INLET_BYTES);
        let host_ids = Ids::new(Name::from("host"), start);
        let version = env!("CARGO_PKG_VERSION");
        put_now(&inlet, own::started(&host_ids, version, engine.configuration(), standing.held, alive));

        let waiting = reader.clone();
        let (results_in, results_out) = mpsc::channel(RESULTS);
        let broker_data = host.data.join("broker");
        let live = Arc::new(api::Live::new(loaded, Arc::clone(&devices)));
        let installation = Arc::new(installation);
        let discovery =
            discovery::Discovery::new(Arc::clone(&installation), writer.clone(), map.clone(), Arc::clone(&live));
        let intake = |source: &str| {
            Intake::new(Ids::new(Name::from(source), start), map.clone()).with_discovery(discovery.discover())
        };

        let committed_sinks: Arc<std::sync::OnceLock<delivery::Handle>> = Arc::default();
        let pipeline = Pipeline {
            engine,
            outlet,
            writer: writer.clone(),
            clock: Arc::clone(&clock),
            ids: Ids::new(Name::from("engine"), start),
            wall: Wall::default(),
            doubted: standing.held,
            meter: engine::Meter::default(),
            signed: alive.unwrap_or_default(),
            linger: Duration::from_micros(installation.host.linger.0),
            committed: on_commit(Arc::clone(&committed_sinks), Arc::clone(&live), observer),
        };
        let (pipeline, engine) = pipeline.start().context("failed to start the engine's thread")?;
        discovery.connect(pipeline.clone());

        let http = intake(&ingest::http::source());
        let mut sources = sources::Sources::start(&installation, &filters, &broker_data, intake, &inlet).await?;
        sources.open(&reader, &live.devices()).await;
        let sinks = sinks::build(&installation, sources.broker_address(), &live)?;
        let now = Arc::clone(&clock);
        let (dispatcher, sending) = Dispatcher::new(delivery::Options {
            sinks: sinks.all,
            source: Arc::new(move |limit: usize| {
                let reader = waiting.clone();
                async move { tokio::task::spawn_blocking(move || outward::waiting(&reader, limit)).await? }
            }),
            results: results_in,
            clock: Arc::new(move || now.now()),
            gate: Some(outward::gate(reader.clone())),
        });
        // Set once, before anything can have been committed that concerns it twice.
        let _ = committed_sinks.set(sending.clone());
        let dispatching = tokio::spawn(dispatcher.run());
        let results =
            tokio::spawn(outward::take_results(results_out, inlet.clone(), host_ids.clone(), sending.clone()));
        let statuses = sources.statuses().into_iter().map(|(_, status)| status).collect();
        let caught_up = tokio::spawn(caught_up::watch(statuses, inlet.clone(), host_ids.clone()));

        let doors = api::Doors {
            inlet: inlet.clone(),
            intake: http,
            operator: Ids::new(Name::from("operator"), start),
            reader,
            writer: writer.clone(),
            live,
            statuses: sources.statuses(),
            links: sinks.links,
            pipeline: pipeline.clone(),
            sending: sending.clone(),
            retention: installation.host.retention,
            clock,
            began,
        };
        let server = bind(&installation, doors).await?;
        let broker = sources.broker_address();
        let parts = Parts {
            sources,
            embedded: sinks.embedded,
            pipeline,
            engine,
            dispatcher: sending,
            sending: dispatching,
            results,
            caught_up,
            writer,
        };
        Ok(Self { parts, server, broker })
    }

    /// Where the HTTP interface listens.
    pub(crate) fn api(&self) -> Option<SocketAddr> {
        self.server.address()
    }

    /// Where the embedded broker listens.
    pub(crate) fn broker(&self) -> Option<SocketAddr> {
        self.broker
    }

    /// Runs until `shutdown`, then stops in the order in which data flows: sources, engine, sinks, store.
    ///
    /// # Errors
    /// When the store could not write what was left.
    pub(crate) async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        self.server.run(shutdown).await;
        let parts = self.parts;
        parts.caught_up.abort();
        parts.embedded.iter().for_each(|publisher| publisher.expect_end());
        parts.sources.stop().await;
        parts.dispatcher.stop().await;
        parts.sending.abort();
        parts.results.abort();
        parts.pipeline.stop();
        let engine = parts.engine;
        tokio::task::spawn_blocking(move || engine.join())
            .await?
            .map_err(|_| anyhow::anyhow!("the engine's thread failed"))?;
        let writer = parts.writer;
        tokio::task::spawn_blocking(move || writer.stop()).await??;
        Ok(())
    }
}

fn store_options(host: &config::Host) -> store::Options {
    store::Options {
        partitions: host.partitions,
        retention: store::Retention {
            journal_age: host.retention.journal_age,
            journal_bytes: host.retention.journal_bytes,
            decisions_age: host.retention.decisions_age,
        },
    }
}

fn own_ids(retention: &config::Retention) -> engine::OwnIds {
    engine::OwnIds { age: retention.duplicates_age, count: retention.duplicates_count }
}

fn put_now(inlet: &Inlet, delivery: Delivery) {
    if inlet.try_put(delivery).is_err() {
        tracing::warn!("the engine did not take a record about the host itself");
    }
}

/// What a committed turn means to the outside: effects to send, effects that are done, news for whoever watches.
fn on_commit(
    sinks: Arc<std::sync::OnceLock<delivery::Handle>>,
    live: Arc<api::Live>,
    observer: Option<Observer>,
) -> Observer {
    Arc::new(move |turn: &Turn| {
        if let Some(sinks) = sinks.get() {
            outward::hint(sinks, turn);
        }
        live.committed(turn);
        if let Some(observer) = &observer {
            observer(turn);
        }
    })
}

async fn bind(installation: &Installation, doors: api::Doors) -> Result<Server> {
    let doors = Arc::new(doors);
    let mut registry = Registry::default();
    api::register(&mut registry, &doors);
    let state = State { intake: doors.clone(), views: doors.clone(), operator: doors };
    Ok(Server::bind(server_options(&installation.host, registry), state).await?)
}

fn server_options(host: &config::Host, registry: Registry) -> server::Options {
    server::Options {
        listen: Some(host.api),
        data: host.data.clone(),
        names: host.api_names.iter().map(ToString::to_string).collect(),
        registry,
    }
}
