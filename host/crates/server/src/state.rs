//! What the host supplies: where events go in, what may be looked at, what an operator may do.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use model::{Instant, Name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

/// The three doors of a host. Cheap to clone.
#[derive(Clone)]
pub struct State {
    pub intake: Arc<dyn Intake>,
    pub views: Arc<dyn Views>,
    pub operator: Arc<dyn Operator>,
}

/// A future behind a trait object.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Takes events in.
pub trait Intake: Send + Sync + 'static {
    /// Takes the events of one request and answers after the commit that holds them, one item for each event in the
    /// order of the body.
    ///
    /// The future may be dropped at any time, when the client goes away or the answer takes too long; events that were
    /// handed on by then may still be committed.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the body as a whole cannot be read, [`Error::Unavailable`] when nothing can be taken
    /// now. A single bad event is an [`Item::Rejected`] instead.
    fn events(&self, content_type: String, headers: Vec<(String, String)>, body: Bytes) -> Answer<'_, Vec<Item>>;
}

/// What became of one event of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Item {
    /// Committed under this id.
    Accepted { id: Name },
    /// The source's own id is known already; nothing was done, and the sender need not try again.
    Duplicate { id: Name },
    /// Can never be taken as it is.
    Rejected { reason: Name, detail: String },
}

/// What may be looked at without changing anything.
pub trait Views: Send + Sync + 'static {
    /// Answered from memory, without waiting for anything.
    fn readiness(&self) -> Readiness;

    /// Twins in order of device id.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the engine cannot be asked.
    fn devices(&self, page: Page) -> Answer<'_, Devices>;

    /// One twin.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown device, [`Error::Unavailable`] while the engine cannot be asked.
    fn device(&self, id: String) -> Answer<'_, Value>;

    /// All deployments in order of their names.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the engine cannot be asked.
    fn deployments(&self) -> Answer<'_, Vec<Value>>;

    /// The facts that `doctor` shows about the running host.
    ///
    /// # Errors
    /// [`Error::Failed`] when they cannot be gathered.
    fn doctor(&self) -> Answer<'_, Value>;
}

/// Whether the host does its work, and what stops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    pub checks: Vec<Check>,
}

/// One part of the host that must work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A part of a long list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Only ids after this one.
    #[serde(default)]
    pub after: Option<String>,
    /// 1 to [`Page::LARGEST`].
    #[serde(default = "Page::largest")]
    pub limit: usize,
}

impl Page {
    /// Rows of one answer: a page of twins stays near a megabyte.
    pub const LARGEST: usize = 1_000;

    fn largest() -> usize {
        Self::LARGEST
    }
}

/// One page of twins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Devices {
    pub devices: Vec<Value>,
    /// The `after` of the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What only the operator may do, through the socket.
pub trait Operator: Send + Sync + 'static {
    /// A manual command; answers after it is journalled, with the id of its input.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown device, [`Error::Refused`] for an action that it does not have.
    fn send(&self, command: Manual) -> Answer<'_, Value>;

    /// Writes a verified copy of the store into a file that must not exist yet, while the host runs.
    ///
    /// # Errors
    /// [`Error::Refused`] when the file exists, [`Error::Failed`] when it cannot be written.
    fn backup(&self, file: PathBuf) -> Answer<'_, Value>;

    /// Takes the wall clock as right; answers when that is journalled.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is believed already.
    fn accept_clock(&self) -> Answer<'_, Value>;

    /// The journal as lines of the recording format.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown partition.
    fn export(&self, range: Range) -> Answer<'_, Lines>;

    /// Counts and sizes of the store, and its accounts.
    ///
    /// # Errors
    /// [`Error::Failed`] when the store cannot be read.
    fn stat(&self) -> Answer<'_, Value>;

    /// Recomputes digests and chain of the journal.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown partition.
    fn verify(&self, what: Verify) -> Answer<'_, Value>;

    /// The newest dead letters, the newest first, without their cases.
    ///
    /// # Errors
    /// [`Error::Failed`] when the store cannot be read.
    fn dead_letters(&self, letters: Letters) -> Answer<'_, Vec<Value>>;

    /// The case of one dead letter; none when there is no letter of this number any more.
    ///
    /// # Errors
    /// [`Error::Failed`] when the store cannot be read.
    fn dead_letter(&self, number: u64) -> Answer<'_, Option<Value>>;
}

/// How many dead letters to list, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letters {
    /// 1 to [`Page::LARGEST`].
    #[serde(default = "Page::largest")]
    pub limit: usize,
}

/// Lines on their way, each with its line end. An error in the middle cuts the answer short, so that the reader
/// notices.
pub type Lines = mpsc::Receiver<Result<Bytes, Error>>;

/// An operator's own command to one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    pub device: String,
    pub action: String,
    #[serde(default)]
    pub arguments: serde_json::Map<String, Value>,
}

/// Which part of the journal to export; everything without bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u16>,
    /// Inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Instant>,
    /// Exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Instant>,
    /// Only what was observed, each input once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
}

/// Which part of the journal to verify; all partitions without one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u16>,
}

/// Why the host could not do what a request asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    NotFound(String),
    /// Understood and not allowed or not possible, with a kebab-case code.
    #[error("{detail}")]
    Refused { reason: Name, detail: String },
    /// Worth trying again.
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Failed(String),
}
