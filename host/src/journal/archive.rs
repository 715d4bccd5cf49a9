//! The archive: packages by their digest, so that what ran can run again after it was replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use engine::Setup;
use model::deployment::{Limits, PackageDigest};
use model::guest::Program;
use model::{Configuration, Deployment};
use sandbox::{LoadOptions, Sandbox};

use crate::installation::{PACKAGES, package_file};

/// Finds and loads packages by digest.
pub(crate) struct Archive {
    sandbox: Sandbox,
    data: PathBuf,
    /// Packages beside the configuration, by digest.
    beside: BTreeMap<PackageDigest, PathBuf>,
    loaded: Vec<(PackageDigest, Limits, Arc<dyn Program>)>,
}

/// A package that ran once is not there any more.
#[derive(Debug, thiserror::Error)]
#[error("the package {package} of deployment `{deployment}` ({digest}) is neither in {} nor in {}", places.data.display(), places.beside.display())]
pub(crate) struct MissingPackage {
    package: String,
    deployment: String,
    digest: PackageDigest,
    places: Box<Places>,
}

/// Where packages are looked for.
#[derive(Debug)]
struct Places {
    data: PathBuf,
    beside: PathBuf,
}

impl Archive {
    /// An archive over a host's data folder and the packages beside its configuration.
    ///
    /// # Errors
    /// When the sandbox cannot be set up.
    pub(crate) fn open(host: &config::Host) -> Result<Self> {
        let cache = Some(host.data.join("cache"));
        let sandbox = Sandbox::new(sandbox::Options { cache, pooling: sandbox::Pooling::Auto })?;
        Ok(Self { sandbox, data: host.data.join(PACKAGES), beside: index(&host.deployments), loaded: Vec::new() })
    }

    /// The engine's setup of a configuration.
    ///
    /// # Errors
    /// [`MissingPackage`], and when a package does not load.
    pub(crate) fn setup(&mut self, configuration: Configuration, partitions: u16) -> Result<Setup> {
        Setup::of(configuration, partitions, |deployment| self.program(deployment))
    }

    fn program(&mut self, deployment: &Deployment) -> Result<Arc<dyn Program>> {
        let (digest, limits) = (deployment.package.digest, deployment.limits);
        if let Some((.., program)) = self.loaded.iter().find(|(d, l, _)| *d == digest && *l == limits) {
            return Ok(Arc::clone(program));
        }
        let path = self.find(deployment)?;
        let bytes = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        // It was allowed what it imports when it was deployed.
        let options = LoadOptions { world: deployment.world, compatibility: true, limits };
        let program =
            self.sandbox.load(&bytes, &options).with_context(|| format!("failed to load {}", path.display()))?;
        self.loaded.push((digest, limits, Arc::clone(&program)));
        Ok(program)
    }

    fn beside_folder(&self) -> PathBuf {
        let first = self.beside.values().next().and_then(|path| path.parent());
        first.unwrap_or(Path::new("packages")).to_owned()
    }

    fn find(&self, deployment: &Deployment) -> Result<PathBuf, MissingPackage> {
        let digest = deployment.package.digest;
        let kept = self.data.join(package_file(digest));
        if kept.is_file() {
            return Ok(kept);
        }
        self.beside.get(&digest).cloned().ok_or_else(|| MissingPackage {
            package: deployment.package.to_string(),
            deployment: deployment.name.to_string(),
            digest,
            places: Box::new(Places { data: self.data.clone(), beside: self.beside_folder() }),
        })
    }
}

/// The packages that deployments name now, by what they hold.
fn index(deployments: &[config::DeploymentFile]) -> BTreeMap<PackageDigest, PathBuf> {
    let packages = deployments.iter().filter_map(|file| {
        let bytes = std::fs::read(&file.package).ok()?;
        Some((sandbox::package::digest(&bytes), file.package.clone()))
    });
    packages.collect()
}
