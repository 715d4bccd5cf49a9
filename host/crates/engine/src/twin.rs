//! Twins: the last known state of each device, with availability apart from value.

use model::event::{Freshness, Quality, Reading};
use model::guest::Known;
use model::{Capability, DeviceNo, Instant, Name, Span, Value};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// The last known state of one device, as one partition's journal tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    pub device: DeviceNo,
    /// None: never said.
    pub available: Option<bool>,
    pub available_since: Instant,
    /// The newest `occurred-at` of its readings; none: never heard.
    pub newest: Option<Instant>,
    /// When the partition last heard it.
    pub heard_at: Instant,
    values: SmallVec<[LastKnown; 3]>,
    /// Commands in the minute that began at this instant.
    pub commanded: (Instant, u32),
}

/// One capability's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastKnown {
    pub capability: Capability,
    /// The last good value.
    pub value: Option<Value>,
    pub unit: Option<Name>,
    pub since: Instant,
    pub reported: Instant,
    pub quality: Quality,
    pub freshness: Freshness,
    pub desired: Option<Value>,
}

impl Twin {
    pub(crate) fn new(device: DeviceNo) -> Self {
        Self {
            device,
            available: None,
            available_since: Instant::default(),
            newest: None,
            heard_at: Instant::default(),
            values: SmallVec::new(),
            commanded: (Instant::default(), 0),
        }
    }

    #[must_use]
    pub fn get(&self, capability: Capability) -> Option<&LastKnown> {
        self.values.iter().find(|held| held.capability == capability)
    }

    /// In the order in which they were first reported.
    pub fn values(&self) -> impl Iterator<Item = &LastKnown> {
        self.values.iter()
    }

    /// How far the device's stamps lag behind the partition's clock, by its last reading.
    #[must_use]
    pub fn lag(&self) -> Span {
        self.newest.map(|newest| self.heard_at.since(newest)).unwrap_or_default()
    }

    fn entry(&mut self, capability: Capability) -> &mut LastKnown {
        let index = match self.values.iter().position(|held| held.capability == capability) {
            Some(index) => index,
            None => {
                self.values.push(LastKnown {
                    capability,
                    value: None,
                    unit: None,
                    since: Instant::default(),
                    reported: Instant::default(),
                    quality: Quality::Good,
                    freshness: Freshness::Live,
                    desired: None,
                });
                self.values.len() - 1
            }
        };
        &mut self.values[index]
    }

    /// Takes a reading in order; puts the last good value into `reading.previous`.
    pub(crate) fn report(&mut self, reading: &mut Reading, at: Instant, freshness: Freshness) {
        let held = self.entry(reading.capability);
        reading.previous.clone_from(&held.value);
        held.reported = at;
        held.quality = reading.quality;
        held.freshness = freshness;
        if reading.quality == Quality::Bad {
            return;
        }
        if held.value.as_ref().is_none_or(|value| !value.same(&reading.value)) {
            held.since = at;
            held.value = Some(reading.value.clone());
        }
        if held.unit != reading.unit {
            held.unit.clone_from(&reading.unit);
        }
    }

    /// Remembers what was last asked.
    pub(crate) fn ask(&mut self, capability: Capability, value: Value) {
        self.entry(capability).desired = Some(value);
    }
}

impl LastKnown {
    /// Whether its device ever reported it: what was asked of a device is kept too.
    #[must_use]
    pub fn was_reported(&self) -> bool {
        self.reported != Instant::default()
    }
}

impl From<&LastKnown> for Known {
    fn from(held: &LastKnown) -> Self {
        // What was asked of a device that has reported nothing is known all the same.
        let quality = if held.value.is_some() { held.quality } else { Quality::Bad };
        Self {
            value: held.value.clone().unwrap_or_else(Value::nothing),
            unit: held.unit.clone(),
            desired: held.desired.clone(),
            since: held.since,
            reported: held.reported,
            quality,
            freshness: held.freshness,
            attributes: Vec::new(),
        }
    }
}
