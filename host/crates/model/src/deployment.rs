//! A deployment, resolved: package by digest, settings, role bindings, triggers and the powers that are left after
//! request ∩ grant. What the engine runs; how it is written in files is the business of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::notification::Class;
use crate::{Capability, DeviceNo, Name, Selector, Span, Trigger, Value};

/// SHA-256 of a package's bytes; written as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageDigest(pub [u8; 32]);

impl fmt::Display for PackageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is not `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected `sha256:` and 64 hexadecimal digits")]
pub struct ParseDigestError(String);

impl FromStr for PackageDigest {
    type Err = ParseDigestError;
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let bad = || ParseDigestError(text.to_owned());
        let digits =
            text.strip_prefix("sha256:").filter(|digits| digits.len() == 64 && digits.is_ascii()).ok_or_else(bad)?;
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for PackageDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for PackageDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

impl fmt::Debug for PackageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deployment {
    /// The operator's name for it; orders deployments and stands in every id.
    pub name: Name,
    pub package: PackageRef,
    pub world: World,
    pub key: KeyKind,
    pub lifecycle: Lifecycle,
    pub state_version: u32,
    /// Which completions wake the rule.
    pub completions: Vec<Name>,
    /// The deployment's settings as JSON text, defaults filled in.
    pub settings: Name,
    pub roles: Vec<Role>,
    /// In manifest order, the order in which they wake the rule.
    pub triggers: Vec<Trigger>,
    pub histories: Vec<History>,
    pub grants: Grants,
    /// Metric names that the rule may count and observe.
    pub metrics: Vec<Name>,
    pub limits: Limits,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRef {
    /// The rule's id, as its manifest says.
    pub id: Name,
    pub version: Name,
    pub digest: PackageDigest,
}

impl fmt::Display for PackageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.version)
    }
}

/// Which world of our WIT a package targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    Rule,
    Engagement,
    Codec,
    Interlock,
}

impl World {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Engagement => "engagement",
            Self::Codec => "codec",
            Self::Interlock => "interlock",
        }
    }
}

/// The unit of order and of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    Device,
    Site,
    Person,
    One,
}

/// How long an instance of the package lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    Event,
    #[default]
    Turn,
    Warm,
}

/// The devices that the deployment binds to one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: Name,
    /// Empty: any.
    pub capabilities: Vec<Capability>,
    pub many: bool,
    /// In the order of the deployment's file.
    pub members: Vec<DeviceNo>,
    /// Set where the deployment's file binds by description: devices found later that match it join the members.
    /// Not part of a case: there the members are all that counts.
    #[serde(skip)]
    pub selector: Option<Selector>,
}

/// A window that `devices.summarise` may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub role: Name,
    pub capability: Capability,
    /// At most 31 days.
    pub window: Span,
    pub buckets: u16,
}

/// The powers that are left: requested by the manifest and granted by the operator.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Grants {
    pub commands: Vec<CommandGrant>,
    pub notifications: Vec<NotificationGrant>,
    /// Topic filters.
    pub publish: Vec<Name>,
    /// Names of emissions.
    pub emit: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandGrant {
    pub role: Name,
    pub action: Name,
    /// Allowed values by argument; an argument that is not listed is free.
    pub arguments: BTreeMap<Name, ArgumentRange>,
    /// Inclusive, 1 to 16; the upper end is the default.
    pub priority: (u8, u8),
    /// When it may be given; none: at any time.
    #[serde(default)]
    pub hours: Option<Hours>,
}

/// Hours of the day by the wall clock of a zone, in minutes since midnight: from the first on, before the second. Where
/// the first is later they run over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    pub from: u16,
    pub to: u16,
    /// IANA name.
    pub zone: Name,
}

impl Hours {
    /// Whether a minute of the day lies within.
    #[must_use]
    pub fn hold(&self, minute: u16) -> bool {
        if self.from <= self.to {
            self.from <= minute && minute < self.to
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArgumentRange {
    /// Both ends belong to it.
    Between(f64, f64),
    OneOf(Vec<Value>),
}

impl ArgumentRange {
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Between(low, high) => value.as_f64().is_some_and(|n| *low <= n && n <= *high),
            Self::OneOf(values) => values.iter().any(|v| v.same(value)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationGrant {
    pub template: Name,
    /// From the approved template, never from the rule.
    pub class: Class,
    pub purpose: Name,
}

/// Limits that a manifest may tighten against the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    pub fuel_per_event: u64,
    pub memory_bytes: usize,
    pub effects_per_event: usize,
    pub effects_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        use crate::limits;
        Self {
            fuel_per_event: limits::FUEL_PER_EVENT,
            memory_bytes: limits::INSTANCE_MEMORY,
            effects_per_event: limits::EFFECTS_PER_EVENT,
            effects_per_minute: limits::EFFECTS_PER_MINUTE,
        }
    }
}

impl Deployment {
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| &*role.name == name)
    }

    /// The first role that binds this device.
    #[must_use]
    pub fn role_of(&self, device: DeviceNo) -> Option<&Role> {
        self.roles.iter().find(|role| role.members.contains(&device))
    }

    /// The topics that the rule listens to.
    pub fn message_filters(&self) -> impl Iterator<Item = &Name> {
        self.triggers.iter().filter_map(|trigger| match &trigger.kind {
            crate::trigger::Kind::Message { filter, .. } => Some(filter),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_it_is_written() {
        let digest = PackageDigest([0xa7; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in ["", "sha256:", "sha1:00", &digest.to_string()[..70], "sha256:é"] {
            assert!(wrong.parse::<PackageDigest>().is_err(), "{wrong}");
        }
    }
}
