//! The runner: a rule with the installation that its scenarios run in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Manifest, Problems, Scenario};
use engine::rows::RowError;
use engine::{Persistence, SetupError};
use ingest::recorded;
use model::deployment::PackageDigest;
use model::guest::Program;
use model::{Instant, Name};
use serde_json::Value as Json;

use crate::expectation::Difference;
use crate::installed::Installed;
use crate::run::Run;
use crate::stage::Stage;

/// The embedded broker's sink: devices of a scenario name no connection.
pub const SINK: &str = "mqtt:broker";

/// Runs the scenarios of one rule.
pub struct Runner {
    pub manifest: Arc<Manifest>,
    pub digest: PackageDigest,
    pub program: Arc<dyn Program>,
    /// The text of `scenarios/deployment.toml`, and where it was read.
    pub deployment: String,
    pub file: PathBuf,
}

/// How one scenario went.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    pub file: PathBuf,
    /// Expectations that were met.
    pub expectations: u64,
    /// The digest of its decisions, which each other way of running it gave too; none where it failed.
    pub digest: Option<String>,
    pub failure: Option<Failure>,
}

/// The first difference of a scenario.
#[derive(Debug, Default, PartialEq)]
pub struct Failure {
    /// Of the expectation; the last line of the file where a decision is left at its end; of the last line before it
    /// where a decision depends on how the lines are run.
    pub line: u64,
    pub what: String,
    /// What stands in the line; none where nothing was expected.
    pub expected: Option<Json>,
    /// The decision that came instead, if one came.
    pub got: Option<Json>,
    pub differences: Vec<Difference>,
    /// The last lines that the rule logged.
    pub logs: Vec<String>,
}

/// Why a scenario could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Recording(#[from] recorded::Error),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Row(RowError),
    #[error("line {line}: {why}")]
    Expectation { line: u64, why: String },
    #[error("line {line}: time goes back from {last} to {at}")]
    Backwards { line: u64, last: Instant, at: Instant },
}

impl Runner {
    /// Runs one scenario up to its first difference. Where there is none it is run again in other turns, with more
    /// partitions and from its own journals, and must give the same.
    ///
    /// # Errors
    /// Everything that is wrong with the deployment; a line that cannot be read.
    pub fn run(&self, file: &Path) -> Result<Outcome, Error> {
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut run = Run::new(Stage::new(self.installed(&name)?, Persistence::DecisionsOnly)?);
        let (digest, failure) = match run.find_difference(file)? {
            Some(failure) => (None, Some(failure)),
            None => match self.agree(&name, file)? {
                Ok(digest) => (Some(digest), None),
                Err(failure) => (None, Some(*failure)),
            },
        };
        Ok(Outcome { name, file: file.to_owned(), expectations: run.expectations, digest, failure })
    }

    /// The installation of `scenarios/deployment.toml` with the rule deployed in it under this name.
    ///
    /// # Errors
    /// Everything in which deployment, manifest and rule do not fit together.
    pub fn installed(&self, name: &str) -> Result<Installed, Problems> {
        let file = self.file.display().to_string();
        let scenario = Scenario::parse(&self.deployment, &file, Name::from(name))?;
        Installed::new(scenario, Arc::clone(&self.manifest), self.digest, Arc::clone(&self.program), &file)
    }
}
