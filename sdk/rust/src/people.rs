//! People, by pseudonym. Each read names the purpose it is for, and consent is checked by the host.

use std::fmt;

use crate::host::Host;
#[cfg(target_arch = "wasm32")]
use crate::platform::Platform as _;
use crate::value::Value;

/// How a person is linked to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    Owner,
    Household,
    /// Used by several people: never a channel for personal offers.
    Shared,
    Rental,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// A pseudonym, never an address.
    pub subject: String,
    pub kind: LinkKind,
}

/// Why the host does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    Unknown,
    NoConsent,
    NotGranted,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::NoConsent => "no-consent",
            Self::NotGranted => "not-granted",
        })
    }
}

impl std::error::Error for Denial {}

impl Host<'_> {
    /// Who is linked to a device; empty where nobody is or nothing may be known.
    #[must_use]
    pub fn links_of(&self, device: &str) -> Vec<Link> {
        self.platform(|platform| platform.links_of(device))
    }

    /// # Errors
    /// [`Denial`] where consent or grant is missing, or the subject is unknown.
    pub fn trait_of(&self, subject: &str, name: &str, purpose: &str) -> Result<Option<Value>, Denial> {
        self.platform(|platform| platform.trait_of(subject, name, purpose))
    }

    /// # Errors
    /// [`Denial`] where consent or grant is missing, or the subject is unknown.
    pub fn in_segment(&self, subject: &str, segment: &str, purpose: &str) -> Result<bool, Denial> {
        self.platform(|platform| platform.in_segment(subject, segment, purpose))
    }
}
