//! Capture: a sink that keeps what it is given, for replay and for tests.

use std::sync::{Mutex, PoisonError};

use model::{Id, Instant, Name, Span, outgoing::Outgoing};
use tokio::sync::watch;

use crate::sink::Pending;
use crate::{Failure, Sink};

/// Attempts at the same time: capturing is instant, more would gain nothing.
const CONCURRENCY: usize = 64;

/// Keeps every effect, in the order in which they came.
pub struct Capture {
    name: Name,
    capacity: usize,
    taken: Mutex<Vec<Captured>>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    pub at: Instant,
    pub outgoing: Outgoing,
}

impl Capture {
    /// A capture under this name that holds `capacity` effects and refuses more as `capture-full`.
    pub fn new(name: impl Into<Name>, capacity: usize) -> Self {
        Self { name: name.into(), capacity, taken: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Takes out all that was captured.
    #[must_use]
    pub fn take(&self) -> Vec<Captured> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        self.count.send_replace(0);
        std::mem::take(&mut *taken)
    }

    /// Resolves when at least `count` effects are held.
    pub async fn holds(&self, count: usize) {
        // The sender is ours, so the channel cannot close while we wait.
        let _ = self.count.subscribe().wait_for(|held| *held >= count).await;
    }

    fn keep(&self, outgoing: &Outgoing, at: Instant) -> Result<(), Failure> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= self.capacity {
            return Err(Failure::refused("capture-full"));
        }
        taken.push(Captured { at, outgoing: outgoing.clone() });
        self.count.send_replace(taken.len());
        Ok(())
    }
}

impl Sink for Capture {
    fn name(&self) -> &Name {
        &self.name
    }

    fn send<'a>(&'a self, outgoing: &'a Outgoing, now: Instant) -> Pending<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(self.keep(outgoing, now)))
    }

    /// A full capture refuses for good, so nothing is ever tried again.
    fn retry_after(&self, _attempts: u32, _effect: Id) -> Option<Span> {
        None
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }
}
