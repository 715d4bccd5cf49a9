//! Scenarios: runs that once found a fault, kept as data and run for ever.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::plan::Plan;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// What it found, for whoever sees it fail.
    pub story: String,
    pub plan: Plan,
}

/// Where they lie.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/simulator")
}

/// Every scenario with its name, in order.
///
/// # Errors
/// When one cannot be read.
pub fn all() -> Result<Vec<(String, Scenario)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).context("failed to read the folder of scenarios")? {
        let path = entry.context("failed to read the folder of scenarios")?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {name}"))?;
            found.push((name.clone(), toml::from_str(&text).with_context(|| format!("failed to read {name}"))?));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}
