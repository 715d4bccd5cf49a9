//! `pointsman rule inspect`: what a package imports, asks and weighs.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use config::Manifest;

use super::report;
use crate::cli::output;

/// Shows what a package is, without running any of it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman rule inspect packages/freezer-guard-1.0.0.wasm\n  pointsman rule inspect freezer-guard-1.0.0.wasm --json"
)]
pub(crate) struct Inspect {
    /// A package, or a component without a manifest.
    file: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<()> {
        let name = self.file.display();
        let bytes = std::fs::read(&self.file).with_context(|| format!("failed to read {name}"))?;
        let inspection = sandbox::inspect(&bytes).with_context(|| format!("{name} is no package"))?;
        let text = inspection.manifest.as_deref();
        let manifest = text.map(|text| Manifest::parse(text, &format!("{name}: rule.toml"))).transpose()?;
        let report = report::json(&self.file, &inspection, manifest.as_ref());
        if self.json {
            output::print(report)
        } else {
            report::print(&report)
        }
        Ok(())
    }
}
