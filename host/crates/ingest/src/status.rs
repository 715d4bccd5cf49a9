//! The status of a source: whether it is connected, why not, and what it has counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use model::Name;
use tokio::sync::watch;

use crate::intake::Taken;

/// What a source is doing now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub connected: bool,
    /// Connections ended so far; a new one is another generation.
    pub generation: u64,
    /// Why the last connection ended or could not be made; kept until the next connection.
    pub last_error: Option<String>,
    /// Filters that the broker refused to subscribe.
    pub refused_filters: Vec<String>,
}

/// Counts since the start of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that came, of every quality of service.
    pub received: u64,
    /// Messages acknowledged to the broker or device.
    pub acknowledged: u64,
    /// Messages that came with the DUP flag.
    pub redelivered: u64,
    /// Messages of QoS 0: lost where anything fails.
    pub qos0: u64,
    /// Values that could not be read: null, NaN, infinite, unlisted or of another kind.
    pub bad_values: u64,
    /// Times that the source was held back because the engine was behind.
    pub held_back: u64,
    /// Sessions that the broker forgot: messages between may be lost.
    pub sessions_lost: u64,
    /// Messages, or a device's part of one, refused, by reason code.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Messages in which none of a device's paths was found, by the device.
    pub nothing_found: BTreeMap<Name, u64>,
}

/// A handle on one source's status. Clones show the same.
#[derive(Clone)]
pub struct Status(Arc<Inner>);

struct Inner {
    state: watch::Sender<State>,
    counters: [AtomicU64; Counter::COUNT],
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    nothing_found: Mutex<BTreeMap<Name, u64>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    Received,
    Acknowledged,
    Redelivered,
    Qos0,
    BadValues,
    HeldBack,
    SessionsLost,
}

impl Counter {
    const COUNT: usize = 7;
}

impl Default for Status {
    fn default() -> Self {
        Self(Arc::new(Inner {
            state: watch::Sender::default(),
            counters: Default::default(),
            rejected: Mutex::default(),
            nothing_found: Mutex::default(),
        }))
    }
}

impl Status {
    #[must_use]
    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// Sees each change of the state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let get = |counter: Counter| self.0.counters[counter as usize].load(Ordering::Relaxed);
        Counts {
            received: get(Counter::Received),
            acknowledged: get(Counter::Acknowledged),
            redelivered: get(Counter::Redelivered),
            qos0: get(Counter::Qos0),
            bad_values: get(Counter::BadValues),
            held_back: get(Counter::HeldBack),
            sessions_lost: get(Counter::SessionsLost),
            rejected: self.0.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            nothing_found: self.0.nothing_found.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.state.send_modify(change);
    }

    pub(crate) fn count(&self, counter: Counter, by: u64) {
        self.0.counters[counter as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// Counts what was left out of a message; logs the 1st, 2nd, 4th, 8th … of each reason or device, so that a flood
    /// of bad messages is no flood of lines.
    pub(crate) fn count_taken(&self, taken: &Taken) {
        if taken.bad_values > 0 {
            self.count(Counter::BadValues, taken.bad_values.into());
        }
        for rejection in &taken.rejections {
            let code = rejection.reason.code();
            let mut rejected = self.0.rejected.lock().unwrap_or_else(PoisonError::into_inner);
            let count = rejected.entry(code).or_default();
            *count += 1;
            if count.is_power_of_two() {
                tracing::warn!(code, count = *count, %rejection, "rejected a message");
            }
        }
        for device in &taken.nothing_found {
            let mut devices = self.0.nothing_found.lock().unwrap_or_else(PoisonError::into_inner);
            let count = devices.entry(device.clone()).or_default();
            *count += 1;
            if count.is_power_of_two() {
                tracing::warn!(%device, count = *count, "none of the device's paths is in its message");
            }
        }
    }
}
