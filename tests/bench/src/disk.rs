//! Bytes that a host makes the disk write for one event, at several rates at once: the hosts do not disturb each other,
//! since only bytes are counted.

#![expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]

use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use crate::broker::Broker;
use crate::host::{Programs, Setup, Sites};
use crate::load::Load;

/// Events a second. Each of so many rooms reports once a second, of ten once in ten.
const RATES: [u32; 4] = [1, 10, 100, 1_000];
const ROOMS_MIN: u32 = 10;
const LINGERS: [&str; 2] = ["0ms", "1s"];
/// A second in which every room reports before anything is counted.
const WARM_UP: u32 = 100;

/// Prints bytes for one event.
///
/// # Errors
/// When a host does not start or commands are missing.
pub fn print(program: &Path, seconds: u64) -> Result<()> {
    let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
    let broker = Broker::start(folder.path())?;
    let programs = Programs::prepare(program, folder.path())?;
    println!("bytes written for one event, {seconds} s each: the log alone, and with what moves it into the database");
    thread::scope(|scope| {
        let mut measuring = Vec::new();
        for linger in LINGERS {
            for rate in RATES {
                let (programs, folder, port) = (&programs, folder.path(), broker.port);
                measuring.push((linger, rate, scope.spawn(move || one(programs, folder, port, linger, rate, seconds))));
            }
        }
        for (linger, rate, thread) in measuring {
            let (log, whole) = thread.join().map_err(|_| anyhow!("a measurement failed"))??;
            println!("  linger {linger}, {rate} events/s: {log:.0}, {whole:.0}");
        }
        Ok(())
    })
}

fn one(programs: &Programs, folder: &Path, port: u16, linger: &str, rate: u32, seconds: u64) -> Result<(f64, f64)> {
    let name = format!("disk-{linger}-{rate}");
    let rooms = rate.max(ROOMS_MIN);
    let host = programs
        .start(&folder.join(&name), &Setup { linger, rooms, sites: Sites::of(rooms), ..Setup::new(&name, port) })?;
    let mut load = Load::connect(port, &name, rooms)?;
    load.steady(rate.max(WARM_UP), u64::from(rooms))?;
    let before = host.process.written()?;
    let events = u64::from(rate) * seconds;
    load.steady(rate, events)?;
    let log = host.process.written()? - before;
    let whole = host.process.finish()? - before;
    Ok((log as f64 / events as f64, whole as f64 / events as f64))
}
