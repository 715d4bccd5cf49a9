//! The configuration in force: how the journal names it, and how a setup is made of it again.

use std::sync::Arc;

use model::deployment::Deployment;
use model::device::Devices;
use model::guest::Program;
use model::{Configuration, ConfigurationDigest};
use sha2::{Digest as _, Sha256};
use store::ConfigurationRow;

use crate::plan::Setup;
use crate::rows::{self, RowError};

/// A configuration with its stored form.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) configuration: Configuration,
    pub(crate) digest: ConfigurationDigest,
    body: Arc<[u8]>,
}

impl Stored {
    pub(crate) fn new(configuration: Configuration) -> Self {
        let (digest, body) = encode(&configuration);
        Self { configuration, digest, body: body.into() }
    }

    pub(crate) fn row(&self) -> ConfigurationRow {
        ConfigurationRow { digest: self.digest.0, body: Arc::clone(&self.body) }
    }
}

impl Setup {
    /// All of the setup that decisions depend on, beside the programs' own bytes.
    #[must_use]
    pub fn configuration(&self) -> Configuration {
        let mut deployments: Vec<_> = self.deployments.iter().map(|(spec, _)| Arc::clone(spec)).collect();
        deployments.sort_by(|a, b| a.name.cmp(&b.name));
        Configuration {
            devices: self.devices.iter().cloned().collect(),
            deployments,
            groups: self.groups.clone(),
            default_sink: self.default_sink.clone(),
        }
    }

    /// A setup of this configuration, with a program for each of its deployments.
    ///
    /// # Errors
    /// The first of `program`'s.
    pub fn of<E>(
        configuration: Configuration,
        partitions: u16,
        mut program: impl FnMut(&Deployment) -> Result<Arc<dyn Program>, E>,
    ) -> Result<Self, E> {
        let deployments = configuration.deployments.into_iter().map(|spec| {
            let program = program(&spec)?;
            Ok((spec, program))
        });
        let devices = configuration.devices.into_iter().map(Arc::unwrap_or_clone);
        Ok(Self {
            partitions,
            devices: Arc::new(Devices::new(devices)),
            deployments: deployments.collect::<Result<_, E>>()?,
            groups: configuration.groups,
            default_sink: configuration.default_sink,
        })
    }
}

/// The stored form of a configuration, and its digest.
#[must_use]
pub fn encode(configuration: &Configuration) -> (ConfigurationDigest, Box<[u8]>) {
    let body = rows::encode_named(configuration);
    (ConfigurationDigest(Sha256::digest(&body).into()), body)
}

/// Reads a stored configuration.
///
/// # Errors
/// When the bytes are none.
pub fn decode(body: &[u8]) -> Result<Configuration, RowError> {
    rows::decode("configurations", body)
}
