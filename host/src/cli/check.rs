//! `pointsman check`: is everything right that `run` would read? Starts nothing and writes nothing.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use config::{Host, Problem, Problems};
use engine::{Cycle, Engine, Persistence};
use model::DeviceNo;
use sandbox::{Options, Pooling, Sandbox};
use serde_json::{Value as Json, json};
use store::{OpenError, Reader, Table};

use super::{Usage, output};
use crate::installation::{Installation, Loaded};
use crate::usable;

/// Validates configuration, packages, bindings and grants, and starts nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman check\n  pointsman check -c /etc/pointsman/pointsman.toml --json")]
pub(crate) struct Check {
    #[command(flatten)]
    config: super::ConfigArgument,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

/// What would run.
struct Sound {
    installation: Installation,
    devices: usize,
    deployments: Vec<Loaded>,
    cycles: Vec<Cycle>,
}

impl Check {
    pub(crate) fn run(self) -> Result<()> {
        let sandbox = Sandbox::new(Options { cache: None, pooling: Pooling::Auto })?;
        match examine(&self.config, &sandbox) {
            Ok(sound) => {
                if self.json {
                    output::print(summary(&sound))
                } else {
                    output::print(lines(&sound))
                }
                Ok(())
            }
            Err(problems) => {
                let count = problems.iter().count();
                if self.json {
                    output::print(json!({"ok": false, "problems": problems.iter().map(problem).collect::<Json>()}));
                } else {
                    output::print(&problems);
                }
                let s = if count == 1 { "" } else { "s" };
                Err(Usage(format!("{count} problem{s}: nothing would run")).into())
            }
        }
    }
}

/// Each stage needs the one before it, and shows everything that is wrong in its own.
fn examine(config: &super::ConfigArgument, sandbox: &Sandbox) -> Result<Sound, Problems> {
    let file = config.config.display().to_string();
    let of_file = |message: String| Problems::from(Problem::of_file(&file, message));
    let host = Host::load(&config.config)?;
    usable::check(&host, &config.config)?;
    let installation = Installation::read(host)?;
    let mut next = 0;
    let devices = Arc::new(installation.devices(&mut |_| {
        next += 1;
        DeviceNo(next)
    }));
    let deployments = installation.load(sandbox, installation.resolve(&devices)?)?;
    let reader = stored(&installation.host.data).map_err(|error| of_file(error.to_string()))?;
    let partitions = reader.as_ref().map_or(installation.host.partitions, Reader::partitions);
    let setup = installation.setup(partitions, Arc::clone(&devices), &deployments);
    let mut engine = Engine::new(setup, Persistence::DecisionsOnly).map_err(|error| of_file(error.to_string()))?;
    let cycles = engine.cycles();
    installation.accept(&cycles)?;
    if let Some(reader) = reader {
        give_state(&mut engine, &reader).map_err(|error| of_file(error.to_string()))?;
        engine.state_fits().map_err(|error| of_file(error.to_string()))?;
    }
    Ok(Sound { installation, devices: devices.len(), deployments, cycles })
}

/// What an earlier run has left; none where there is nothing, or where `run` would bring it up to date first.
fn stored(data: &Path) -> Result<Option<Reader>, OpenError> {
    match Reader::open(data) {
        Ok(reader) => Ok(Some(reader)),
        Err(OpenError::Missing { .. } | OpenError::Older { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The state of rules, and what is known of their deployments.
fn give_state(engine: &mut Engine, reader: &Reader) -> Result<()> {
    for partition in 0..reader.partitions() {
        let of = |table| reader.rows(partition, table, b"").map(|rows| rows.into_iter().map(move |row| (table, row)));
        let rows: Vec<_> = of(Table::Deployment)?.chain(of(Table::State)?).collect();
        engine.restore(partition, 0, rows.iter().map(|(table, row)| (*table, &*row.key, &*row.value)))?;
    }
    Ok(())
}

fn summary(sound: &Sound) -> Json {
    let deployments = sound.deployments.iter().map(|loaded| {
        json!({
            "name": &*loaded.spec.name,
            "rule": loaded.spec.package.to_string(),
            "digest": loaded.spec.package.digest.to_string(),
        })
    });
    json!({
        "ok": true,
        "problems": [],
        "devices": sound.devices,
        "fleets": sound.installation.host.patterns.len(),
        "templates": sound.installation.host.templates.len(),
        "deployments": deployments.collect::<Json>(),
        "loops": sound.cycles.iter().map(ToString::to_string).collect::<Json>(),
    })
}

fn lines(sound: &Sound) -> String {
    let host = &sound.installation.host;
    let mut lines = vec![format!(
        "all is well: {} devices, {} fleets, {} templates, {} deployments",
        sound.devices,
        host.patterns.len(),
        host.templates.len(),
        sound.deployments.len()
    )];
    for loaded in &sound.deployments {
        let spec = &loaded.spec;
        let members: usize = spec.roles.iter().map(|role| role.members.len()).sum();
        lines.push(format!("  {}: {}, {members} devices, {} triggers", spec.name, spec.package, spec.triggers.len()));
    }
    for cycle in &sound.cycles {
        lines.push(format!("  may loop: {cycle}"));
    }
    lines.join("\n")
}

fn problem(problem: &Problem) -> Json {
    json!({
        "file": &*problem.file,
        "line": problem.line,
        "path": problem.path,
        "message": problem.message,
        "nearest": problem.nearest,
    })
}
