//! `pointsman rule repro`: a dead letter's event again, in a sandbox, with nothing that could reach the world.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use engine::{Case, Rerun};
use model::deployment::PackageDigest;
use sandbox::LoadOptions;
use serde_json::{Value as Json, json};

use super::package;
use crate::cli::replay::on_engine_thread;
use crate::cli::{output, reach};

/// Runs the event of a dead letter again and tells whether it fails the same way.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman journal dead-letters export 42 case.json\n  pointsman rule repro case.json\n  pointsman rule repro case.json --package target/mended.wasm"
)]
pub(crate) struct Repro {
    /// The case that `journal dead-letters export` wrote.
    case: PathBuf,
    /// Run this package instead of the one that failed.
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: crate::cli::ConfigArgument,
}

/// How a case ended when it ran again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Same reason, same message.
    Same,
    /// Same reason, another message.
    SameReason,
    Differently,
    NoLonger,
}

impl Repro {
    pub(crate) fn run(self) -> Result<()> {
        let case = read(&self.case)?;
        let bytes = match &self.package {
            Some(file) => std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?,
            None => find(&self.folders()?, case.digest, &case.rule)?,
        };
        let digest = sandbox::package::digest(&bytes);
        let sandbox = package::sandbox()?;
        let inspection = sandbox::inspect(&bytes).context("the package cannot be read")?;
        // What the package imports its deployment allowed when the event failed.
        let compatibility = inspection.wasi().next().is_some();
        let options = LoadOptions { world: case.deployment.world, compatibility, limits: case.deployment.limits };
        let program = sandbox.load(&bytes, &options).context("the package cannot be run")?;
        let again = case.clone();
        let rerun = on_engine_thread(move || Ok(again.run(&program)?))?;
        self.tell(&case, digest, &rerun);
        Ok(())
    }

    /// Where packages lie: beside the configuration, and in the data folder.
    fn folders(&self) -> Result<Vec<PathBuf>> {
        let host = reach::read_host(&self.config).map_err(|problems| {
            anyhow!(problems).context("the package is looked up in an installation; or name it with --package")
        })?;
        let beside = self.config.config.parent().unwrap_or(Path::new("")).join("packages");
        Ok(vec![beside, host.data.join("packages")])
    }

    fn tell(&self, case: &Case, digest: PackageDigest, rerun: &Rerun) {
        let verdict = verdict(case, rerun);
        let now = rerun.result.as_ref().err().map(ToString::to_string);
        let then = format!("{}: {}", case.failure.reason, case.failure.message);
        if self.json {
            output::print(json!({
                "verdict": verdict.word(),
                "rule": &*case.rule,
                "package": digest.to_string(),
                "same-package": digest == case.digest,
                "then": {"reason": &*case.failure.reason, "message": &*case.failure.message},
                "now": rerun.result.as_ref().err().map(|f| json!({"reason": f.reason(), "message": f.message()})),
                "proposals": rerun.result.as_ref().ok(),
                "writes": rerun.writes,
                "fuel": rerun.fuel,
                "logs": rerun.logs.iter().map(|line| &line.message).collect::<Vec<_>>(),
                "devices-left-out": case.devices_left_out,
                "state-left-out": case.state_left_out,
            }));
            return;
        }
        if digest != case.digest {
            output::say(format_args!("with another package than the one that failed: {digest}"));
        }
        if case.devices_left_out > 0 {
            output::say(format_args!("the case leaves {} devices out", case.devices_left_out));
        }
        if case.state_left_out > 0 {
            output::say(format_args!("the case leaves the key's {} values of state out", case.state_left_out));
        }
        for line in &rerun.logs {
            output::say(format_args!("log: {}", line.message));
        }
        output::print(match (verdict, now) {
            (Verdict::Same, _) => format!("fails the same way: {then}"),
            (Verdict::SameReason, Some(now)) => {
                format!("fails for the same reason, saying something else: {now}\nthen {then}")
            }
            (_, Some(now)) => format!("fails in another way: {now}\nthen {then}"),
            (_, None) => {
                let proposals = rerun.result.as_deref().unwrap_or_default();
                let kinds: Vec<&str> = proposals.iter().map(|proposal| proposal.effect.kind()).collect();
                format!(
                    "does not fail: {} effects ({}), {} values written\nthen {then}",
                    kinds.len(),
                    kinds.join(", "),
                    rerun.writes.len()
                )
            }
        });
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::SameReason => "same-reason",
            Self::Differently => "differently",
            Self::NoLonger => "no-longer",
        }
    }
}

fn verdict(case: &Case, rerun: &Rerun) -> Verdict {
    match &rerun.result {
        Ok(_) => Verdict::NoLonger,
        Err(failure) if failure.reason() != &*case.failure.reason => Verdict::Differently,
        Err(failure) if failure.message() != &*case.failure.message => Verdict::SameReason,
        Err(_) => Verdict::Same,
    }
}

fn read(file: &Path) -> Result<Case> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    let json: Json = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    match json["case"].as_u64() {
        Some(version) if version > u64::from(engine::CASE_VERSION) => {
            let own = engine::CASE_VERSION;
            bail!("{} is a case of version {version}; this program reads up to {own}: use a newer one", file.display());
        }
        Some(_) => serde_json::from_value(json).with_context(|| format!("{} is no case", file.display())),
        None => bail!("{} is no case: it has no `case` with a version", file.display()),
    }
}

/// The package with this digest in one of the folders.
fn find(folders: &[PathBuf], digest: PackageDigest, rule: &str) -> Result<Vec<u8>> {
    for folder in folders {
        // A folder that is not there holds no package.
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.with_context(|| format!("failed to read {}", folder.display()))?.path();
            let Ok(bytes) = std::fs::read(&path) else { continue };
            if sandbox::package::digest(&bytes) == digest {
                return Ok(bytes);
            }
        }
    }
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    bail!("the package of {rule}, {digest}, is neither in {}: name it with --package", folders.join(" nor in "))
}
