//! `pointsman rule build`: a component with its manifest, from a rule's source.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::package::Package;
use super::report;
use crate::cli::output;

/// Builds a rule into a package: one file that holds the component and its manifest.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman rule build\n  pointsman rule build rules/freezer-guard -o packages/freezer-guard.wasm"
)]
pub(crate) struct Build {
    /// The rule's folder, with `rule.toml` and `Cargo.toml`.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to write the package [default: NAME-VERSION.wasm in the rule's folder].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was built as JSON.
    #[arg(long)]
    json: bool,
}

impl Build {
    pub(crate) fn run(self) -> Result<()> {
        let package = Package::build(&self.dir)?;
        let beside = || self.dir.join(package.file_name());
        let file = self.output.unwrap_or_else(beside);
        let file = file.strip_prefix(".").unwrap_or(&file);
        write(file, &package.bytes).with_context(|| format!("failed to write {}", file.display()))?;
        let report = report::json(file, &package.inspection, Some(&package.manifest));
        if self.json {
            output::print(report)
        } else {
            report::print(&report)
        }
        Ok(())
    }
}

/// Writes beside and renames, so that a host which reads the file meanwhile sees the old package or the new one.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut beside = tempfile::Builder::new().prefix(".package-").permissions(readable()).tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.persist(file)?;
    Ok(())
}

/// Packages are no secrets: a host under another user reads them.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}
