//! Capabilities: what a device can report or be told, each with the unit that the engine computes in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits;
use crate::unit::Unit;

/// The name of a capability, such as `temperature`; copies are free and compare in one instruction.
///
/// Names are kept for the life of the process, so they come from configuration and recordings, not from payloads, and
/// their number is bounded by [`limits::CAPABILITIES`].
#[derive(Clone, Copy)]
pub struct Capability(&'static str);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    #[error("`{0}` is no capability name: use 1 to 64 lower-case letters, digits and `-`, starting with a letter")]
    Name(String),
    #[error("more than {} different capability names", limits::CAPABILITIES)]
    TooMany,
}

static NAMES: RwLock<BTreeSet<&'static str>> = RwLock::new(BTreeSet::new());

/// Capabilities whose unit is fixed. A capability that is not listed takes the unit that its device map states.
static CANONICAL: &[(&str, &str)] = &[
    ("acceleration", "m/s2"),
    ("air-quality-index", "1"),
    ("battery", "%"),
    ("battery-voltage", "V"),
    ("brightness", "%"),
    ("co", "[ppm]"),
    ("co2", "[ppm]"),
    ("current", "A"),
    ("depth", "m"),
    ("distance", "m"),
    ("energy", "kW.h"),
    ("flow", "L/min"),
    ("fuel-level", "%"),
    ("heart-rate", "{beats}/min"),
    ("humidity", "%"),
    ("illuminance", "lx"),
    ("level", "%"),
    ("mass", "kg"),
    ("no2", "ug/m3"),
    ("noise", "dB[SPL]"),
    ("occupancy-rate", "%"),
    ("outside-temperature", "Cel"),
    ("ozone", "ug/m3"),
    ("pm10", "ug/m3"),
    ("pm25", "ug/m3"),
    ("power", "W"),
    ("pressure", "hPa"),
    ("rain", "mm"),
    ("setpoint", "Cel"),
    ("soil-moisture", "%"),
    ("speed", "km/h"),
    ("temperature", "Cel"),
    ("rotation", "{rpm}"),
    ("valve", "%"),
    ("vibration", "mm/s"),
    ("voltage", "V"),
    ("volume", "L"),
    ("wind-speed", "m/s"),
];

impl Capability {
    /// The capability of this name, known or new.
    ///
    /// # Errors
    /// When the name is not kebab-case or there are too many names already.
    pub fn named(name: &str) -> Result<Self, CapabilityError> {
        if let Some(known) = NAMES.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(Self(known));
        }
        if !is_kebab(name) {
            return Err(CapabilityError::Name(name.to_owned()));
        }
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Ok(Self(known));
        }
        if names.len() >= limits::CAPABILITIES {
            return Err(CapabilityError::TooMany);
        }
        let kept: &'static str = Box::leak(name.into());
        names.insert(kept);
        Ok(Self(kept))
    }

    /// The capability of this name if anything has named it before; never keeps a new name.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        NAMES.read().unwrap_or_else(PoisonError::into_inner).get(name).map(|known| Self(known))
    }

    /// Every name that anything has named before, in no order.
    #[must_use]
    pub fn all_known() -> Vec<&'static str> {
        NAMES.read().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The unit in which the engine keeps and compares this capability, where one is fixed.
    #[must_use]
    pub fn unit(self) -> Option<Unit> {
        let (_, code) = CANONICAL.iter().find(|(name, _)| *name == self.0)?;
        Some(Unit::named(code).expect("the table names units that exist"))
    }
}

/// Kebab-case: lower-case letters, digits and single hyphens, starting with a letter; at most 64 bytes.
#[must_use]
pub fn is_kebab(name: &str) -> bool {
    let bytes = name.as_bytes();
    matches!(bytes.first(), Some(b'a'..=b'z'))
        && bytes.len() <= 64
        && bytes.last() != Some(&b'-')
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

// Names are interned, so equal names are the same text at the same place.
impl PartialEq for Capability {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for Capability {}

impl Hash for Capability {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

impl PartialOrd for Capability {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Capability {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(other.0)
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::named(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_capability() {
        assert_eq!(Capability::named("temperature"), Capability::named("temperature"));
        assert_ne!(Capability::named("temperature"), Capability::named("humidity"));
        assert_eq!(Capability::known("never-named-anywhere"), None);
    }

    #[test]
    fn names_are_kebab_case_up_to_64_bytes() {
        assert!(Capability::named(&"a".repeat(64)).is_ok());
        assert!(Capability::named(&"a".repeat(65)).is_err());
        for bad in ["", "Temperature", "1st", "a_b", "a-", "é"] {
            assert!(Capability::named(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_canonical_unit_exists() {
        for (name, _) in CANONICAL {
            assert!(Capability::named(name).expect("a name").unit().is_some(), "{name}");
        }
    }
}
