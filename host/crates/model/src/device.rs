//! Devices as an operator declares them: an inner number under the name, where readings come from, what actions do.

use std::collections::BTreeMap;

use litemap::LiteMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Attributes, Capability, Name, Span, Unit, Value, limits};

/// The inner number of a device: given once by the store, kept when the device is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceNo(pub u32);

/// One device of the installation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    pub number: DeviceNo,
    /// The name under which files, rules and commands know it.
    pub id: Name,
    pub kind: Name,
    /// The place whose devices belong together and share a partition.
    pub site: Name,
    pub source: Option<Source>,
    pub availability: Option<AvailabilityTopic>,
    #[serde(serialize_with = "as_map")]
    pub commands: Actions,
    pub confirm: Confirm,
    /// What the operator says about it: room, model, position; rules read it through `devices.about`.
    pub about: Attributes,
}

/// Where a device's readings come from and how a JSON payload maps to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The MQTT connection by name; none for whichever the message came by.
    pub connection: Option<Name>,
    pub topic: Name,
    pub readings: Vec<ReadingMap>,
    /// JSON pointer to the device's own time: RFC 3339, or Unix seconds, milliseconds or microseconds by magnitude.
    pub time: Option<Name>,
    /// JSON pointer to the device's own message id or counter.
    pub id: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadingMap {
    pub capability: Capability,
    /// JSON pointer into the payload; empty for a payload that is the value itself.
    pub path: Name,
    /// The unit of the payload; converted to the capability's canonical unit at the edge.
    pub unit: Option<Unit>,
    /// Maps payload texts to values, such as ON to true. A text that is not listed is quality `bad`, without a value.
    pub values: BTreeMap<Name, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AvailabilityTopic {
    pub topic: Name,
    pub online: Name,
    pub offline: Name,
}

/// The action that stands for all that a device does not declare, where the operator names a topic for those: no action
/// of a file can have this name.
pub const ANY_ACTION: &str = "*";

/// Actions by their names. A device has a few, and a tree makes room for eleven at once.
pub type Actions = LiteMap<Name, Action>;

/// What one action of a device does, and how it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// What the device should report afterwards; none where the action is momentary.
    pub sets: Option<Sets>,
    /// A pulse or a toggle: holds no priority slot, and is sent at most once unless it is idempotent.
    pub momentary: bool,
    /// Momentary, and the device does the same however often it gets one command.
    #[serde(default)]
    pub idempotent: bool,
    /// How long a command waits for its device where its rule names no end; at most [`limits::OUTBOX_AGE`].
    #[serde(default = "command_expiry")]
    pub expires: Span,
    pub topic: Name,
    /// A minijinja template over the command's arguments, or text without any.
    pub payload: Name,
}

/// A map in every format: the library writes an empty one as a list where people may read it.
fn as_map<S: Serializer>(commands: &Actions, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(commands.iter())
}

/// What commands had before profiles could say otherwise.
fn command_expiry() -> Span {
    limits::COMMAND_EXPIRY
}

/// The capability that an action sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sets {
    pub capability: Capability,
    /// None: the action's argument `value`.
    pub value: Option<Value>,
}

/// How long and how often to wait for the device to report what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    pub within: Span,
    pub retries: u8,
}

impl Default for Confirm {
    fn default() -> Self {
        Self { within: limits::CONFIRM_WITHIN, retries: limits::CONFIRM_RETRIES }
    }
}

impl Device {
    /// Whether readings of this capability come from it.
    #[must_use]
    pub fn reports(&self, capability: Capability) -> bool {
        self.source.iter().flat_map(|source| &source.readings).any(|map| map.capability == capability)
    }

    /// How it is asked for this action: as declared, else as anything undeclared is.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.commands.get(name).or_else(|| self.commands.get(ANY_ACTION))
    }

    /// The topics on which this device is commanded or heard: no rule may publish to them.
    pub fn topics(&self) -> impl Iterator<Item = &Name> {
        self.source
            .iter()
            .map(|source| &source.topic)
            .chain(self.availability.iter().map(|a| &a.topic))
            .chain(self.commands.values().map(|action| &action.topic))
    }
}

/// All devices of an installation, by number and by name. Immutable: a change makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    by_number: BTreeMap<DeviceNo, std::sync::Arc<Device>>,
    by_id: BTreeMap<Name, DeviceNo>,
}

impl Devices {
    #[must_use]
    pub fn new(devices: impl IntoIterator<Item = Device>) -> Self {
        let mut all = Self::default();
        for device in devices {
            all.by_id.insert(device.id.clone(), device.number);
            all.by_number.insert(device.number, std::sync::Arc::new(device));
        }
        all
    }

    #[must_use]
    pub fn get(&self, number: DeviceNo) -> Option<&std::sync::Arc<Device>> {
        self.by_number.get(&number)
    }

    #[must_use]
    pub fn named(&self, id: &str) -> Option<&std::sync::Arc<Device>> {
        self.by_number.get(self.by_id.get(id)?)
    }

    /// In order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &std::sync::Arc<Device>> {
        self.by_number.values()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }
}
