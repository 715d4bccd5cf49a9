//! The installation: configuration, devices and packages, turned into what an engine runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use config::{DevicePattern, Host, Instance, Manifest, Problem, Problems};
use engine::Cycle;
use ingest::intake::Heard;
use model::deployment::PackageDigest;
use model::device::Devices;
use model::guest::Program;
use model::{Deployment, DeviceNo, Name};
use sandbox::{LoadOptions, Sandbox};

/// A loaded package with the deployment that it serves.
pub(crate) struct Loaded {
    pub(crate) spec: Arc<Deployment>,
    pub(crate) program: Arc<dyn Program>,
}

/// Everything that a host runs, as its files say.
pub(crate) struct Installation {
    pub(crate) host: Host,
    /// By deployment; those of one file share it.
    packages: Vec<Arc<Package>>,
}

/// A package, read and checked.
struct Package {
    bytes: Vec<u8>,
    manifest: Manifest,
}

impl Installation {
    /// Reads the configuration and the packages that its deployments name.
    ///
    /// # Errors
    /// Everything that is wrong in any file, with its path.
    pub(crate) fn read(host: Host) -> Result<Self, Problems> {
        let mut packages: Vec<Arc<Package>> = Vec::new();
        let mut problems = Vec::new();
        let mut read: BTreeMap<&Path, Arc<Package>> = BTreeMap::new();
        for deployment in &host.deployments {
            if let Some(package) = read.get(&*deployment.package) {
                packages.push(Arc::clone(package));
                continue;
            }
            match read_package(&deployment.package).map(Arc::new) {
                Ok(package) => {
                    packages.push(Arc::clone(&package));
                    read.insert(&deployment.package, package);
                }
                Err(found) => problems.extend(found),
            }
        }
        drop(read);
        if problems.is_empty() { Ok(Self { host, packages }) } else { Err(problems.into_iter().collect()) }
    }

    /// The declared devices, numbered.
    pub(crate) fn devices(&self, number: &mut dyn FnMut(&str) -> DeviceNo) -> Devices {
        self.host.devices(number)
    }

    /// The member of a fleet that is heard so, if its pattern is there.
    pub(crate) fn member(&self, heard: Heard<'_>) -> Option<(&DevicePattern, Instance)> {
        let of = |pattern: &DevicePattern| match heard {
            Heard::Topic(topic) => pattern.matches(topic),
            Heard::Device(id) => pattern.named(id),
        };
        self.host.patterns.iter().find_map(|pattern| Some((pattern, of(pattern)?)))
    }

    /// The deployments against these devices.
    ///
    /// # Errors
    /// Everything in which deployments, manifests and devices do not fit together.
    pub(crate) fn resolve(&self, devices: &Devices) -> Result<Vec<Deployment>, Problems> {
        let installation = self.host.installation(devices);
        let mut problems = Vec::new();
        let mut resolved = Vec::new();
        for (file, package) in self.host.deployments.iter().zip(&self.packages) {
            let digest = sandbox::package::digest(&package.bytes);
            match config::resolve(file, &package.manifest, digest, &installation) {
                Ok(deployment) => resolved.push(deployment),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(resolved) } else { Err(problems.into_iter().collect()) }
    }

    /// Compiles, links and asks each package whether it can work with its settings.
    ///
    /// # Errors
    /// When a package cannot be run, or refuses its settings.
    pub(crate) fn load(&self, sandbox: &Sandbox, deployments: Vec<Deployment>) -> Result<Vec<Loaded>, Problems> {
        let mut problems = Vec::new();
        let mut loaded = Vec::new();
        let files = self.host.deployments.iter().zip(&self.packages);
        for ((file, package), spec) in files.zip(deployments) {
            let options = LoadOptions { world: spec.world, compatibility: file.compatibility, limits: spec.limits };
            match sandbox.load(&package.bytes, &options) {
                Ok(program) => match engine::validate(&*program, &spec.settings) {
                    Ok(()) => loaded.push(Loaded { spec: Arc::new(spec), program }),
                    Err(message) => problems.push(Problem::of_file(&label(&file.name), message)),
                },
                Err(error) => problems.push(Problem::of_file(&file.package.display().to_string(), error.to_string())),
            }
        }
        if problems.is_empty() { Ok(loaded) } else { Err(problems.into_iter().collect()) }
    }

    /// Whether each loop over several deployments is accepted by all of them. One that a deployment makes alone, as by
    /// watching the lamp that it switches, is usual and no problem.
    ///
    /// # Errors
    /// The loops that are not.
    pub(crate) fn accept(&self, cycles: &[Cycle]) -> Result<(), Problems> {
        let accepts = |name: &Name| self.host.deployments.iter().any(|file| file.name == *name && file.accept_loops);
        let refused = cycles.iter().filter(|cycle| cycle.steps.len() > 1).filter_map(|cycle| {
            let (missing, _) = cycle.steps.iter().find(|(name, _)| !accepts(name))?;
            let message = format!("may loop: {cycle}; `accept-loops = true` under [deployment] of each accepts that");
            Some(Problem::of_file(&label(missing), message))
        });
        let refused: Vec<Problem> = refused.collect();
        if refused.is_empty() { Ok(()) } else { Err(refused.into_iter().collect()) }
    }

    /// Keeps a copy of every package under its digest, so that what ran can be replayed after it was replaced.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn keep_packages(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
        for package in &self.packages {
            let kept = folder.join(package_file(sandbox::package::digest(&package.bytes)));
            if kept.exists() {
                continue;
            }
            let part = kept.with_extension("part");
            let written = std::fs::write(&part, &package.bytes).and_then(|()| std::fs::rename(&part, &kept));
            written.with_context(|| format!("failed to keep a package as {}", kept.display()))?;
        }
        Ok(())
    }

    /// The engine's setup.
    pub(crate) fn setup(&self, partitions: u16, devices: Arc<Devices>, loaded: &[Loaded]) -> engine::Setup {
        engine::Setup {
            partitions,
            devices,
            deployments: loaded.iter().map(|l| (Arc::clone(&l.spec), Arc::clone(&l.program))).collect(),
            groups: self.host.groups.clone(),
            default_sink: sink_of(&self.default_connection()),
        }
    }

    /// The connection of devices that name none: the embedded broker, else the first external one.
    pub(crate) fn default_connection(&self) -> Name {
        match (&self.host.broker, self.host.mqtt.first()) {
            (Some(_), _) | (None, None) => Name::from(EMBEDDED),
            (None, Some(server)) => server.name.clone(),
        }
    }
}

/// The folder of packages by digest, in the data folder.
pub(crate) const PACKAGES: &str = "packages";

/// The folder of webhooks whose receivers are gone for good, in the data folder.
pub(crate) const GONE: &str = "gone";

/// The name of a package's file among those that are kept.
pub(crate) fn package_file(digest: PackageDigest) -> String {
    format!("{}.wasm", digest.to_string().trim_start_matches("sha256:"))
}

/// The name of the embedded broker among the connections.
pub(crate) const EMBEDDED: &str = "broker";

/// The sink that publishes over a connection.
pub(crate) fn sink_of(connection: &str) -> Name {
    Name::from(format!("mqtt:{connection}"))
}

/// The topic filters that some rule listens to.
pub(crate) fn message_filters<'a>(deployments: impl IntoIterator<Item = &'a Arc<Deployment>>) -> Vec<Name> {
    deployments.into_iter().flat_map(|deployment| deployment.message_filters().cloned()).collect()
}

fn label(deployment: &str) -> String {
    format!("deployments/{deployment}.toml")
}

fn read_package(path: &PathBuf) -> Result<Package, Vec<Problem>> {
    let file = path.display().to_string();
    let problem = |message: String| vec![Problem::of_file(&file, message)];
    let bytes = std::fs::read(path).map_err(|error| problem(format!("failed to read the package: {error}")))?;
    let inspection = sandbox::inspect(&bytes).map_err(|error| problem(error.to_string()))?;
    let text = inspection
        .manifest
        .ok_or_else(|| problem("holds no manifest: build packages with `pointsman rule build`".to_owned()))?;
    let manifest =
        Manifest::parse(&text, &format!("{file}: rule.toml")).map_err(|found| found.into_iter().collect::<Vec<_>>())?;
    Ok(Package { bytes, manifest })
}
