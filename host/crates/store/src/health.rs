//! Whether commits reach the disk, for whoever must show it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use model::Name;

/// The state of the writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Healthy,
    /// The last commit failed and is being tried again; nothing is acknowledged meanwhile.
    Failing {
        /// What the database said, for people.
        reason: Name,
        /// Failures in a row, from 1.
        attempts: u32,
    },
}

/// The current health, and a way to wait for another. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HealthWatch {
    shared: Arc<(Mutex<Health>, Condvar)>,
}

impl HealthWatch {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::new((Mutex::new(Health::Healthy), Condvar::new())) }
    }

    #[must_use]
    pub fn get(&self) -> Health {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Blocks while `condition` holds and returns the first health for which it does not.
    #[must_use]
    pub fn wait_while(&self, condition: impl Fn(&Health) -> bool) -> Health {
        let health = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.1.wait_while(health, |health| condition(health)).unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes one more failure and returns how many there were in a row.
    pub(crate) fn fail(&self, reason: &str) -> u32 {
        let mut health = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = match &*health {
            Health::Healthy => 1,
            Health::Failing { attempts, .. } => attempts.saturating_add(1),
        };
        *health = Health::Failing { reason: reason.into(), attempts };
        self.shared.1.notify_all();
        attempts
    }

    /// Notes success; returns whether it was failing before.
    pub(crate) fn recover(&self) -> bool {
        let mut health = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *health == Health::Healthy {
            return false;
        }
        *health = Health::Healthy;
        self.shared.1.notify_all();
        true
    }
}
