//! Replay: a recording through the same pipeline in virtual time, with nothing that could reach the world.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use engine::digest::RunDigest;
use engine::{Accounts, Engine, Persistence, Setup, SetupError, Turn};
use ingest::DeviceMap;
use ingest::recorded::{self, BadLines, FileReader, Kind};
use model::configuration::Joined;
use model::guest::Program;
use model::input::HostEvent;
use model::{Configuration, Decision, Deployment, Device, DeviceNo, Input, Instant, Name, limits};

use crate::installation::message_filters;
use crate::journal::SameInstant;

/// What a replay is made of.
pub(crate) struct Replay {
    engine: Engine,
    /// What is in force, for devices that join.
    configuration: Configuration,
    programs: Vec<(Name, Arc<dyn Program>)>,
    partitions: u16,
    map: DeviceMap,
    source: Name,
    clock: Instant,
    /// Inputs in the turn that runs.
    inputs: usize,
    batch: usize,
    /// Inputs of an export: several partitions may have taken one.
    same: SameInstant,
}

/// What a replay found.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) lines: u64,
    pub(crate) skipped: u64,
    /// Those with an effect, a refusal or a failure.
    pub(crate) decisions: u64,
    /// SHA-256 over them.
    pub(crate) digest: String,
    pub(crate) accounts: Accounts,
    /// Events of the sample that a fresh instance answered differently.
    pub(crate) divergences: Vec<engine::Divergence>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Recording(#[from] recorded::Error),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(
        "line {line}: time goes back from {last} to {at}: sort the recording by `received`, or `at` where it has none"
    )]
    Backwards { line: u64, last: Instant, at: Instant },
    #[error("failed to write decisions")]
    Write(#[source] std::io::Error),
}

impl Replay {
    /// # Errors
    /// When the deployments cannot run together.
    pub(crate) fn new(setup: Setup, map: DeviceMap) -> Result<Self, SetupError> {
        let (configuration, partitions) = (setup.configuration(), setup.partitions);
        let programs = setup.deployments.iter().map(|(spec, program)| (spec.name.clone(), Arc::clone(program)));
        let programs = programs.collect();
        let engine = Engine::new(setup, Persistence::DecisionsOnly)?;
        Ok(Self {
            engine,
            configuration,
            programs,
            partitions,
            map,
            source: Name::from("recording"),
            clock: Instant::default(),
            inputs: 0,
            batch: limits::TURN_INPUTS,
            same: SameInstant::default(),
        })
    }

    /// Runs a share of the events again on fresh instances.
    pub(crate) fn sample(&mut self, sampler: engine::Sampler) {
        self.engine.sample(sampler);
    }

    /// Feeds a whole recording; `each` sees every decision in the order in which they were made.
    ///
    /// # Errors
    /// At the first bad line unless they are skipped, or when `each` fails.
    pub(crate) fn run(
        mut self,
        recording: &Path,
        bad: BadLines,
        until: Option<Instant>,
        each: &mut dyn FnMut(&Decision) -> std::io::Result<()>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Summary, Error> {
        let mut reader = FileReader::open(recording, bad)?;
        let mut digest = RunDigest::default();
        let mut summary = Summary::default();
        while let Some(line) = reader.next_line()? {
            summary.lines += 1;
            let (number, at, exported) = (line.number, line.received(), line.journal.is_some());
            if matches!(
                line.kind,
                Kind::Expect(_) | Kind::Timer(_) | Kind::Deployment(_) | Kind::Journal | Kind::Transfer(_)
            ) {
                continue;
            }
            if at < self.clock {
                return Err(Error::Backwards { line: number, last: self.clock, at });
            }
            if let Kind::Host(HostEvent::Joined(joined)) = &line.kind {
                self.join(joined, number, at)?;
                self.clock = at;
                continue;
            }
            match line.into_inputs(&self.map, &self.source) {
                Ok(inputs) => {
                    let new = inputs.into_iter().filter(|input| !(exported && self.same.took(at, input)));
                    new.collect::<Vec<_>>().iter().for_each(|input| self.feed(input, at));
                }
                Err(reason) => reader.reject(number, reason)?,
            }
            self.clock = at;
            if self.inputs >= self.batch {
                take(self.end_turn(), &mut digest, &mut summary, each)?;
                progress(summary.lines);
            }
        }
        let end = until.unwrap_or(self.clock).max(self.clock);
        self.engine.advance(end);
        take(self.end_turn(), &mut digest, &mut summary, each)?;
        summary.skipped = reader.skipped();
        summary.accounts = self.engine.accounts();
        summary.digest = digest.finish();
        Ok(summary)
    }

    /// A member of a fleet that the configuration does not declare. Here it has a number of its own.
    fn join(&mut self, joined: &Joined, line: u64, at: Instant) -> Result<(), Error> {
        if self.map.devices().named(&joined.device.id).is_some() {
            return Ok(());
        }
        let number = DeviceNo(self.configuration.devices.iter().map(|d| d.number.0).max().unwrap_or_default() + 1);
        let device = Device { number, ..(*joined.device).clone() };
        self.configuration.join(&Joined { device: Arc::new(device), places: joined.places.clone() });
        let programs = &self.programs;
        let find = |spec: &Deployment| {
            let (_, program) =
                programs.iter().find(|(name, _)| *name == spec.name).expect("every deployment came with its program");
            Ok::<_, Infallible>(Arc::clone(program))
        };
        let setup = Setup::of(self.configuration.clone(), self.partitions, find);
        let Ok(setup) = setup;
        self.map = device_map(&setup.devices, message_filters(&self.configuration.deployments));
        self.engine.reconfigure(setup, Name::from(format!("line:{line}")), at)?;
        Ok(())
    }

    pub(crate) fn feed(&mut self, input: &Input, at: Instant) {
        self.engine.take(input, at);
        self.inputs += 1;
    }

    fn end_turn(&mut self) -> Turn {
        self.inputs = 0;
        self.engine.finish()
    }
}

fn take(
    turn: Turn,
    digest: &mut RunDigest,
    summary: &mut Summary,
    each: &mut dyn FnMut(&Decision) -> std::io::Result<()>,
) -> Result<(), Error> {
    summary.divergences.extend(turn.divergences);
    for decision in &turn.decisions {
        if decision.is_notable() {
            digest.add(decision);
            summary.decisions += 1;
        }
        each(decision).map_err(Error::Write)?;
    }
    Ok(())
}

/// The map by which a recording's topics and devices are read.
pub(crate) fn device_map(devices: &Arc<model::device::Devices>, filters: Vec<Name>) -> DeviceMap {
    DeviceMap::new((**devices).clone(), filters)
}
