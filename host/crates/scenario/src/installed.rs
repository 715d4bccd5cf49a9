//! The installation that a rule's scenarios run in: its devices, and the fleets whose members join as they are first
//! heard.

use std::sync::Arc;

use config::{Manifest, Problem, Problems, Scenario};
use engine::Setup;
use ingest::DeviceMap;
use ingest::intake::Heard;
use model::deployment::PackageDigest;
use model::device::Devices;
use model::guest::Program;
use model::{Deployment, Device, DeviceNo, Name};

use crate::runner::SINK;

/// A rule that is deployed as `scenarios/deployment.toml` says.
pub struct Installed {
    setup: Setup,
    scenario: Scenario,
    manifest: Arc<Manifest>,
    digest: PackageDigest,
}

impl Installed {
    /// # Errors
    /// Everything in which deployment, manifest and rule do not fit together.
    pub(crate) fn new(
        scenario: Scenario,
        manifest: Arc<Manifest>,
        digest: PackageDigest,
        program: Arc<dyn Program>,
        file: &str,
    ) -> Result<Self, Problems> {
        let mut next = 0;
        let devices = Arc::new(scenario.devices(&mut |_| {
            next += 1;
            DeviceNo(next)
        }));
        let spec = resolve(&scenario, &manifest, digest, &devices)?;
        engine::validate(&*program, &spec.settings).map_err(|message| Problem::of_file(file, message))?;
        let setup = Setup {
            partitions: 1,
            deployments: vec![(Arc::new(spec), program)],
            devices,
            groups: scenario.groups.clone(),
            default_sink: Name::from(SINK),
        };
        Ok(Self { setup, scenario, manifest, digest })
    }

    /// The same with as many partitions.
    #[must_use]
    pub(crate) fn with_partitions(mut self, partitions: u16) -> Self {
        self.setup.partitions = partitions;
        self
    }

    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) fn map(&self) -> DeviceMap {
        let filters = self.setup.deployments.iter().flat_map(|(spec, _)| spec.message_filters().cloned());
        DeviceMap::new((*self.setup.devices).clone(), filters)
    }

    /// Takes in the member of a fleet that is heard so; whether there is one, not known before.
    ///
    /// # Errors
    /// When the deployment does not fit it.
    pub(crate) fn discover(&mut self, heard: Heard<'_>) -> Result<bool, Problems> {
        let known = &self.setup.devices;
        let member = self.scenario.patterns.iter().find_map(|pattern| {
            let member = match heard {
                Heard::Topic(topic) => pattern.matches(topic),
                Heard::Device(id) => pattern.named(id),
            };
            let member = member.filter(|member| known.named(&member.id).is_none())?;
            let number = DeviceNo(known.iter().map(|device| device.number.0).max().unwrap_or_default() + 1);
            Some(pattern.instantiate(&member, number))
        });
        let Some(member) = member else { return Ok(false) };
        let all: Vec<Device> = known.iter().map(|device| (**device).clone()).chain([member]).collect();
        let devices = Arc::new(Devices::new(all));
        let spec = Arc::new(resolve(&self.scenario, &self.manifest, self.digest, &devices)?);
        self.setup.devices = devices;
        self.setup.deployments.iter_mut().for_each(|(deployed, _)| deployed.clone_from(&spec));
        Ok(true)
    }
}

fn resolve(
    scenario: &Scenario,
    manifest: &Manifest,
    digest: PackageDigest,
    devices: &Devices,
) -> Result<Deployment, Problems> {
    config::resolve(&scenario.deployment, manifest, digest, &scenario.installation(devices))
}
