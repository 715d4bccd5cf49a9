//! What runs now: deployments, devices, and counts of what committed turns did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use engine::Turn;
use model::device::Devices;
use model::guest::Level;
use model::{Deployment, Name};

use crate::installation::Loaded;

/// Shared between the engine's news and whoever asks.
pub(crate) struct Live {
    running: RwLock<Running>,
    pub(crate) turns: AtomicU64,
    pub(crate) decisions: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    /// What rules count, by (deployment, metric).
    counts: Mutex<BTreeMap<(Name, Name), u64>>,
    /// Verdicts by (deployment, verdict).
    verdicts: Mutex<BTreeMap<(Name, &'static str), u64>>,
}

struct Running {
    loaded: Vec<Loaded>,
    devices: Arc<Devices>,
}

impl Live {
    pub(crate) fn new(loaded: Vec<Loaded>, devices: Arc<Devices>) -> Self {
        Self {
            running: RwLock::new(Running { loaded, devices }),
            turns: AtomicU64::new(0),
            decisions: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            counts: Mutex::default(),
            verdicts: Mutex::default(),
        }
    }

    pub(crate) fn devices(&self) -> Arc<Devices> {
        Arc::clone(&self.running.read().unwrap_or_else(PoisonError::into_inner).devices)
    }

    pub(crate) fn deployments(&self) -> Vec<Arc<Deployment>> {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        running.loaded.iter().map(|loaded| Arc::clone(&loaded.spec)).collect()
    }

    /// The running programs under deployments that were resolved anew.
    pub(crate) fn rebound(&self, deployments: Vec<Deployment>) -> Vec<Loaded> {
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        let program = |name: &Name| running.loaded.iter().find(|loaded| loaded.spec.name == *name);
        let pairs = deployments.into_iter().filter_map(|spec| {
            let program = Arc::clone(&program(&spec.name)?.program);
            Some(Loaded { spec: Arc::new(spec), program })
        });
        pairs.collect()
    }

    pub(crate) fn replace(&self, loaded: Vec<Loaded>, devices: Arc<Devices>) {
        *self.running.write().unwrap_or_else(PoisonError::into_inner) = Running { loaded, devices };
    }

    /// Takes the news of a turn that is on disk.
    pub(crate) fn committed(&self, turn: &Turn) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.duplicates.fetch_add(turn.duplicates, Ordering::Relaxed);
        self.decisions.fetch_add(turn.decisions.len() as u64, Ordering::Relaxed);
        if !turn.decisions.is_empty() {
            let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            for decision in &turn.decisions {
                *verdicts.entry((decision.deployment.clone(), decision.verdict.word())).or_default() += 1;
            }
        }
        if !turn.counts.is_empty() {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (deployment, metric, by) in &turn.counts {
                *counts.entry((deployment.clone(), metric.clone())).or_default() += by;
            }
        }
        for line in &turn.logs {
            log(line);
        }
    }

    pub(crate) fn counts(&self) -> Vec<((Name, Name), u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    pub(crate) fn verdicts(&self) -> Vec<((Name, &'static str), u64)> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }
}

fn log(line: &engine::LogLine) {
    let fields = model::value::plain::object(&line.fields);
    let fields = if fields.is_empty() { String::new() } else { serde_json::Value::Object(fields).to_string() };
    let (deployment, key, message) = (&*line.deployment, &*line.key, line.message.as_str());
    match line.level {
        Level::Debug => tracing::debug!(target: "rule", deployment, key, fields, "{message}"),
        Level::Info => tracing::info!(target: "rule", deployment, key, fields, "{message}"),
        Level::Warn => tracing::warn!(target: "rule", deployment, key, fields, "{message}"),
        Level::Error => tracing::error!(target: "rule", deployment, key, fields, "{message}"),
    }
}
