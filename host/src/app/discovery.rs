//! Discovery: members of a fleet become devices as they are first heard, by whichever way.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Result;
use host::pipeline::Handle;
use ingest::DeviceMap;
use ingest::devices::Shared;
use ingest::intake::{Discover, Heard};
use model::device::Devices;
use model::{Device, Name};
use store::{Reader, Writer};

use crate::api::Live;
use crate::installation::{Installation, message_filters};

/// The declared devices, and the members of fleets that the store knows from before.
///
/// # Errors
/// When the store cannot be read or written.
pub(crate) fn known_devices(installation: &Installation, writer: &Writer, reader: &Reader) -> Result<Devices> {
    let ids: Vec<Name> = installation.host.device_ids();
    let numbers = writer.number_devices(&ids)?;
    let number = |id: &str| {
        let place = ids.iter().position(|known| &**known == id);
        numbers[place.expect("every declared device was just numbered")]
    };
    let declared = installation.devices(&mut |id| number(id));
    let mut all: Vec<Device> = declared.iter().map(|device| (**device).clone()).collect();
    for (number, id) in reader.devices()? {
        let fleet = installation.host.patterns.iter().find_map(|pattern| Some((pattern, pattern.named(&id)?)));
        if let Some((pattern, member)) = fleet.filter(|_| declared.named(&id).is_none()) {
            all.push(pattern.instantiate(&member, number));
        }
    }
    Ok(Devices::new(all))
}

/// Makes devices out of topics and ids that a fleet's pattern matches.
#[derive(Clone)]
pub(crate) struct Discovery {
    inner: Arc<Inner>,
}

struct Inner {
    installation: Arc<Installation>,
    writer: Writer,
    map: Shared,
    live: Arc<Live>,
    pipeline: OnceLock<Handle>,
    /// Sources run side by side; a device is made once.
    one_at_a_time: Mutex<()>,
}

impl Discovery {
    pub(crate) fn new(installation: Arc<Installation>, writer: Writer, map: Shared, live: Arc<Live>) -> Self {
        let inner = Inner { installation, writer, map, live, pipeline: OnceLock::new(), one_at_a_time: Mutex::new(()) };
        Self { inner: Arc::new(inner) }
    }

    /// Tells where switches go, once the engine runs.
    pub(crate) fn connect(&self, pipeline: Handle) {
        // Called once, by the composition root.
        let _ = self.inner.pipeline.set(pipeline);
    }

    pub(crate) fn discover(&self) -> Discover {
        let inner = Arc::clone(&self.inner);
        Arc::new(move |heard| inner.discover(heard))
    }
}

impl Inner {
    fn discover(&self, heard: Heard<'_>) -> bool {
        let Some((pattern, member)) = self.installation.member(heard) else { return false };
        let _alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let devices = self.live.devices();
        if devices.named(&member.id).is_some() {
            return true;
        }
        // It waits for the disk and for the engine, which must not stop what else this thread does.
        match tokio::task::block_in_place(|| self.add(&devices, pattern, &member)) {
            Ok(()) => {
                tracing::info!(device = %member.id, "a member of a fleet was heard for the first time");
                true
            }
            Err(error) => {
                tracing::error!(device = %member.id, %error, "failed to add a member of a fleet");
                false
            }
        }
    }

    fn add(&self, devices: &Devices, pattern: &config::DevicePattern, member: &config::Instance) -> Result<()> {
        let numbers = self.writer.number_devices(std::slice::from_ref(&member.id))?;
        let device = pattern.instantiate(member, numbers[0]);
        let all: Vec<Device> = devices.iter().map(|device| (**device).clone()).chain([device]).collect();
        let devices = Arc::new(Devices::new(all));
        let loaded = self.live.rebound(self.installation.resolve(&devices)?);
        if let Some(pipeline) = self.pipeline.get() {
            pipeline.switch(self.installation.setup(1, Arc::clone(&devices), &loaded))?;
        }
        self.map.replace(DeviceMap::new((*devices).clone(), message_filters(loaded.iter().map(|loaded| &loaded.spec))));
        self.live.replace(loaded, devices);
        Ok(())
    }
}
