//! The stage: a temporary folder with the demo's configuration and packages, and nothing outside of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use include_dir::{Dir, include_dir};
use tempfile::TempDir;

static INSTALLATION: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/demo/installation");

pub(super) struct Stage {
    folder: TempDir,
}

/// The example rules must be built before.
#[derive(Debug, thiserror::Error)]
#[error(
    "the packages of the example rules are not here: {lacking}; in the clone of the repository `cargo xtask packages` \
     builds them, `cargo xtask demo` builds them and runs the demo, and --packages names another folder"
)]
pub(crate) struct MissingPackage {
    /// What each place lacks.
    lacking: String,
}

impl Stage {
    /// Lays out the installation, with its packages from the first of the places that has them all.
    ///
    /// # Errors
    /// [`MissingPackage`]; when the folder cannot be written.
    pub(super) fn set(places: &[PathBuf]) -> Result<Self> {
        let packages = packages(places)?;
        let folder = tempfile::Builder::new().prefix("pointsman-demo-").tempdir();
        let stage = Self { folder: folder.context("failed to create a temporary folder")? };
        let path = stage.folder.path();
        let failed = || format!("failed to write {}", path.display());
        INSTALLATION.extract(path).with_context(failed)?;
        std::fs::create_dir(path.join("packages")).with_context(failed)?;
        for rule in rules() {
            let name = format!("{rule}.wasm");
            let file = packages.join(&name);
            std::fs::copy(&file, path.join("packages").join(&name))
                .with_context(|| format!("failed to copy {}", file.display()))?;
        }
        Ok(stage)
    }

    /// The host's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.folder.path().join("pointsman.toml")
    }

    /// Takes everything away.
    ///
    /// # Errors
    /// When something of it stays.
    pub(super) fn strike(self) -> Result<()> {
        let path = self.folder.path().display().to_string();
        self.folder.close().with_context(|| format!("failed to remove {path}"))
    }
}

fn packages(places: &[PathBuf]) -> Result<&Path, MissingPackage> {
    let rules = rules();
    let mut lacking = Vec::new();
    for place in places {
        let missing = rules.iter().map(|rule| place.join(format!("{rule}.wasm"))).find(|file| !file.is_file());
        match missing {
            None => return Ok(place),
            Some(file) => lacking.push(format!("there is no {}", file.display())),
        }
    }
    Err(MissingPackage { lacking: lacking.join(", ") })
}

/// Each deployment of the demo runs the rule of its own name.
fn rules() -> Vec<String> {
    let deployments = INSTALLATION.get_dir("deployments").into_iter().flat_map(Dir::files);
    let mut rules: Vec<String> =
        deployments.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned())).collect();
    rules.sort();
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built() -> TempDir {
        let packages = tempfile::tempdir().expect("a folder");
        for rule in rules() {
            std::fs::write(packages.path().join(format!("{rule}.wasm")), "a package").expect("written");
        }
        packages
    }

    #[test]
    fn the_demos_configuration_is_right_and_nothing_of_it_stays() {
        let packages = built();
        let stage = Stage::set(&[packages.path().to_owned()]).expect("a stage");
        let host = config::Host::load(&stage.config()).expect("a configuration");
        let names: Vec<_> = host.deployments.iter().map(|deployment| deployment.name.to_string()).collect();
        assert_eq!(names, rules());
        assert!(host.deployments.iter().all(|deployment| deployment.package.is_file()));
        let folder = stage.folder.path().to_owned();
        assert!(host.data.starts_with(&folder), "{}", host.data.display());
        stage.strike().expect("struck");
        assert!(!folder.exists());
    }

    #[test]
    fn the_first_place_that_has_all_packages_is_taken() {
        let (some, all) = (built(), built());
        std::fs::remove_file(some.path().join("leak-alarm.wasm")).expect("removed");
        let places = ["nowhere".into(), some.path().to_owned(), all.path().to_owned(), "elsewhere".into()];
        assert_eq!(packages(&places).expect("one has all"), all.path());
    }

    #[test]
    fn packages_that_are_not_built_are_named_with_the_way_to_build_them() {
        let some = built();
        std::fs::remove_file(some.path().join("leak-alarm.wasm")).expect("removed");
        let error = Stage::set(&["nowhere".into(), some.path().to_owned()]).err().expect("one is missing").to_string();
        let missing = some.path().join("leak-alarm.wasm").display().to_string();
        assert!(error.contains("nowhere/") && error.contains(&missing), "{error}");
        assert!(error.contains("cargo xtask packages") && error.contains("--packages"), "{error}");
    }
}
