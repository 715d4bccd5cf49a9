//! Emissions: events for other rules.

use super::put;
use crate::value::{Attributes, Value};

#[derive(Debug, Clone, PartialEq)]
pub struct Emission {
    pub name: String,
    /// The receiver's key; without it, and without a device, the receiver's key must be `one`.
    pub key: Option<String>,
    /// A device from which the receiver's key follows.
    pub device: Option<String>,
    pub attributes: Attributes,
}

impl Emission {
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), key: None, device: None, attributes: Attributes::new() }
    }

    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    #[must_use]
    pub fn about(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        put(&mut self.attributes, name, value);
        self
    }
}
