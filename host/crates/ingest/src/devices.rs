//! The device map: which devices a topic concerns and how its payload becomes readings, compiled once per change.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use model::device::{Device, Devices};
use model::{Name, topic};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::codecs::json::Plan;
use crate::intake::Heard;

/// All devices by topic. Immutable: a change of devices or deployments makes a new one.
#[derive(Debug, Default)]
pub struct DeviceMap {
    devices: Devices,
    exact: FxHashMap<Name, Vec<Route>>,
    wild: Vec<(Name, Route)>,
    message_topics: FxHashSet<Name>,
    message_filters: Vec<Name>,
}

/// What a message on one topic means to one device.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    Readings { device: Arc<Device>, plan: Arc<Plan> },
    Availability { device: Arc<Device> },
}

impl DeviceMap {
    /// Compiles `devices`. Messages that match one of `message_filters` are also kept raw, for `message` triggers.
    pub fn new(devices: Devices, message_filters: impl IntoIterator<Item = Name>) -> Self {
        let mut map = Self::default();
        for device in devices.iter() {
            if let Some(source) = &device.source {
                let route = Route::Readings { device: device.clone(), plan: Arc::new(Plan::new(source)) };
                map.add(&source.topic, route);
            }
            if let Some(availability) = &device.availability {
                map.add(&availability.topic, Route::Availability { device: device.clone() });
            }
        }
        for filter in message_filters {
            if topic::is_name(&filter) {
                map.message_topics.insert(filter);
            } else {
                map.message_filters.push(filter);
            }
        }
        map.devices = devices;
        map
    }

    fn add(&mut self, filter: &Name, route: Route) {
        if topic::is_name(filter) {
            self.exact.entry(filter.clone()).or_default().push(route);
        } else {
            self.wild.push((filter.clone(), route));
        }
    }

    #[must_use]
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Whether some rule wants raw messages of this topic.
    #[must_use]
    pub fn wants_message(&self, topic: &str) -> bool {
        self.message_topics.contains(topic) || self.message_filters.iter().any(|filter| topic::matches(filter, topic))
    }

    /// Whether a message on this topic, by this connection, concerns a device.
    #[must_use]
    pub fn knows(&self, connection: &str, topic: &str) -> bool {
        self.routes(connection, topic).next().is_some()
    }

    /// Whether a message on this topic, by this connection, concerns a device or a rule.
    #[must_use]
    pub fn claims(&self, connection: &str, topic: &str) -> bool {
        self.knows(connection, topic) || self.wants_message(topic)
    }

    /// Whether the device that is heard, by this connection, is there.
    #[must_use]
    pub fn has(&self, connection: &str, heard: Heard<'_>) -> bool {
        match heard {
            Heard::Topic(topic) => self.knows(connection, topic),
            Heard::Device(id) => self.devices.named(id).is_some(),
        }
    }

    /// Topics on which devices announce that they are there or gone.
    #[must_use]
    pub fn availability_topics(&self) -> BTreeSet<Name> {
        self.devices.iter().filter_map(|device| Some(device.availability.as_ref()?.topic.clone())).collect()
    }

    pub(crate) fn routes<'a>(&'a self, connection: &'a str, topic: &'a str) -> impl Iterator<Item = &'a Route> {
        let exact = self.exact.get(topic).into_iter().flatten();
        let wild = self.wild.iter().filter(move |(filter, _)| topic::matches(filter, topic)).map(|(_, route)| route);
        exact.chain(wild).filter(move |route| route.hears(connection))
    }

    /// The name of a device that differs least from `id`, for error messages.
    #[must_use]
    pub fn nearest_device(&self, id: &str) -> Option<Name> {
        crate::nearest::of(id, self.devices.iter().map(|device| &*device.id)).map(Name::from)
    }
}

impl Route {
    fn hears(&self, connection: &str) -> bool {
        match self {
            Self::Readings { device, .. } | Self::Availability { device } => {
                device.source.as_ref().and_then(|s| s.connection.as_deref()).is_none_or(|wanted| wanted == connection)
            }
        }
    }
}

/// The device map that is in force; sources read it for each message.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<RwLock<Arc<DeviceMap>>>);

impl Shared {
    #[must_use]
    pub fn new(map: DeviceMap) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(map))))
    }

    #[must_use]
    pub fn current(&self) -> Arc<DeviceMap> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new map in force, for the next message of every source.
    pub fn replace(&self, map: DeviceMap) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
    }
}
