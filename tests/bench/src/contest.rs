//! End to end over a broker: hosts and baselines take the same load in turn.

#![expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within a list")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::broker::Broker;
use crate::host::{Programs, Setup, Sites};
use crate::load::{Load, ROOMS};
use crate::process::Process;
use crate::spread::Spread;

/// Events that warm a contestant up: every room twice.
pub const WARM_UP: u64 = 2 * ROOMS as u64;

/// The first contestants are baselines, the others hosts.
const BASELINES: usize = 2;

/// Hosts and baselines that wait for their turn, each with a load of its own.
pub struct Contest {
    contestants: Vec<Contestant>,
    // After those that would complain of its end.
    _broker: Broker,
    _folder: tempfile::TempDir,
}

/// A second host beside the one that is measured.
#[derive(Debug, Clone, Copy)]
pub enum Beside<'a> {
    Nothing,
    /// Waits so long for company before a commit.
    Lingering(&'a str),
    /// Runs no event again.
    Unsampled,
}

struct Contestant {
    label: &'static str,
    process: Process,
    load: Load,
}

impl Contest {
    /// Both baselines, the host, and a second one if one is wanted. All are warm.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn new(host: &Path, sites: Sites, beside: Beside<'_>) -> Result<Self> {
        let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
        let broker = Broker::start(folder.path())?;
        let programs = Programs::prepare(host, folder.path())?;
        let port = broker.port;
        let mut contestants = vec![
            Contestant::baseline("bare loop", "bare", port, None)?,
            Contestant::baseline("loop with commits", "grouped", port, Some(&folder.path().join("grouped.db")))?,
            Contestant::host("pointsman", &programs, folder.path(), &Setup { sites, ..Setup::new("host", port) })?,
        ];
        let second = match beside {
            Beside::Nothing => None,
            Beside::Lingering(linger) => {
                Some(("pointsman, lingering", Setup { linger, sites, ..Setup::new("lingering", port) }))
            }
            Beside::Unsampled => {
                Some(("pointsman, unsampled", Setup { sampler: 0.0, sites, ..Setup::new("unsampled", port) }))
            }
        };
        if let Some((label, setup)) = second {
            contestants.push(Contestant::host(label, &programs, folder.path(), &setup)?);
        }
        for contestant in &mut contestants {
            contestant.load.burst(WARM_UP)?;
        }
        Ok(Self { contestants, _broker: broker, _folder: folder })
    }

    /// Bursts of so many events, in turn: how many are done a second where more wait.
    ///
    /// # Errors
    /// When commands are missing.
    pub fn saturated(&mut self, rounds: usize, events: u64) -> Result<()> {
        let samples =
            self.rounds(rounds, |_, contestant| Ok(events as f64 / contestant.load.burst(events)?.as_secs_f64()))?;
        println!("saturated, {rounds} bursts of {events} events:");
        self.print(&samples, "events/s");
        Ok(())
    }

    /// A steady rate, in slices, in turn: processor time of one event, and how long its command takes.
    ///
    /// # Errors
    /// When commands are missing.
    pub fn steady(&mut self, rounds: usize, rate: u32, events: u64) -> Result<()> {
        let mut latencies: Vec<Vec<Duration>> = vec![Vec::new(); self.contestants.len()];
        let samples = self.rounds(rounds, |place, contestant| {
            let before = contestant.process.cpu()?;
            latencies[place].extend(contestant.load.steady(rate, events)?);
            let spent = contestant.process.cpu()?.saturating_sub(before);
            Ok(spent.as_secs_f64() * 1e6 / events as f64)
        })?;
        println!("{rate} events/s, {rounds} slices of {events} events:");
        self.print(&samples, "us of CPU an event");
        for (contestant, latencies) in self.contestants.iter().zip(&mut latencies) {
            print_latencies(contestant.label, latencies);
        }
        Ok(())
    }

    /// Every contestant in every round. Who begins changes: whoever goes first may find the machine colder.
    fn rounds(
        &mut self,
        rounds: usize,
        mut turn: impl FnMut(usize, &mut Contestant) -> Result<f64>,
    ) -> Result<Vec<Vec<f64>>> {
        let count = self.contestants.len();
        let mut samples = vec![Vec::with_capacity(rounds); count];
        for round in 0..rounds {
            for place in (0..count).map(|place| (place + round) % count) {
                samples[place].push(turn(place, &mut self.contestants[place])?);
            }
        }
        Ok(samples)
    }

    /// Each contestant's median, and that of the hosts' ratios to each baseline in the same round.
    fn print(&self, samples: &[Vec<f64>], unit: &str) {
        for (contestant, samples) in self.contestants.iter().zip(samples) {
            println!("  {:<20} {} {unit}", contestant.label, Spread::of(samples.clone()).whole());
        }
        for (host, own) in self.contestants.iter().zip(samples).skip(BASELINES) {
            for (baseline, base) in self.contestants.iter().zip(samples).take(BASELINES) {
                let ratios = own.iter().zip(base).map(|(own, base)| own / base).collect();
                println!("  {} / {}: {}", host.label, baseline.label, Spread::of(ratios));
            }
        }
    }
}

impl Contestant {
    fn baseline(label: &'static str, name: &str, port: u16, store: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["baseline", &port.to_string(), name]).args(store);
        let process = Process::start(&mut command)?;
        let load = Load::connect(port, name, ROOMS)?;
        Ok(Self { label, process, load })
    }

    fn host(label: &'static str, programs: &Programs, folder: &Path, setup: &Setup<'_>) -> Result<Self> {
        let host = programs.start(&folder.join(setup.name), setup)?;
        let load = Load::connect(setup.broker.port(), setup.name, ROOMS)?;
        Ok(Self { label, process: host.process, load })
    }
}

fn print_latencies(label: &str, latencies: &mut [Duration]) {
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let (half, most, nearly) = (at(0.5), at(0.99), at(0.999));
    println!("  {label:<20} latency p50 {half:.2} ms, p99 {most:.2} ms, p99.9 {nearly:.2} ms of {}", latencies.len());
}
