//! Connections: to which connection of a device a call of the broker belongs, and what is known of that connection.
//!
//! The broker's hook names the client alone, and two connections may bear one client id: while a device comes back, its
//! old connection may still be served. But the broker serves each connection in a task of its own, and tells whoever
//! admits it the address that it comes from, which is the tap's. So the task tells the connection.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mqtt5::broker::{AuthProvider, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::task::{Id, try_id};

/// Handshakes that may be on their way before those whose device has gone are forgotten.
const HANDSHAKES: usize = 1_024;

/// Every connection that the tap and the broker know of.
#[derive(Default)]
pub(super) struct Connections(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// By the tap's address, as long as bytes pass.
    tapped: FxHashMap<SocketAddr, Arc<Marks>>,
    /// Admitted and not yet told to the hook.
    admitted: FxHashMap<Id, Arc<Marks>>,
    served: FxHashMap<Id, Served>,
}

/// Publishes of one connection that carry the DUP flag and have not reached the hook yet, by packet identifier.
#[derive(Default)]
pub(super) struct Marks(Mutex<FxHashSet<u16>>);

/// One connection, from the hook's first word about it to the last.
#[derive(Default)]
pub(super) struct Served {
    marks: Arc<Marks>,
    pub(super) will: Option<Will>,
    /// Retained publishes that the hook has seen and the broker has not yet stored, by digest.
    storing: FxHashMap<u64, u32>,
}

pub(super) struct Will {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) retained: bool,
}

/// The tap's end of a connection: gone with it.
pub(super) struct Tapped {
    connections: Arc<Connections>,
    address: SocketAddr,
    pub(super) marks: Arc<Marks>,
}

impl Connections {
    /// Begins a connection that reaches the broker from this address, before any byte passes.
    pub(super) fn tap(self: &Arc<Self>, address: SocketAddr) -> Tapped {
        let marks = Arc::<Marks>::default();
        self.lock().tapped.insert(address, marks.clone());
        Tapped { connections: self.clone(), address, marks }
    }

    /// In the connection's own task: the broker reads its CONNECT.
    fn admit(&self, address: SocketAddr) {
        let Some(task) = try_id() else { return };
        let mut inner = self.lock();
        if inner.admitted.len() >= HANDSHAKES {
            inner.admitted.retain(|_, marks| Arc::strong_count(marks) > 1);
        }
        let marks = inner.tapped.get(&address).cloned().unwrap_or_default();
        inner.admitted.insert(task, marks);
    }

    /// In the connection's own task: it is up.
    pub(super) fn begin(&self, will: Option<Will>) {
        let Some(task) = try_id() else { return };
        let mut inner = self.lock();
        let marks = inner.admitted.remove(&task).unwrap_or_default();
        inner.served.insert(task, Served { marks, will, storing: FxHashMap::default() });
    }

    /// In the connection's own task: it has ended.
    pub(super) fn end(&self) -> Option<Served> {
        self.lock().served.remove(&try_id()?)
    }

    /// In the connection's own task: whether the publish that it handles carries the DUP flag.
    pub(super) fn is_again(&self, packet: u16) -> bool {
        let mut inner = self.lock();
        inner.of_task().is_some_and(|served| served.marks.take(packet))
    }

    /// In the connection's own task: a retained publish has been seen.
    pub(super) fn note_storing(&self, digest: u64) {
        if let Some(served) = self.lock().of_task() {
            *served.storing.entry(digest).or_default() += 1;
        }
    }

    /// Whether what the broker stores now is a will, and no publish that the hook has seen.
    pub(super) fn is_will(&self, topic: &str, payload: &[u8], digest: u64) -> bool {
        let mut inner = self.lock();
        // A will with a delay outlives its connection.
        let Some(served) = inner.of_task() else { return true };
        // A publish of quality of service 2 may be stored by the connection after the one that brought it.
        !served.stores(digest) && served.will.as_ref().is_some_and(|will| will.is_retained_as(topic, payload))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn of_task(&mut self) -> Option<&mut Served> {
        self.served.get_mut(&try_id()?)
    }
}

impl Marks {
    pub(super) fn mark(&self, packet: u16) {
        self.lock().insert(packet);
    }

    fn take(&self, packet: u16) -> bool {
        self.lock().remove(&packet)
    }

    fn lock(&self) -> MutexGuard<'_, FxHashSet<u16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    fn stores(&mut self, digest: u64) -> bool {
        let Some(count) = self.storing.get_mut(&digest) else { return false };
        *count -= 1;
        if *count == 0 {
            self.storing.remove(&digest);
        }
        true
    }
}

impl Will {
    fn is_retained_as(&self, topic: &str, payload: &[u8]) -> bool {
        self.retained && &*self.topic == topic && self.payload == payload
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.connections.lock().tapped.remove(&self.address);
    }
}

/// Admits every device, and notes which connection it comes by.
pub(super) struct Admission(pub(super) Arc<Connections>);

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AuthProvider for Admission {
    fn authenticate<'a>(
        &'a self,
        _: &'a ConnectPacket,
        address: SocketAddr,
    ) -> Answer<'a, mqtt5::error::Result<AuthResult>> {
        Box::pin(async move {
            self.0.admit(address);
            Ok(AuthResult::success())
        })
    }

    fn authorize_publish<'a>(&'a self, _: &str, _: Option<&'a str>, _: &'a str) -> Answer<'a, bool> {
        Box::pin(async { true })
    }

    fn authorize_subscribe<'a>(&'a self, _: &str, _: Option<&'a str>, _: &'a str) -> Answer<'a, bool> {
        Box::pin(async { true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[tokio::test]
    async fn a_mark_belongs_to_one_publish_of_one_connection() {
        let connections = Arc::<Connections>::default();
        let taps = [1, 2].map(|port| connections.tap(address(port)));
        taps[0].marks.mark(5);
        for (port, expected) in [(2, [false, false]), (1, [true, false])] {
            let connections = connections.clone();
            // Both connections bear one client id, for all that the hook is told.
            let seen = tokio::spawn(async move {
                connections.admit(address(port));
                connections.begin(None);
                [connections.is_again(5), connections.is_again(5)]
            });
            assert_eq!(seen.await.expect("it runs"), expected);
        }
    }

    #[tokio::test]
    async fn a_will_is_told_from_a_publish_that_looks_like_it() {
        let connections = Arc::<Connections>::default();
        let serve = |publishes: u32, stores: usize| {
            let connections = connections.clone();
            tokio::spawn(async move {
                let will = Will { topic: "up".into(), payload: Bytes::from_static(b"gone"), retained: true };
                connections.begin(Some(will));
                (0..publishes).for_each(|_| connections.note_storing(7));
                let wills = (0..stores).filter(|_| connections.is_will("up", b"gone", 7)).count();
                (wills, connections.is_will("other", b"gone", 8), connections.end().is_some())
            })
        };
        assert_eq!(serve(2, 3).await.expect("it runs"), (1, false, true));
        assert_eq!(serve(0, 1).await.expect("it runs"), (1, false, true), "nothing is left of the other connection");
        let delayed = tokio::spawn(async move { connections.is_will("up", b"gone", 7) });
        assert!(delayed.await.expect("it runs"));
    }

    #[tokio::test]
    async fn handshakes_that_never_end_are_forgotten() {
        let connections = Arc::<Connections>::default();
        for port in 0..2_000 {
            let connections = connections.clone();
            let handshake = async move {
                let _tapped = connections.tap(address(port));
                connections.admit(address(port));
            };
            tokio::spawn(handshake).await.expect("it runs");
        }
        let inner = connections.lock();
        assert!(inner.admitted.len() <= HANDSHAKES && inner.tapped.is_empty());
    }
}
