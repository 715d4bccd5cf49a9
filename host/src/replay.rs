//! Replay: a recording through the same pipeline in virtual time, with nothing that could reach the world.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use config::Problems;
use engine::digest::RunDigest;
use engine::{Accounts, Engine, Persistence, Setup, SetupError, Turn};
use ingest::DeviceMap;
use ingest::intake::Heard;
use ingest::recorded::{self, BadLines, FileReader, Kind, Line};
use model::configuration::Joined;
use model::guest::Program;
use model::input::HostEvent;
use model::{Configuration, Decision, Deployment, Device, Input, Instant, Name, limits};

use crate::backtest::{Numbers, Set};
use crate::installation::message_filters;
use crate::journal::{Losses, SameInstant, inputs};

/// What a replay is made of.
pub(crate) struct Replay {
    engine: Engine,
    /// What is deployed, with the fleets whose members are discovered.
    set: Set,
    numbers: Numbers,
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
    pub(crate) unclaimed: Unclaimed,
    /// Records that the recording, an export, says are lost.
    pub(crate) losses: Losses,
    /// Those with an effect, a refusal or a failure.
    pub(crate) decisions: u64,
    /// SHA-256 over them.
    pub(crate) digest: String,
    pub(crate) accounts: Accounts,
    /// Events of the sample that a fresh instance answered differently.
    pub(crate) divergences: Vec<engine::Divergence>,
}

/// Lines of topics that no device and no rule hears: nothing wrong, and nothing came of them.
#[derive(Debug, Default)]
pub(crate) struct Unclaimed {
    pub(crate) lines: u64,
    /// The number of the first, and its topic.
    pub(crate) first: Option<(u64, Name)>,
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
    #[error("line {line}: failed to take in `{device}`, a member of a fleet")]
    Joining {
        line: u64,
        device: Name,
        #[source]
        source: Problems,
    },
    #[error("failed to write decisions")]
    Write(#[source] std::io::Error),
}

impl Replay {
    /// # Errors
    /// When the deployments cannot run together.
    pub(crate) fn new(set: Set, numbers: Numbers, partitions: u16) -> Result<Self, SetupError> {
        let setup = set.setup(partitions);
        let configuration = setup.configuration();
        let map = DeviceMap::new((*setup.devices).clone(), set.filters());
        let programs = setup.deployments.iter().map(|(spec, program)| (spec.name.clone(), Arc::clone(program)));
        let programs = programs.collect();
        let engine = Engine::new(setup, Persistence::DecisionsOnly)?;
        Ok(Self {
            engine,
            set,
            numbers,
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

    /// Ends each turn after so many inputs, in place of as many as a live one takes at most.
    pub(crate) fn end_turns_after(&mut self, inputs: NonZeroUsize) {
        self.batch = inputs.get();
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
            summary.losses.note(&line);
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
            self.discover(&line, at)?;
            self.note_unclaimed(&line, &mut summary.unclaimed);
            match inputs(line, &self.map, &self.source) {
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

    /// A member of a fleet joins as it is first heard, as live.
    fn discover(&mut self, line: &Line, at: Instant) -> Result<(), Error> {
        let from = line.source.as_ref().unwrap_or(&self.source);
        let Some(heard) = line.heard().filter(|heard| !self.map.has(from, *heard)) else { return Ok(()) };
        let Some(device) = self.set.discovered(heard, &mut self.numbers) else { return Ok(()) };
        let before = self.set.setup(self.partitions).configuration();
        let joined = self.set.joined(&device, self.partitions);
        let joined =
            joined.map_err(|source| Error::Joining { line: line.number, device: device.id.clone(), source })?;
        match joined.and_then(|setup| before.joined(&setup.configuration())) {
            Some(joined) => self.join(&joined, line.number, at),
            None => Ok(()),
        }
    }

    fn note_unclaimed(&self, line: &Line, unclaimed: &mut Unclaimed) {
        let from = line.source.as_ref().unwrap_or(&self.source);
        if let Some(Heard::Topic(topic)) = line.heard()
            && !self.map.claims(from, topic)
        {
            unclaimed.lines += 1;
            unclaimed.first.get_or_insert_with(|| (line.number, Name::from(topic)));
        }
    }

    /// A member of a fleet that the configuration does not declare. Here it has a number of its own.
    fn join(&mut self, joined: &Joined, line: u64, at: Instant) -> Result<(), Error> {
        if self.map.devices().named(&joined.device.id).is_some() {
            return Ok(());
        }
        let number = self.numbers.of_device(&joined.device.id);
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
        let filters = message_filters(&self.configuration.deployments);
        self.map = DeviceMap::new((*setup.devices).clone(), filters);
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
