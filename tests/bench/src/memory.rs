//! Memory of a host that has been idle for a minute: with three rules, for each further deployment, for each further key.

#![expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::broker::free_port;
use crate::host::{Listening, Programs, SAMPLER, Setup, Sites};
use crate::load::Load;

/// What a host settles in before it is looked at.
const IDLE: Duration = Duration::from_secs(60);
const RULES: u32 = 3;
const HOME: u32 = 10;
const MORE_RULES: u32 = 100;
const MORE_ROOMS: u32 = 9_990;

/// Prints the proportional set size of a host with its embedded broker, after every room has reported.
///
/// # Errors
/// When a host does not start or commands are missing.
pub fn print(program: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
    let programs = Programs::prepare(program, folder.path())?;
    let (compiled, home) = measure(&programs, folder.path(), "home", HOME, RULES)?;
    println!("memory of a host with {RULES} rules and {HOME} devices: {:.1} MB", home / 1e6);
    println!("  at its first start, when it compiled their package: {:.1} MB", compiled / 1e6);
    let (_, rules) = measure(&programs, folder.path(), "rules", HOME, RULES + MORE_RULES)?;
    println!("  for each further deployment: {:.0} bytes", (rules - home) / f64::from(MORE_RULES));
    let (_, rooms) = measure(&programs, folder.path(), "rooms", HOME + MORE_ROOMS, RULES)?;
    println!("  for each further device, a key of {RULES} rules: {:.0} bytes", (rooms - home) / f64::from(MORE_ROOMS));
    Ok(())
}

/// After the first start, and started again with what that has left: the package in the cache, and the past.
fn measure(programs: &Programs, folder: &Path, name: &str, rooms: u32, deployments: u32) -> Result<(f64, f64)> {
    let look = || -> Result<f64> {
        let port = free_port()?;
        let broker = Listening::Embedded(port);
        let sites = Sites::of(rooms);
        let setup = Setup { name, broker, linger: "0ms", rooms, sites, deployments, sampler: SAMPLER };
        let host = programs.start(&folder.join(name), &setup)?;
        Load::connect(port, name, rooms)?.publish(u64::from(rooms))?;
        std::thread::sleep(IDLE);
        let memory = host.process.memory()?;
        host.process.finish()?;
        Ok(memory as f64)
    };
    Ok((look()?, look()?))
}
