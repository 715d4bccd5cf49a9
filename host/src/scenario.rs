//! Scenarios: recordings of a rule with what is expected of it, run through the engine in virtual time.

mod expectation;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Manifest, Problem, Problems, Scenario};
use engine::{Divergence, Engine, LogLine, Persistence, Sampler, Setup, SetupError, Turn};
use ingest::DeviceMap;
use ingest::recorded::{self, BadLines, FileReader, Kind, Line};
use model::deployment::PackageDigest;
use model::guest::{Level, Program};
use model::{DeviceNo, Instant, Name};
use serde_json::{Map, Value as Json};

pub(crate) use expectation::Difference;
use expectation::Expectation;

use crate::installation::{EMBEDDED, Loaded, message_filters, sink_of, validate};
use crate::replay;

/// Lines of a rule's log that are shown with a failure: the last ones say why.
const LOGS_SHOWN: usize = 10;

/// Runs the scenarios of one rule.
pub(crate) struct Runner {
    pub(crate) manifest: Manifest,
    pub(crate) digest: PackageDigest,
    pub(crate) program: Arc<dyn Program>,
    /// The text of `scenarios/deployment.toml`, and where it was read.
    pub(crate) deployment: String,
    pub(crate) file: PathBuf,
}

/// How one scenario went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// Expectations that were met.
    pub(crate) expectations: u64,
    pub(crate) failure: Option<Failure>,
}

/// The first difference of a scenario.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    /// Of the expectation; the last line of the file where a decision is left at its end.
    pub(crate) line: u64,
    pub(crate) what: String,
    /// What stands in the line; none where nothing was expected.
    pub(crate) expected: Option<Json>,
    /// The decision that came instead, if one came.
    pub(crate) got: Option<Json>,
    pub(crate) differences: Vec<Difference>,
    /// The last lines that the rule logged.
    pub(crate) logs: Vec<String>,
}

/// Why a scenario could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Recording(#[from] recorded::Error),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("line {line}: {why}")]
    Expectation { line: u64, why: String },
    #[error("line {line}: time goes back from {last} to {at}")]
    Backwards { line: u64, last: Instant, at: Instant },
}

impl Runner {
    /// Runs one scenario up to its first difference.
    ///
    /// # Errors
    /// Everything that is wrong with the deployment; a line that cannot be read.
    pub(crate) fn run(&self, file: &Path) -> Result<Outcome, Error> {
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let (setup, filters) = self.setup(&name)?;
        let mut run = Run {
            map: replay::device_map(&setup.devices, filters),
            engine: Engine::new(setup, Persistence::DecisionsOnly)?,
            source: Name::from("scenario"),
            clock: Instant::default(),
            decisions: VecDeque::new(),
            logs: VecDeque::new(),
            expectations: 0,
            hidden: None,
        };
        // A rule's author should learn first that the rule keeps something in its memory.
        run.engine.sample(Sampler::Every);
        let failure = run.find_difference(file)?;
        Ok(Outcome { name, file: file.to_owned(), expectations: run.expectations, failure })
    }

    /// The installation of `scenarios/deployment.toml` with the rule deployed in it, and the topics it listens to.
    fn setup(&self, name: &str) -> Result<(Setup, Vec<Name>), Problems> {
        let file = self.file.display().to_string();
        let scenario = Scenario::parse(&self.deployment, &file, Name::from(name))?;
        let mut next = 0;
        let devices = Arc::new(scenario.devices(&mut |_| {
            next += 1;
            DeviceNo(next)
        }));
        let installation = scenario.installation(&devices);
        let spec = config::resolve(&scenario.deployment, &self.manifest, self.digest, &installation)?;
        validate(&*self.program, &spec.settings).map_err(|message| Problem::of_file(&file, message))?;
        let loaded = Loaded { spec: Arc::new(spec), program: Arc::clone(&self.program) };
        let setup = Setup {
            partitions: 1,
            deployments: vec![(Arc::clone(&loaded.spec), Arc::clone(&loaded.program))],
            devices,
            groups: scenario.groups,
            default_sink: sink_of(EMBEDDED),
        };
        Ok((setup, message_filters([&loaded.spec])))
    }
}

/// One scenario while it runs.
struct Run {
    engine: Engine,
    map: DeviceMap,
    source: Name,
    clock: Instant,
    /// Made and not yet taken by an expectation.
    decisions: VecDeque<Map<String, Json>>,
    logs: VecDeque<String>,
    expectations: u64,
    /// The first event that a fresh instance answered differently.
    hidden: Option<Divergence>,
}

impl Run {
    fn find_difference(&mut self, file: &Path) -> Result<Option<Failure>, Error> {
        let mut reader = FileReader::open(file, BadLines::Stop)?;
        let mut last = 0;
        while let Some(line) = reader.next_line()? {
            last = line.number;
            let Kind::Expect(written) = &line.kind else {
                self.feed(line)?;
                if let Some(divergence) = self.hidden.take() {
                    return Ok(Some(self.hides(&divergence, last)));
                }
                continue;
            };
            let malformed = |why| Error::Expectation { line: last, why };
            let expectation = Expectation::parse(written.get()).map_err(malformed)?;
            if let Some(failure) = self.hold_against(&expectation, last) {
                return Ok(Some(failure));
            }
            self.expectations += 1;
        }
        Ok(self.hold_against(&Expectation::Nothing, last).map(|failure| {
            let what = "the file ends, but a decision is left that no line expects".to_owned();
            Failure { what, expected: None, ..failure }
        }))
    }

    fn feed(&mut self, line: Line) -> Result<(), Error> {
        let (number, at) = (line.number, line.received());
        // An export shows timers that fired and deployments that changed; both follow from the other lines.
        if matches!(line.kind, Kind::Timer(_) | Kind::Deployment(_)) {
            return Ok(());
        }
        if at < self.clock {
            return Err(Error::Backwards { line: number, last: self.clock, at });
        }
        let inputs = line.into_inputs(&self.map, &self.source);
        let inputs = inputs.map_err(|reason| recorded::Error::Line { number, reason })?;
        for input in &inputs {
            self.engine.take(input, at);
        }
        self.engine.advance(at);
        self.clock = at;
        let turn = self.engine.finish();
        self.keep(&turn);
        self.hidden = turn.divergences.into_iter().next();
        Ok(())
    }

    /// Keeps the decisions with an effect, and those of steps that failed: a rule that breaks must not pass as quiet.
    fn keep(&mut self, turn: &Turn) {
        let told = turn.decisions.iter().filter(|d| d.effect.is_some() || d.verdict == model::Verdict::Failed);
        self.decisions.extend(told.map(engine::digest::line));
        self.logs.extend(turn.logs.iter().map(log_line));
        self.logs.drain(..self.logs.len().saturating_sub(LOGS_SHOWN));
    }

    fn hides(&self, divergence: &Divergence, line: u64) -> Failure {
        let Divergence { key, event, handled, .. } = divergence;
        let what = format!(
            "the rule keeps something in its memory: an instance that had handled {handled} other events answered event {} \
             of key {key} differently from a fresh one; keep it in `state` instead",
            event.trigger
        );
        let answer = |answer: &engine::Answer| serde_json::to_value(answer).ok();
        Failure {
            line,
            what,
            expected: answer(&divergence.fresh),
            got: answer(&divergence.shared),
            differences: Vec::new(),
            logs: self.logs.iter().cloned().collect(),
        }
    }

    fn hold_against(&mut self, expectation: &Expectation, line: u64) -> Option<Failure> {
        while self.decisions.front().is_some_and(|decision| expectation.passes_over(decision)) {
            self.decisions.pop_front();
        }
        let got = self.decisions.pop_front();
        let (what, differences) = match (expectation, &got) {
            (Expectation::Nothing, None) => return None,
            (Expectation::Nothing, Some(_)) => ("a decision that was not expected".to_owned(), Vec::new()),
            (Expectation::Decision(_), None) => ("no decision is left to take".to_owned(), Vec::new()),
            (Expectation::Decision(fields), Some(decision)) => {
                let differences = expectation::differences(fields, decision);
                if differences.is_empty() {
                    return None;
                }
                ("the next decision is another".to_owned(), differences)
            }
        };
        let logs = self.logs.iter().cloned().collect();
        Some(Failure {
            line,
            what,
            expected: Some(expectation.to_json()),
            got: got.map(Json::Object),
            differences,
            logs,
        })
    }
}

fn log_line(line: &LogLine) -> String {
    let level = match line.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    format!("{level}: {}", line.message)
}

#[cfg(test)]
mod tests;
