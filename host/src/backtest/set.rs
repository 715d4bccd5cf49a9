//! A set of deployments: a folder with `deployments/`, or an installation of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use config::{Host, Problems};
use engine::Setup;
use ingest::intake::Heard;
use model::device::Devices;
use model::guest::Program;
use model::{Device, DeviceNo, Name};
use sandbox::Sandbox;

use crate::cli::Usage;
use crate::installation::{Installation, Loaded, message_filters};

/// The file that makes a folder an installation.
const CONFIGURATION: &str = "pointsman.toml";

/// Numbers of devices, the same for both sets and the stream.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    known: BTreeMap<Name, DeviceNo>,
    last: u32,
}

/// Deployments that are read and loaded, ready to be bound to devices.
pub(crate) struct Set {
    installation: Installation,
    loaded: Vec<Loaded>,
    devices: Arc<Devices>,
}

impl Numbers {
    /// Those that a store has given.
    pub(crate) fn of(devices: &[(DeviceNo, Name)]) -> Self {
        let known = devices.iter().map(|(number, id)| (id.clone(), *number)).collect();
        Self { known, last: devices.iter().map(|(number, _)| number.0).max().unwrap_or_default() }
    }

    /// The number of a device; a new one where it has none.
    pub(crate) fn of_device(&mut self, id: &str) -> DeviceNo {
        if let Some(number) = self.known.get(id) {
            return *number;
        }
        self.last += 1;
        self.known.insert(Name::from(id), DeviceNo(self.last));
        DeviceNo(self.last)
    }
}

impl Set {
    /// Reads and loads the set at `path`: a `pointsman.toml`, a folder that has one, or a folder with `deployments/`,
    /// whose devices are those of `configuration`. `fleet` are devices that were found while the host ran.
    ///
    /// # Errors
    /// Everything that is wrong in its files; a package that cannot be run.
    pub(crate) fn load(
        path: &Path,
        configuration: &Path,
        sandbox: &Sandbox,
        numbers: &mut Numbers,
        fleet: &[Name],
    ) -> Result<Self> {
        let host = if path.is_file() {
            Host::load(path)?
        } else if path.join(CONFIGURATION).is_file() {
            Host::load(&path.join(CONFIGURATION))?
        } else if path.join("deployments").is_dir() {
            Host::load_with(configuration, path)?
        } else {
            let shown = path.display();
            let told =
                format!("{shown} is no set of deployments: expected a folder with deployments/ or a {CONFIGURATION}");
            return Err(Usage(told).into());
        };
        let shown = path.display().to_string();
        Self::of(host, sandbox, numbers, fleet).with_context(|| format!("failed to load the set {shown}"))
    }

    /// The set of an installation that is read.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(crate) fn of(host: Host, sandbox: &Sandbox, numbers: &mut Numbers, fleet: &[Name]) -> Result<Self> {
        let installation = Installation::read(host)?;
        let declared = installation.devices(&mut |id| numbers.of_device(id));
        let mut devices: Vec<Device> = declared.iter().map(|device| (**device).clone()).collect();
        let patterns = &installation.host.patterns;
        for id in fleet.iter().filter(|id| declared.named(id).is_none()) {
            if let Some((pattern, member)) = patterns.iter().find_map(|pattern| Some((pattern, pattern.named(id)?))) {
                devices.push(pattern.instantiate(&member, numbers.of_device(id)));
            }
        }
        let devices = Arc::new(Devices::new(devices));
        let loaded = installation.load(sandbox, installation.resolve(&devices)?)?;
        Ok(Self { installation, loaded, devices })
    }

    pub(crate) fn setup(&self, partitions: u16) -> Setup {
        self.installation.setup(partitions, Arc::clone(&self.devices), &self.loaded)
    }

    /// The member of a fleet that is heard so, numbered, where it is not known yet.
    pub(crate) fn discovered(&self, heard: Heard<'_>, numbers: &mut Numbers) -> Option<Device> {
        let (pattern, member) = self.installation.member(heard)?;
        let new = self.devices.named(&member.id).is_none();
        new.then(|| pattern.instantiate(&member, numbers.of_device(&member.id)))
    }

    /// The set once another device has joined; none where it knows the device, or has no fleet that it is of.
    ///
    /// # Errors
    /// When the deployments no longer fit.
    pub(crate) fn joined(&mut self, device: &Device, partitions: u16) -> Result<Option<Setup>, Problems> {
        let found = self.installation.member(Heard::Device(&device.id));
        let Some((pattern, member)) = found.filter(|_| self.devices.named(&device.id).is_none()) else {
            return Ok(None);
        };
        let joined = pattern.instantiate(&member, device.number);
        let devices = self.devices.iter().map(|device| (**device).clone()).chain([joined]);
        self.devices = Arc::new(Devices::new(devices));
        let programs: BTreeMap<Name, Arc<dyn Program>> =
            self.loaded.iter().map(|loaded| (loaded.spec.name.clone(), Arc::clone(&loaded.program))).collect();
        let bound = self.installation.resolve(&self.devices)?.into_iter();
        let again = bound.filter_map(|spec| {
            let program = Arc::clone(programs.get(&spec.name)?);
            Some(Loaded { spec: Arc::new(spec), program })
        });
        self.loaded = again.collect();
        Ok(Some(self.setup(partitions)))
    }

    pub(crate) fn devices(&self) -> &Devices {
        &self.devices
    }

    pub(crate) fn zone(&self) -> Name {
        self.installation.host.site.zone.clone()
    }

    /// The topics that its rules listen to.
    pub(crate) fn filters(&self) -> Vec<Name> {
        message_filters(self.loaded.iter().map(|loaded| &loaded.spec))
    }

    pub(crate) fn specs(&self) -> impl Iterator<Item = &model::Deployment> {
        self.loaded.iter().map(|loaded| &*loaded.spec)
    }
}
