//! Notifications: an approved template for somebody. The host renders it and decides whether it may leave.

use super::put;
use crate::time::Instant;
use crate::value::{Attributes, Value};

#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub template: String,
    pub to: Audience,
    /// What the template's text names.
    pub parameters: Attributes,
    pub urgency: Urgency,
    /// Two notifications to one person with the same key are one.
    pub dedupe: Option<String>,
    pub not_before: Option<Instant>,
    pub expires_at: Option<Instant>,
    pub attributes: Attributes,
}

/// Orders within a class; the class itself comes from the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    Background,
    Normal,
    Urgent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// A person, by pseudonym.
    Subject(String),
    OwnerOf(String),
    Segment(String),
    /// People on duty, as the operator has named them.
    Group(String),
    Other(String),
}

impl Notification {
    #[must_use]
    pub fn new(template: impl Into<String>, to: Audience) -> Self {
        Self {
            template: template.into(),
            to,
            parameters: Attributes::new(),
            urgency: Urgency::Normal,
            dedupe: None,
            not_before: None,
            expires_at: None,
            attributes: Attributes::new(),
        }
    }

    /// To people on duty, as the operator has named them.
    #[must_use]
    pub fn to_group(template: impl Into<String>, group: impl Into<String>) -> Self {
        Self::new(template, Audience::Group(group.into()))
    }

    /// To whoever owns the device.
    #[must_use]
    pub fn to_owner_of(template: impl Into<String>, device: impl Into<String>) -> Self {
        Self::new(template, Audience::OwnerOf(device.into()))
    }

    /// A value that the template's text names.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        put(&mut self.parameters, name, value);
        self
    }

    #[must_use]
    pub fn urgent(mut self) -> Self {
        self.urgency = Urgency::Urgent;
        self
    }

    #[must_use]
    pub fn background(mut self) -> Self {
        self.urgency = Urgency::Background;
        self
    }

    /// Two notifications to one person or group with the same key within a day are one: the second is refused as
    /// `duplicate`.
    #[must_use]
    pub fn dedupe(mut self, key: impl Into<String>) -> Self {
        self.dedupe = Some(key.into());
        self
    }

    /// The notification is not sent before this, which is at most 31 days ahead.
    #[must_use]
    pub fn not_before(mut self, at: Instant) -> Self {
        self.not_before = Some(at);
        self
    }

    /// The notification is not sent after this.
    #[must_use]
    pub fn expires_at(mut self, at: Instant) -> Self {
        self.expires_at = Some(at);
        self
    }
}
