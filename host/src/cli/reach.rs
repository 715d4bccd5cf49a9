//! Reach: where an operator's question goes, to the running host or to the store that it left behind.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use config::{Host, Problem, Problems};
use model::device::Devices;
use model::{Device, DeviceNo};
use server::client::{Client, Error};
use store::Reader;

use super::ConfigArgument;

/// Who answers.
pub(crate) enum Reach {
    Running(Client),
    /// No host runs with the data folder.
    Stopped,
}

/// Reads `pointsman.toml` alone: an operator must reach a host whose other files are being changed.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read_host(argument: &ConfigArgument) -> Result<Host, Problems> {
    let file = &argument.config;
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Problem::of_file(&name, format!("cannot read the file: {error}")))?;
    Host::parse(&text, &name, file.parent().unwrap_or(Path::new("")))
}

impl Reach {
    /// # Errors
    /// When there is a socket that cannot be used.
    pub(crate) async fn of(host: &Host) -> Result<Self> {
        match Client::connect(&host.data).await {
            Ok(client) => Ok(Self::Running(client)),
            Err(Error::NotRunning { .. }) => Ok(Self::Stopped),
            Err(error) => Err(error.into()),
        }
    }
}

/// Runs a question to a host; one thread is enough for it.
///
/// # Errors
/// The question's, and when there is no runtime.
pub(crate) fn block_on<T>(question: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start the runtime")?.block_on(question)
}

/// The store of a host that does not run.
///
/// # Errors
/// When there is none yet or it cannot be read.
pub(crate) fn reader(host: &Host) -> Result<Reader> {
    Ok(Reader::open(&host.data)?)
}

/// The devices of a host that does not run: declared ones, and the members of fleets that its store knows.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn devices(host: &Host, reader: Option<&Reader>) -> Result<Devices> {
    let known = match reader {
        Some(reader) => reader.devices()?,
        None => Vec::new(),
    };
    let numbers: BTreeMap<_, _> = known.iter().map(|(number, id)| (&**id, *number)).collect();
    let mut free = known.iter().map(|(number, _)| number.0).max().unwrap_or_default();
    let declared = host.devices(&mut |id| match numbers.get(id) {
        Some(number) => *number,
        // Never ran with this device: no row of the store can be its own.
        None => {
            free += 1;
            DeviceNo(free)
        }
    });
    let mut all: Vec<Device> = declared.iter().map(|device| (**device).clone()).collect();
    for (number, id) in &known {
        let member = host.patterns.iter().find_map(|pattern| Some((pattern, pattern.named(id)?)));
        if let Some((pattern, member)) = member.filter(|_| declared.named(id).is_none()) {
            all.push(pattern.instantiate(&member, *number));
        }
    }
    Ok(Devices::new(all))
}
