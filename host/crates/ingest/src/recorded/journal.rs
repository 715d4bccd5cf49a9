//! What a journal's export says beside its events: where each record stood, what was derived and decided, from which
//! state. With it a file is replayed exactly; without it, in virtual time.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Name;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

/// The version of exports that this program writes, and the newest that it reads.
pub const EXPORT_VERSION: u32 = 1;

/// The field `journal` of a line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JournalPart {
    #[serde(default)]
    pub partition: u16,
    /// A turn begins with this record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins: bool,
    /// An observed record as the journal holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Bytes>,
    /// SHA-256 of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Hash>,
    /// The kind of a record that was derived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Name>,
    /// What was derived, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Box<RawValue>>,
    /// Why the record is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Loss>,
    /// A decision that the record before it caused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Box<RawValue>>,
    /// A part of the state after the record of this line's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Bytes>,
    /// The digest of the configuration that the line's `deployment` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Hash>,
    /// The first line of an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
}

/// Why what a record held cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    #[error("was deleted")]
    Deleted,
    #[error("is damaged: its digest differs")]
    Damaged,
    #[error("does not read back")]
    Unreadable,
}

/// What an export is of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Export {
    pub version: u32,
    pub engine: Name,
    pub partitions: u16,
}

/// Bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Box<[u8]>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(|bytes| Self(bytes.into())).map_err(de::Error::custom)
    }
}

/// A SHA-256, as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut hash = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut hash).map_err(de::Error::custom)?;
        Ok(Self(hash))
    }
}
