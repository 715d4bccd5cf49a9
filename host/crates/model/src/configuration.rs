//! A configuration: the devices and deployments that are in force between two switches, as the journal names them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::deployment::PackageDigest;
use crate::notification::Group;
use crate::{Deployment, Device, Name};

/// SHA-256 of a configuration as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfigurationDigest(pub [u8; 32]);

impl fmt::Display for ConfigurationDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PackageDigest(self.0).fmt(f)
    }
}

impl fmt::Debug for ConfigurationDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that decisions depend on beside the journal and the packages' own bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// By number.
    pub devices: Vec<Arc<Device>>,
    /// By name.
    pub deployments: Vec<Arc<Deployment>>,
    pub groups: Vec<Group>,
    /// The sink of devices that name no connection, and of what rules publish.
    pub default_sink: Name,
}

/// A device that came into force while the host ran, and the roles that it was bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    pub device: Arc<Device>,
    pub places: Vec<Place>,
}

/// Where a device stands among a role's members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub deployment: Name,
    pub role: Name,
    /// Counted from 0.
    pub position: u32,
}

impl Configuration {
    /// What turns this into `later`, where that is one device that joined and nothing else.
    #[must_use]
    pub fn joined(&self, later: &Self) -> Option<Joined> {
        let known = |device: &Arc<Device>| self.devices.iter().any(|old| old.number == device.number);
        let device = later.devices.iter().find(|device| !known(device))?;
        let places = later.deployments.iter().flat_map(|deployment| {
            deployment.roles.iter().filter_map(|role| {
                let position = role.members.iter().position(|member| *member == device.number)?;
                let position = u32::try_from(position).ok()?;
                Some(Place { deployment: deployment.name.clone(), role: role.name.clone(), position })
            })
        });
        let joined = Joined { device: Arc::clone(device), places: places.collect() };
        let mut reached = self.clone();
        reached.join(&joined);
        (reached == *later).then_some(joined)
    }

    /// Takes a device in. A place that does not exist is passed over.
    pub fn join(&mut self, joined: &Joined) {
        let number = joined.device.number;
        let at = self.devices.partition_point(|device| device.number < number);
        self.devices.insert(at, Arc::clone(&joined.device));
        for place in &joined.places {
            let Some(deployment) = self.deployments.iter_mut().find(|d| d.name == place.deployment) else { continue };
            let role = Arc::make_mut(deployment).roles.iter_mut().find(|role| role.name == place.role);
            if let Some(role) = role {
                let position = usize::try_from(place.position).unwrap_or(usize::MAX).min(role.members.len());
                role.members.insert(position, number);
            }
        }
    }
}
