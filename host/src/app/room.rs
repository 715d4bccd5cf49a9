//! Room on the disk: a store that cannot be opened for want of it is tried until there is some, as a commit is. Until
//! then the host answers that it is not ready, and why.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use model::Name;
use prometheus_client::registry::Registry;
use serde_json::Value as Json;
use server::state::{
    Answer, Check, Devices, Error, Item, Letters, Lines, Manual, Page, Range, Readiness, State, Verify,
};
use server::{Intake, Operator, Server, Views};
use store::{OpenError, Store};
use tokio::sync::oneshot;

use super::{server_options, store_options};

/// Between two tries: how long a host stands still after there is room again.
const RETRY: Duration = Duration::from_secs(1);

/// Opens the store of a host, in which every declared device then has its number.
///
/// # Errors
/// When it cannot be opened for another reason than a full disk.
pub(super) async fn open_store(host: &config::Host) -> Result<Store> {
    let ids = host.device_ids();
    let mut waiting: Option<Waiting> = None;
    loop {
        let reason = match attempt(host, &ids)? {
            Ok(store) => {
                if let Some(waiting) = waiting {
                    waiting.end().await;
                    tracing::info!("there is room on the disk again");
                }
                return Ok(store);
            }
            Err(reason) => reason,
        };
        match &waiting {
            Some(waiting) => waiting.doors.note(reason),
            None => {
                tracing::error!(reason, "the host starts once there is room on the disk");
                waiting = Some(Waiting::begin(host, reason).await);
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The inner error is that of a full disk.
fn attempt(host: &config::Host, ids: &[Name]) -> Result<Result<Store, String>> {
    if let Err(error) = std::fs::create_dir_all(&host.data)
        && error.kind() != std::io::ErrorKind::StorageFull
    {
        return Err(error).with_context(|| format!("failed to create {}", host.data.display()));
    }
    // SQLite does not say so where the index of its log does not grow.
    let full = |error: anyhow::Error| Ok(Err(format!("the disk is full: {error:#}")));
    let store = match Store::open(&host.data, &store_options(host)) {
        Ok(store) => store,
        Err(error) if OpenError::is_full(&error) => return full(error.into()),
        Err(error) => return Err(error.into()),
    };
    match store.number_devices(ids) {
        Ok(_) => Ok(Ok(store)),
        Err(error) if error.is_full() => full(error.into()),
        Err(error) => Err(error.into()),
    }
}

/// The server of a host that waits.
struct Waiting {
    doors: Arc<Closed>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Waiting {
    async fn begin(host: &config::Host, reason: String) -> Self {
        let doors = Arc::new(Closed(Mutex::new(reason)));
        let state = State { intake: doors.clone(), views: doors.clone(), operator: doors.clone() };
        let (stop, stopped) = oneshot::channel::<()>();
        let bound = Server::bind(server_options(host, Registry::default()), state).await;
        let task = tokio::spawn(async move {
            match bound {
                // Both ends of the wait end the server.
                Ok(server) => server.run(async { drop(stopped.await) }).await,
                Err(error) => tracing::warn!(%error, "nobody can ask why the host has not started"),
            }
        });
        Self { doors, stop, task }
    }

    /// Gives the address back.
    async fn end(self) {
        // The server may have had no address.
        let _ = self.stop.send(());
        // A panic of the task has been reported by the runtime already.
        let _ = self.task.await;
    }
}

/// The doors of a host that has no store yet, and why.
struct Closed(Mutex<String>);

impl Closed {
    fn note(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn reason(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn not_yet<T: Send + 'static>(&self) -> Answer<'_, T> {
        let error = Error::Unavailable(format!("the host has not started: {}", self.reason()));
        Box::pin(async { Err(error) })
    }
}

impl Views for Closed {
    fn readiness(&self) -> Readiness {
        let store = Check { name: "store".to_owned(), ok: false, detail: Some(self.reason()) };
        Readiness { ready: false, checks: vec![store] }
    }

    fn devices(&self, _: Page) -> Answer<'_, Devices> {
        self.not_yet()
    }

    fn device(&self, _: String) -> Answer<'_, Json> {
        self.not_yet()
    }

    fn deployments(&self) -> Answer<'_, Vec<Json>> {
        self.not_yet()
    }

    fn doctor(&self) -> Answer<'_, Json> {
        self.not_yet()
    }
}

impl Intake for Closed {
    fn events(&self, _: String, _: Vec<(String, String)>, _: Bytes) -> Answer<'_, Vec<Item>> {
        self.not_yet()
    }
}

impl Operator for Closed {
    fn send(&self, _: Manual) -> Answer<'_, Json> {
        self.not_yet()
    }

    fn backup(&self, _: PathBuf) -> Answer<'_, Json> {
        self.not_yet()
    }

    fn accept_clock(&self) -> Answer<'_, Json> {
        self.not_yet()
    }

    fn export(&self, _: Range) -> Answer<'_, Lines> {
        self.not_yet()
    }

    fn stat(&self) -> Answer<'_, Json> {
        self.not_yet()
    }

    fn verify(&self, _: Verify) -> Answer<'_, Json> {
        self.not_yet()
    }

    fn dead_letters(&self, _: Letters) -> Answer<'_, Vec<Json>> {
        self.not_yet()
    }

    fn dead_letter(&self, _: u64) -> Answer<'_, Option<Json>> {
        self.not_yet()
    }
}
