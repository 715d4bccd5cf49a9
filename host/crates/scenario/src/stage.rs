//! The stage: the engine in virtual time, with the small installation that a rule's scenarios run in.

use std::collections::BTreeMap;

use engine::rows::RowError;
use engine::{Engine, Persistence, Sampler, SetupError, Turn};
use ingest::DeviceMap;
use ingest::recorded::{self, Kind, Line};
use model::{Instant, Name};
use store::Table;

use crate::{Error, Installed};

/// Table and key of a row.
type Place = (Table, Box<[u8]>);

/// An engine that takes lines of a recording, in turns of one unless said otherwise.
pub struct Stage {
    engine: Engine,
    installed: Installed,
    map: DeviceMap,
    source: Name,
    clock: Instant,
    /// What a host would find in its store, where turns are written to one.
    rows: BTreeMap<Place, Box<[u8]>>,
    /// The last number of the journal.
    sequence: u64,
}

impl Stage {
    /// # Errors
    /// When the deployment cannot run.
    pub fn new(installed: Installed, persistence: Persistence) -> Result<Self, SetupError> {
        let engine = Engine::new(installed.setup().clone(), persistence)?;
        let (map, source) = (installed.map(), Name::from("scenario"));
        Ok(Self { engine, installed, map, source, clock: Instant::default(), rows: BTreeMap::new(), sequence: 0 })
    }

    /// Runs each event on a fresh instance too: turns then tell where a rule keeps something in its memory.
    pub(crate) fn look_for_hidden_state(&mut self) {
        self.engine.sample(Sampler::Every);
    }

    /// Takes one line as a turn of its own and moves the clock to it; what came of that.
    ///
    /// # Errors
    /// When the line names what does not exist, or lies before the last one.
    pub fn feed(&mut self, line: Line) -> Result<Turn, Error> {
        self.take(line)?;
        Ok(self.end_turn())
    }

    /// Takes one line into the turn that is open.
    ///
    /// # Errors
    /// As [`Stage::feed`].
    pub(crate) fn take(&mut self, line: Line) -> Result<(), Error> {
        let (number, at) = (line.number, line.received());
        // An export shows timers that fired and deployments that changed; both follow from the other lines.
        if matches!(line.kind, Kind::Timer(_) | Kind::Deployment(_)) {
            return Ok(());
        }
        if at < self.clock {
            return Err(Error::Backwards { line: number, last: self.clock, at });
        }
        self.discover(&line, at)?;
        let inputs = line.into_inputs(&self.map, &self.source);
        let inputs = inputs.map_err(|reason| recorded::Error::Line { number, reason })?;
        for input in &inputs {
            self.engine.take(input, at);
        }
        self.engine.advance(at);
        self.clock = at;
        Ok(())
    }

    /// A member of a fleet joins as it is first heard, as in a host.
    fn discover(&mut self, line: &Line, at: Instant) -> Result<(), Error> {
        let from = line.source.as_ref().unwrap_or(&self.source);
        let new = line.heard().filter(|heard| !self.map.has(from, *heard));
        if let Some(heard) = new
            && self.installed.discover(heard)?
        {
            let id = Name::from(format!("line:{}", line.number));
            self.engine.reconfigure(self.installed.setup().clone(), id, at)?;
            self.map = self.installed.map();
        }
        Ok(())
    }

    pub(crate) fn end_turn(&mut self) -> Turn {
        let turn = self.engine.finish();
        self.keep(&turn);
        turn
    }

    /// Drops the engine and starts another from what was committed, as a host does after its machine was switched off.
    ///
    /// # Errors
    /// When the deployment cannot run, or a row cannot be read.
    pub fn restart(&mut self) -> Result<(), Error> {
        let mut engine = Engine::new(self.installed.setup().clone(), self.engine.persistence())?;
        let rows = self.rows.iter().map(|((table, key), value)| (*table, &**key, &**value));
        engine.restore(0, self.sequence, rows)?;
        self.engine = engine;
        Ok(())
    }

    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The instant of the last line.
    #[must_use]
    pub fn clock(&self) -> Instant {
        self.clock
    }

    fn keep(&mut self, turn: &Turn) {
        for commit in &turn.commits {
            self.sequence = commit.journal.last().map_or(self.sequence, |row| row.sequence);
            for change in &commit.changes {
                let place = (change.table, change.key.clone());
                match &change.value {
                    Some(value) => drop(self.rows.insert(place, value.clone())),
                    None => drop(self.rows.remove(&place)),
                }
            }
        }
    }
}

impl From<RowError> for Error {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}
