//! Recovery: how long a host needs until it is ready again after a `kill -9`, with few and with many events behind it.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use engine::Persistence;
use model::{Span, limits};
use store::{Options, Store};

use crate::broker::free_port;
use crate::host::{Listening, Programs, SAMPLER, Setup, Sites};
use crate::installation::{Feed, Size};

/// Devices of the past, each with its twin and its triggers.
const DEVICES: u32 = 1_000;
/// Turns that may wait for the disk.
const AHEAD: usize = 64;
/// Starts of which the median is told.
const STARTS: usize = 5;

/// Prints how long a host takes to be ready where so many events were committed and the last one was cut off.
///
/// # Errors
/// When a host does not start.
pub fn print(program: &Path, events: u64) -> Result<()> {
    let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
    let programs = Programs::prepare(program, folder.path())?;
    let port = free_port()?;
    let setup = Setup {
        name: "past",
        broker: Listening::Embedded(port),
        linger: "0ms",
        rooms: 10,
        sites: Sites::One,
        deployments: 3,
        sampler: SAMPLER,
    };
    let host = folder.path().join("host");
    // The first start compiles the packages; the cache has them from then on.
    programs.start(&host, &setup)?.process.finish()?;
    std::fs::remove_dir_all(host.join("data/broker")).ok();
    for file in ["pointsman.db", "pointsman.db-wal", "pointsman.db-shm"] {
        std::fs::remove_file(host.join("data").join(file)).ok();
    }
    let data = host.join("data");
    let filled = Command::new(std::env::current_exe()?).arg("fill").arg(&data).arg(events.to_string()).status()?;
    ensure!(!filled.success(), "the filling process ended by itself");
    let size = |file: &str| std::fs::metadata(data.join(file)).map_or(0, |file| file.len()) / 1_000_000;
    let (database, log) = (size("pointsman.db"), size("pointsman.db-wal"));
    println!("{events} events behind it, {database} MB and {log} MB of log:");
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let running = programs.start(&host, &setup)?;
        times.push(begun.elapsed());
        // Dropped: killed once more.
        drop(running);
    }
    let first = times[0];
    times.sort_unstable();
    println!("  ready {} ms after the first kill -9, then {} ms", first.as_millis(), times[STARTS / 2].as_millis());
    Ok(())
}

/// Commits so many events of the last hours, and ends as if it were killed, with the last commits in the log.
///
/// # Errors
/// When the store cannot be written.
pub fn fill(folder: &Path, events: u64) -> Result<()> {
    let store = Store::open(folder, &Options::default())?;
    let (writer, _) = store.into_writer();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = model::Instant(i64::try_from(now.as_micros()).context("the clock is beyond its range")?);
    let size = Size { devices: DEVICES, persistence: Persistence::Store, ..Size::default() };
    let mut feed = Feed::cold(size).beginning(now.before(Span::from_hours(24)));
    let (written, done): (SyncSender<()>, _) = sync_channel(AHEAD);
    let turns = events.div_ceil(limits::TURN_INPUTS as u64);
    for turn in 0..turns {
        let written = written.clone();
        let commits = feed.turn(limits::TURN_INPUTS).commits;
        writer.submit(commits, Box::new(move || _ = written.send(())))?;
        if turn >= AHEAD as u64 / 2 {
            done.recv()?;
        }
    }
    while done.try_recv().is_ok() {}
    std::process::abort()
}
