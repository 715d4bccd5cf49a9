//! Message classes and templates: the class comes from the approved template, never from the rule's choice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Name;

/// What a message is for. Caps, quiet hours and holdouts apply to marketing only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Safety,
    Service,
    Marketing,
}

impl Class {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Service => "service",
            Self::Marketing => "marketing",
        }
    }
}

/// An approved text, `templates/NAME.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub name: Name,
    pub class: Class,
    pub purpose: Name,
    /// By locale, such as `en` or `de-AT`.
    pub texts: BTreeMap<Name, Text>,
    /// Used where a recipient's locale is not there.
    pub default_locale: Name,
}

/// Title and body, each a minijinja template over the notification's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub title: Name,
    pub body: Name,
}

/// People on duty: the sinks that reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub name: Name,
    pub sinks: Vec<Name>,
}
