//! What the tests of this crate share: a real mosquitto, a device that speaks MQTT byte by byte, and an engine's end.

pub(crate) mod device;
pub(crate) mod mosquitto;
pub(crate) mod packets;

use std::collections::BTreeMap;
use std::time::Duration;

use model::device::{Actions, Device, Devices, ReadingMap, Source};
use model::event::Freshness;
use model::input::Body;
use model::{Capability, DeviceNo, Name, Unit};

use crate::devices::{DeviceMap, Shared};
use crate::ids::Ids;
use crate::inlet::{Delivery, Outlet};
use crate::intake::Intake;

/// No test waits this long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A device with one temperature reading.
pub(crate) fn probe(number: u32, id: &str, topic: &str) -> Device {
    Device {
        number: DeviceNo(number),
        id: id.into(),
        kind: "thermometer".into(),
        site: "here".into(),
        source: Some(Source {
            connection: None,
            topic: topic.into(),
            readings: vec![reading("temperature", "/temp", Some("Cel"))],
            time: Some("/ts".into()),
            id: None,
        }),
        availability: None,
        commands: Actions::new(),
        confirm: model::device::Confirm::default(),
        about: Vec::new(),
    }
}

pub(crate) fn reading(capability: &str, path: &str, unit: Option<&str>) -> ReadingMap {
    ReadingMap {
        capability: Capability::named(capability).expect("a capability"),
        path: path.into(),
        unit: unit.map(|code| Unit::named(code).expect("a unit")),
        values: BTreeMap::new(),
    }
}

pub(crate) fn map(devices: impl IntoIterator<Item = Device>, messages: &[&str]) -> DeviceMap {
    DeviceMap::new(Devices::new(devices), messages.iter().map(|filter| Name::from(*filter)))
}

/// An intake of start 1 that keeps messages under `raw/`.
pub(crate) fn intake(source: &str) -> Intake {
    let map = map([probe(1, "probe-1", "probes/1")], &["raw/#"]);
    Intake::new(Ids::new(source.into(), 1), Shared::new(map))
}

/// The next deliveries, in a test of the multi-threaded runtime.
pub(crate) fn take(outlet: &Outlet) -> Vec<Delivery> {
    let taken = tokio::task::block_in_place(|| outlet.take(256, 1 << 20, PATIENCE));
    assert!(!taken.is_empty(), "no delivery came");
    taken
}

/// Exactly the next delivery.
pub(crate) fn take_one(outlet: &Outlet) -> Delivery {
    let mut taken = tokio::task::block_in_place(|| outlet.take(1, 1, PATIENCE));
    assert_eq!(taken.len(), 1, "one delivery comes");
    taken.remove(0)
}

/// The raw payload that a delivery carries, as text.
pub(crate) fn payload(delivery: &Delivery) -> String {
    match &delivery.inputs[0].body {
        Body::Message(message) => String::from_utf8_lossy(&message.payload).into_owned(),
        other => format!("{other:?}"),
    }
}

/// Whether a delivery is marked as sent again.
pub(crate) fn again(delivery: &Delivery) -> bool {
    delivery.inputs[0].redelivery.as_ref().is_some_and(|redelivery| redelivery.again)
}

pub(crate) fn freshness(delivery: &Delivery) -> Option<Freshness> {
    match &delivery.inputs[0].body {
        Body::Observation { freshness, .. } => Some(*freshness),
        _ => None,
    }
}
