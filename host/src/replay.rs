//! Replay: a recording through the same pipeline in virtual time, with nothing that could reach the world.

use std::path::Path;
use std::sync::Arc;

use engine::digest::RunDigest;
use engine::{Accounts, Engine, Persistence, Setup, SetupError, Turn};
use ingest::DeviceMap;
use ingest::recorded::{self, BadLines, FileReader, Kind};
use model::{Decision, Input, Instant, Name, limits};

/// What a replay is made of.
pub(crate) struct Replay {
    engine: Engine,
    map: DeviceMap,
    source: Name,
    clock: Instant,
    /// Inputs in the turn that runs.
    inputs: usize,
    batch: usize,
    /// The number of the last journal record, in an export.
    exported: bool,
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
    /// Whether the file was a journal's export, replayed literally.
    pub(crate) literal: bool,
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
        let engine = Engine::new(setup, Persistence::DecisionsOnly)?;
        Ok(Self {
            engine,
            map,
            source: Name::from("recording"),
            clock: Instant::default(),
            inputs: 0,
            batch: limits::TURN_INPUTS,
            exported: false,
        })
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
            self.exported |= line.sequence.is_some();
            let (number, at) = (line.number, line.received());
            if matches!(line.kind, Kind::Expect(_) | Kind::Timer(_) | Kind::Deployment(_)) {
                continue;
            }
            if at < self.clock {
                return Err(Error::Backwards { line: number, last: self.clock, at });
            }
            match line.into_inputs(&self.map, &self.source) {
                Ok(inputs) => inputs.iter().for_each(|input| self.feed(input, at)),
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
        summary.literal = self.exported;
        summary.accounts = self.engine.accounts();
        summary.digest = digest.finish();
        Ok(summary)
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
