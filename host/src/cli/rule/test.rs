//! `pointsman rule test`: every scenario of a rule, through the engine, in virtual time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use config::Scenario;
use model::Name;
use owo_colors::{OwoColorize as _, Stream};
use scenario::{Difference, Outcome, Runner};
use serde_json::{Value as Json, json};

use super::package::{self, Package};
use crate::cli::{Usage, output};

/// Runs a rule's scenarios in virtual time, with every sink captured.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman rule test\n  pointsman rule test rules/freezer-guard\n  pointsman rule test rules/freezer-guard --package freezer-guard-1.0.0.wasm --json"
)]
pub(crate) struct Test {
    /// The rule's folder, with `scenarios/*.jsonl` and `scenarios/deployment.toml`.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Test this package instead of building one.
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
    /// Test the package that `rule build` left in the rule's folder.
    #[arg(long, conflicts_with = "package")]
    no_build: bool,
    /// Print the outcomes as JSON.
    #[arg(long)]
    json: bool,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        let folder = self.dir.join("scenarios");
        let folder = folder.strip_prefix(".").unwrap_or(&folder);
        let scenarios = scenarios(folder)?;
        let file = folder.join("deployment.toml");
        let deployment = std::fs::read_to_string(&file)
            .map_err(|error| Usage(format!("failed to read {}, in which scenarios run: {error}", file.display())))?;
        let installation = Scenario::parse(&deployment, &file.display().to_string(), Name::from("scenario"))?;
        let package = match (&self.package, self.no_build) {
            (Some(file), _) => Package::read(file)?,
            (None, true) => Package::read(&self.dir.join(package::file_name(&package::read_manifest(&self.dir)?.0)))?,
            (None, false) => Package::build(&self.dir)?,
        };
        let rule = format!("{} {}", package.manifest.id, package.manifest.version);
        let digest = package.inspection.digest;
        let program = package.load(&package::sandbox()?, installation.deployment.compatibility)?;
        let runner = Runner { manifest: Arc::new(package.manifest), digest, program, deployment, file };
        if !self.json {
            output::print(&rule);
        }
        let outcomes = in_deep_stack(runner, scenarios, self.json)?;
        let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
        if self.json {
            let scenarios: Vec<Json> = outcomes.iter().map(as_json).collect();
            output::print(
                json!({"rule": rule, "digest": digest.to_string(), "scenarios": scenarios, "failed": failed}),
            );
        }
        if !self.json && failed == 0 {
            output::print(
                "the same in turns of 1, 7 and 256 lines, with 1 and 16 partitions, and from each run's journal",
            );
        }
        if failed > 0 {
            bail!("{failed} of {} scenarios failed", outcomes.len());
        }
        Ok(())
    }
}

/// The recordings in `folder`, by name.
fn scenarios(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Usage(format!("failed to read {}, where scenarios lie: {error}", folder.display())))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("failed to read {}", folder.display()))?.path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Usage(format!("there is no scenario in {}: write one as NAME.jsonl", folder.display())).into());
    }
    Ok(files)
}

/// Guests need a deep stack; the main thread's is not ours to choose.
fn in_deep_stack(runner: Runner, files: Vec<PathBuf>, quiet: bool) -> Result<Vec<Outcome>> {
    let run = move || -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for file in files {
            let outcome = runner.run(&file).map_err(|error| match error {
                // Named by itself, because the exit code tells configuration from failure.
                scenario::Error::Problems(problems) => anyhow::Error::from(problems),
                error => anyhow::Error::from(error).context(format!("failed to run scenario {}", file.display())),
            })?;
            if !quiet {
                print(&outcome);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    };
    let worker = std::thread::Builder::new().name("engine".to_owned()).stack_size(sandbox::THREAD_STACK);
    let thread = worker.spawn(run).context("failed to start the engine's thread")?;
    thread.join().map_err(|_| anyhow!("the engine's thread ended early"))?
}

fn print(outcome: &Outcome) {
    let green = |text: &'static str| text.if_supports_color(Stream::Stdout, |text| text.green()).to_string();
    let red = |text: &'static str| text.if_supports_color(Stream::Stdout, |text| text.red()).to_string();
    let Some(failure) = &outcome.failure else {
        let Outcome { name, expectations, .. } = outcome;
        return output::print(format_args!("  {}      {name} ({expectations} expectations)", green("ok")));
    };
    output::print(format_args!("  {}  {}", red("FAILED"), outcome.name));
    output::print(format_args!("    {}:{}: {}", outcome.file.display(), failure.line, failure.what));
    for Difference { path, expected, got } in &failure.differences {
        let got = got.as_ref().map_or_else(|| "nothing".to_owned(), Json::to_string);
        output::print(format_args!("      {path}: expected {expected}, got {got}"));
    }
    if let Some(expected) = &failure.expected {
        output::print(format_args!("    expected  {expected}"));
    }
    if let Some(got) = &failure.got {
        output::print(format_args!("    got       {}", briefly(got)));
    }
    for line in failure.logs.iter().flat_map(|line| line.lines()) {
        output::print(format_args!("    log       {line}"));
    }
}

/// A decision without what the same scenario always says, and without what only a machine reads.
fn briefly(decision: &Json) -> Json {
    let mut brief = decision.clone();
    if let Some(fields) = brief.as_object_mut() {
        fields.retain(|name, _| !matches!(&**name, "deployment" | "digest" | "gates" | "index" | "rule"));
        for (table, field) in [("cause", "event"), ("effect", "id")] {
            fields.get_mut(table).and_then(Json::as_object_mut).map(|table| table.remove(field));
        }
    }
    brief
}

fn as_json(outcome: &Outcome) -> Json {
    let failure = outcome.failure.as_ref().map(|failure| {
        let differences = failure.differences.iter();
        let differences = differences.map(|d| json!({"path": d.path, "expected": d.expected, "got": d.got}));
        json!({
            "line": failure.line,
            "what": failure.what,
            "expected": failure.expected,
            "got": failure.got,
            "differences": differences.collect::<Vec<_>>(),
            "logs": failure.logs,
        })
    });
    json!({
        "name": outcome.name,
        "file": outcome.file.display().to_string(),
        "ok": outcome.failure.is_none(),
        "expectations": outcome.expectations,
        "digest": outcome.digest,
        "failure": failure,
    })
}
