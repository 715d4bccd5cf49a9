//! The bench: a rule in a small installation, in virtual time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Manifest, Problems};
use engine::Persistence;
use ingest::recorded::{BadLines, Reader};
use model::Instant;
use model::deployment::PackageDigest;
use model::value::plain;
use pointsman_sdk::{Rule, Span, Value};
use scenario::{Runner, Stage};
use serde_json::{Value as Json, json};

use crate::came::Came;
use crate::program::native;
use crate::{lift, lower};

/// The deployment's name.
const NAME: &str = "bench";
/// When the host starts unless the test says otherwise: 2026-01-01T00:00:00Z.
const START: Instant = Instant(1_767_225_600_000_000);

/// A rule, deployed in an installation of its own. Every function that lets something happen gives what came of it.
///
/// Functions that feed panic where what they are given cannot be: an unknown device, a capability that does not exist,
/// a time that lies before the last one.
pub struct Bench {
    stage: Stage,
    now: Instant,
    started: bool,
    /// Lines fed so far: each has an id of its own.
    lines: u64,
}

/// Why a rule could not be put on the bench.
#[derive(thiserror::Error)]
pub enum Error {
    #[error("failed to read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Scenario(#[from] scenario::Error),
}

/// As people read it: this is what `expect` shows of a mistake in a rule's files.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Bench {
    /// The rule of the project in `folder`: with its `rule.toml`, deployed as `scenarios/deployment.toml` says.
    ///
    /// # Errors
    /// Everything that is wrong with either file, or in which they do not fit together.
    pub fn project<R: Rule + 'static>(folder: impl AsRef<Path>) -> Result<Self, Error> {
        Self::of(runner::<R>(folder.as_ref())?)
    }

    /// A rule with the text of a manifest, deployed as the text of a `deployment.toml` of scenarios says.
    ///
    /// # Errors
    /// As [`Bench::project`].
    pub fn new<R: Rule + 'static>(manifest: &str, deployment: &str) -> Result<Self, Error> {
        Self::of(texts::<R>(manifest, "rule.toml", deployment.to_owned(), "deployment.toml".into())?)
    }

    fn of(runner: Runner) -> Result<Self, Error> {
        let stage = Stage::new(runner.installed(NAME)?, Persistence::Store).map_err(scenario::Error::from)?;
        Ok(Self { stage, now: START, started: false, lines: 0 })
    }

    /// The time on the bench.
    #[must_use]
    pub fn now(&self) -> pointsman_sdk::Instant {
        pointsman_sdk::Instant(self.now.0)
    }

    /// Moves time to an instant such as `2026-01-12T08:00:00Z`. On a bench where nothing has happened yet the host
    /// starts then.
    #[track_caller]
    pub fn at(&mut self, instant: &str) -> Came {
        let at: Instant = instant.parse().unwrap_or_else(|error| panic!("{error}"));
        if self.started {
            assert!(at >= self.now, "{at} lies before {}", self.now);
        }
        self.now = at;
        self.advance(Span::ZERO)
    }

    /// Moves time on. What comes due meanwhile happens at its own instant.
    #[track_caller]
    pub fn advance(&mut self, span: Span) -> Came {
        self.start();
        self.now = self.now + model::Span(span.0);
        self.feed(json!({"advance": true}))
    }

    /// The device reports one value, in the capability's canonical unit.
    #[track_caller]
    pub fn report(&mut self, device: &str, capability: &str, value: impl Into<Value>) -> Came {
        self.report_all(device, [(capability, value.into())])
    }

    /// The device reports several values in one message.
    #[track_caller]
    pub fn report_all<'a>(&mut self, device: &str, readings: impl IntoIterator<Item = (&'a str, Value)>) -> Came {
        let readings =
            readings.into_iter().map(|(name, value)| (name.to_owned(), plain::to_json(&lower::plain(value))));
        self.line(json!({"device": device, "readings": readings.collect::<serde_json::Map<_, _>>()}))
    }

    /// A message comes in, as over MQTT: of a declared device or for a `message` trigger. A text, or JSON.
    #[track_caller]
    pub fn message(&mut self, topic: &str, payload: impl Into<Json>) -> Came {
        self.line(json!({"topic": topic, "payload": payload.into()}))
    }

    /// The device announces that it is there, or gone.
    #[track_caller]
    pub fn available(&mut self, device: &str, available: bool) -> Came {
        self.line(json!({"device": device, "available": available}))
    }

    /// Tells what became of an effect: `accepted`, `delivered`, `failed`, …. Commands that are confirmed by a reading
    /// need the reading instead.
    #[track_caller]
    pub fn complete(&mut self, effect: model::Id, outcome: &str) -> Came {
        let sink = scenario::SINK;
        let completion = json!({"effect": effect, "sink": sink, "outcome": outcome, "reason": null, "attempt": 1});
        self.line(json!({"completion": completion}))
    }

    /// Any line of a recording, without its `at`: the time is the bench's.
    #[track_caller]
    pub fn line(&mut self, line: Json) -> Came {
        self.start();
        self.feed(line)
    }

    /// Switches the machine off and on again after `outage`: the host goes on with what was committed.
    #[track_caller]
    pub fn restart(&mut self, outage: Span) -> Came {
        self.start();
        self.stage.restart().unwrap_or_else(|error| panic!("failed to start again: {error}"));
        self.now = self.now + model::Span(outage.0);
        self.host_started()
    }

    /// What the rule keeps under a name in the state of a key.
    #[must_use]
    pub fn state(&self, key: &str, name: &str) -> Option<Value> {
        self.stage.engine().state(NAME, key, name).map(lift::value)
    }

    /// Timers that the rule has set and that have not come due.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.stage.engine().timers()
    }

    #[track_caller]
    fn start(&mut self) {
        if !self.started {
            self.started = true;
            self.host_started();
        }
    }

    #[track_caller]
    fn host_started(&mut self) -> Came {
        let mut came = self.feed(json!({"host": {"started": {"engine": "native", "zones": "native"}}}));
        came.join(self.feed(json!({"host": "caught-up"})));
        came
    }

    #[track_caller]
    fn feed(&mut self, mut line: Json) -> Came {
        self.lines += 1;
        line["at"] = json!(self.now.to_string());
        line["id"] = json!(format!("bench:{}", self.lines));
        let text = line.to_string();
        let read = Reader::new(text.as_bytes(), BadLines::Stop).next_line().map_err(scenario::Error::from);
        let line = read.unwrap_or_else(|error| panic!("{error}: {text}"));
        let line = line.expect("a line that was written has a line");
        Came::new(self.stage.feed(line).unwrap_or_else(|error| panic!("{error}: {text}")))
    }
}

/// The runner of a project's own files.
pub(crate) fn runner<R: Rule + 'static>(folder: &Path) -> Result<Runner, Error> {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source });
    let (manifest, deployment) = (folder.join("rule.toml"), folder.join("scenarios/deployment.toml"));
    texts::<R>(&read(&manifest)?, &manifest.display().to_string(), read(&deployment)?, deployment)
}

fn texts<R: Rule + 'static>(
    manifest: &str,
    manifest_file: &str,
    deployment: String,
    file: PathBuf,
) -> Result<Runner, Error> {
    let manifest = Manifest::parse(manifest, manifest_file)?;
    let program = native::<R>(manifest.limits.effects_per_event);
    // There is no package; decisions say so.
    let manifest = Arc::new(manifest);
    Ok(Runner { manifest, digest: PackageDigest([0; 32]), program, deployment, file })
}
