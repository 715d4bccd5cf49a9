//! Rows: how a partition's state is written to and read from the store's tables.
//!
//! Keys are their parts with a zero byte between them; no part holds a zero byte, numbers are four or eight bytes,
//! big-endian, and stand last. Values are MessagePack arrays: a field is added at the end, with a serde default.

use std::cell::RefCell;
use std::collections::BTreeMap;

use model::{ConfigurationDigest, DeviceNo, Instant, Name};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::accounts::Accounts;
use crate::triggers::{Round, State, Told};
use crate::wall::Wall;

/// The only row of [`store::Table::Partition`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartitionRow {
    /// When the last record was taken.
    pub clock: Instant,
    pub accounts: Accounts,
    /// The configuration that was last in force; none before the first start.
    #[serde(default)]
    pub configuration: Option<ConfigurationDigest>,
    /// The last record in the newest checkpoint, and its instant.
    #[serde(default)]
    pub checkpoint: (u64, Instant),
    #[serde(default)]
    pub wall: Wall,
    /// The sources still deliver what waited while the host was down.
    #[serde(default)]
    pub catching_up: bool,
    /// What can never become an input, by the code of its reason.
    #[serde(default)]
    pub rejected: BTreeMap<Name, u64>,
}

/// A row of [`store::Table::Trigger`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerRow {
    /// Of what the state depends on; another fingerprint starts anew.
    pub fingerprint: u64,
    pub state: State,
    #[serde(default)]
    pub told: Told,
    #[serde(default)]
    pub round: Option<Round>,
}

/// A row of [`store::Table::Deployment`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRow {
    /// The minute in which effects are counted.
    pub minute: Instant,
    pub effects: u32,
    /// Why the operator must look at it.
    pub stopped: Option<String>,
    /// The `state-version` under which state was last written; 0 where none was, or by a version that did not say.
    #[serde(default)]
    pub state_version: u32,
}

/// A row could not be read: the store was written by something else.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("failed to read a row of table {table}: {source}")]
    Value { table: &'static str, source: rmp_serde::decode::Error },
    #[error("failed to read the key of a row of table {table}")]
    Key { table: &'static str },
}

thread_local! {
    /// Where rows are encoded before they are copied to their exact size: growing each by itself costs more than the
    /// encoding. It grows to the largest row of its thread.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Box<[u8]> {
    scratch(|bytes| rmp_serde::encode::write(bytes, value).expect("our rows hold nothing that MessagePack cannot"))
}

/// For the journal and decisions, which later versions read: fields by name.
pub(crate) fn encode_named<T: Serialize>(value: &T) -> Box<[u8]> {
    scratch(|bytes| {
        rmp_serde::encode::write_named(bytes, value).expect("our records hold nothing that MessagePack cannot");
    })
}

fn scratch(write: impl FnOnce(&mut Vec<u8>)) -> Box<[u8]> {
    SCRATCH.with_borrow_mut(|bytes| {
        bytes.clear();
        write(bytes);
        bytes.as_slice().into()
    })
}

/// Reads a value of `table`.
///
/// # Errors
/// When the bytes are no such value.
pub fn decode<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, RowError> {
    rmp_serde::from_slice(bytes).map_err(|source| RowError::Value { table, source })
}

/// The key of one bucket of a history; `i64::MAX` for its newest value.
pub(crate) fn history_key(deployment: &str, device: DeviceNo, number: u16, bucket: i64) -> Box<[u8]> {
    let mut tail = Vec::with_capacity(14);
    tail.extend(device.0.to_be_bytes());
    tail.extend(number.to_be_bytes());
    tail.extend(bucket.to_be_bytes());
    key(&[deployment.as_bytes(), &tail])
}

/// The key of a trigger's state; `group` is the key where one trigger watches all its devices, else empty.
pub(crate) fn trigger_key(deployment: &str, trigger: &str, device: Option<DeviceNo>, group: &str) -> Box<[u8]> {
    let device = device.map_or(u32::MAX, |device| device.0).to_be_bytes();
    match group {
        "" => key(&[deployment.as_bytes(), trigger.as_bytes(), &device]),
        group => key(&[deployment.as_bytes(), trigger.as_bytes(), group.as_bytes(), &device]),
    }
}

pub(crate) fn key(parts: &[&[u8]]) -> Box<[u8]> {
    parts.join(&0).into()
}

/// The first `texts` parts as text, and what follows them.
pub(crate) fn texts<'a, const N: usize>(
    table: &'static str,
    key: &'a [u8],
) -> Result<([&'a str; N], &'a [u8]), RowError> {
    let mut parts = [""; N];
    let mut rest = key;
    for (index, part) in parts.iter_mut().enumerate() {
        let end = rest.iter().position(|byte| *byte == 0);
        let end = match end {
            Some(end) => end,
            None if index + 1 == N => rest.len(),
            None => return Err(RowError::Key { table }),
        };
        *part = std::str::from_utf8(&rest[..end]).map_err(|_| RowError::Key { table })?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok((parts, rest))
}

/// A device, and the text before it where there is one.
pub(crate) fn grouped<'a>(table: &'static str, bytes: &'a [u8]) -> Result<(&'a str, DeviceNo), RowError> {
    let (group, number) = bytes.split_last_chunk::<4>().ok_or(RowError::Key { table })?;
    let group = match group.split_last() {
        None => &[][..],
        Some((0, group)) => group,
        Some(_) => return Err(RowError::Key { table }),
    };
    let group = std::str::from_utf8(group).map_err(|_| RowError::Key { table })?;
    Ok((group, DeviceNo(u32::from_be_bytes(*number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_apart_as_they_were_put_together() {
        let joined = key(&[b"cold-chain", b"too-warm", &7_u32.to_be_bytes()]);
        let ([deployment, trigger], rest) = texts::<2>("trigger", &joined).expect("two texts");
        assert_eq!((deployment, trigger), ("cold-chain", "too-warm"));
        assert_eq!(grouped("trigger", rest).expect("a device"), ("", DeviceNo(7)));
        assert!(texts::<2>("trigger", b"alone").is_err());
    }

    #[test]
    fn a_device_may_have_a_text_before_it() {
        assert_eq!(grouped("trigger", &key(&[&7_u32.to_be_bytes()])).expect("a device"), ("", DeviceNo(7)));
        assert_eq!(grouped("trigger", &key(&[b"site", &7_u32.to_be_bytes()])).expect("both"), ("site", DeviceNo(7)));
        assert!(grouped("trigger", b"sit").is_err());
        assert!(grouped("trigger", b"site-and-no-number").is_err());
    }
}
