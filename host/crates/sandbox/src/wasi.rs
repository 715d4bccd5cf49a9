//! The compatibility linker: WASI 0.2 with nothing behind it.
//!
//! The clocks show the event's time, random numbers repeat with the event, output goes to the rule's log. There are
//! no files, no environment, no arguments and no network. Nothing waits: what a guest would sleep for passes at once
//! on its own monotonic clock. Where the usual implementation would reach for an asynchronous runtime, the operating
//! system or real time, this module puts its own function in front of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::deployment::PackageDigest;
use model::guest::Level;
use model::{Event, Id};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::state::State;

mod output;
mod shadow;

pub(crate) use shadow::{add_to_linker, has};

/// The virtual world of one instance.
pub(crate) struct Virtual {
    ctx: WasiCtx,
    table: ResourceTable,
    digest: PackageDigest,
    /// Microseconds since 1970: the event's `received-at`; zero while the instance starts.
    wall: Arc<AtomicU64>,
    /// Nanoseconds: begins at the event's time and runs ahead of it by what the guest has slept.
    monotonic: Arc<AtomicU64>,
    /// State of the generator, seeded anew by each event.
    random: u64,
    output: Arc<Mutex<output::Output>>,
}

impl Virtual {
    /// For an instance of the package `digest` that may hold `handles` resources.
    pub(crate) fn new(digest: PackageDigest, handles: usize) -> Self {
        let (wall, monotonic) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut builder = WasiCtx::builder();
        builder
            .wall_clock(Wall(Arc::clone(&wall)))
            .monotonic_clock(Monotonic(Arc::clone(&monotonic)))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        let random = Id::of(&[&digest.0]).fold();
        Self { ctx: builder.build(), table, digest, wall, monotonic, random, output: Arc::default() }
    }

    /// Sets clocks and random numbers to what this event says.
    pub(crate) fn begin(&mut self, event: &Event) {
        let now = u64::try_from(event.received_at.0).unwrap_or(0);
        self.wall.store(now, Ordering::Relaxed);
        self.monotonic.fetch_max(now.saturating_mul(1_000), Ordering::Relaxed);
        self.random = Id::of(&[&self.digest.0, event.key.as_bytes(), event.id.as_bytes()]).fold();
    }

    /// What the guest has printed, line by line.
    pub(crate) fn take_output(&mut self) -> Vec<(Level, String)> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The next number of the sequence (the generator is `splitmix64`).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl State {
    /// What only the compatibility linker's functions ask for.
    fn virtual_wasi(&mut self) -> &mut Virtual {
        self.wasi.as_mut().expect("a program that imports WASI gives its instances a virtual one")
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.virtual_wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

struct Wall(Arc<AtomicU64>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

struct Monotonic(Arc<AtomicU64>);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
