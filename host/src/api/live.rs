//! What runs now: deployments, devices, and counts of what committed turns did.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use engine::{Divergence, Transition, TransitionKind, Turn};
use model::device::Devices;
use model::guest::Level;
use model::{Deployment, Name};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use serde_json::{Value as Json, json};

use crate::installation::Loaded;

/// Shared between the engine's news and whoever asks.
pub(crate) struct Live {
    running: RwLock<Running>,
    pub(crate) turns: AtomicU64,
    pub(crate) decisions: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    /// What rules count, by (deployment, metric).
    counts: Mutex<BTreeMap<(Name, Name), u64>>,
    /// What rules observe. As many series as deployments have metric names in their manifests, at most
    /// [`model::limits::METRICS`] each.
    pub(crate) samples: Samples,
    /// Verdicts by (deployment, verdict).
    verdicts: Mutex<BTreeMap<(Name, &'static str), u64>>,
    /// Holds and releases by (deployment, kind).
    transitions: Mutex<BTreeMap<(Name, &'static str), u64>>,
    /// Rules that answered differently on a fresh instance, by deployment.
    hidden: Mutex<BTreeMap<Name, Hidden>>,
}

/// By deployment and metric.
pub(crate) type Samples = Family<[(&'static str, String); 2], Histogram>;

/// What is observed may be anything: seconds, watts, counts. Decades tell of which size it is.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 10.0, 10))
}

/// How often a deployment's rule was found to keep something in its memory, and the newest evidence.
#[derive(Default)]
struct Hidden {
    count: u64,
    evidence: VecDeque<Divergence>,
}

/// Evidence that is kept of one deployment: enough to see what differs.
const EVIDENCE: usize = 4;

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
            samples: Samples::new_with_constructor(histogram),
            verdicts: Mutex::default(),
            transitions: Mutex::default(),
            hidden: Mutex::default(),
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
        for (deployment, metric, sample) in turn.samples.iter().filter(|(.., sample)| sample.is_finite()) {
            let labels = [("deployment", deployment.to_string()), ("name", metric.to_string())];
            self.samples.get_or_create(&labels).observe(*sample);
        }
        for transition in &turn.transitions {
            let place = (transition.deployment.clone(), transition.kind.word());
            *self.transitions.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default() += 1;
            log_transition(transition);
        }
        for divergence in &turn.divergences {
            self.keep_evidence(divergence);
        }
        for line in &turn.logs {
            log(line);
        }
    }

    /// Logs the 1st, 2nd, 4th, 8th … of each deployment: a rule that hides state does so often.
    fn keep_evidence(&self, divergence: &Divergence) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let hidden = hidden.entry(divergence.deployment.clone()).or_default();
        hidden.count += 1;
        hidden.evidence.push_back(divergence.clone());
        hidden.evidence.drain(..hidden.evidence.len().saturating_sub(EVIDENCE));
        if hidden.count.is_power_of_two() {
            let Divergence { deployment, rule, key, event, handled, .. } = divergence;
            tracing::warn!(%deployment, %rule, %key, event = %event.id, handled, count = hidden.count,
                "a rule keeps something in its memory: a fresh instance answers differently");
        }
    }

    /// What was found of one deployment, or of all: none where no rule was found.
    pub(crate) fn hidden_state(&self, deployment: Option<&str>) -> Vec<Json> {
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = hidden.iter().filter(|(name, _)| deployment.is_none_or(|wanted| ***name == *wanted));
        let shown = wanted
            .map(|(name, hidden)| json!({"deployment": &**name, "count": hidden.count, "evidence": hidden.evidence}));
        shown.collect()
    }

    pub(crate) fn hidden_counts(&self) -> Vec<(Name, u64)> {
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.iter().map(|(name, hidden)| (name.clone(), hidden.count)).collect()
    }

    pub(crate) fn transitions(&self) -> Vec<((Name, &'static str), u64)> {
        let transitions = self.transitions.lock().unwrap_or_else(PoisonError::into_inner);
        transitions.iter().map(|(place, count)| (place.clone(), *count)).collect()
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

fn log_transition(transition: &Transition) {
    let Transition { kind, deployment, key, reason, probe_at, tries } = transition;
    let (key, reason) = (key.as_deref().unwrap_or_default(), reason.as_deref().unwrap_or_default());
    let again = probe_at.map(|at| at.to_string()).unwrap_or_default();
    match kind {
        TransitionKind::Quarantined => {
            tracing::warn!(%deployment, key, reason, again, tries, "events of a key wait: its rule keeps failing");
        }
        TransitionKind::Stopped => {
            tracing::error!(%deployment, reason, again, tries, "a deployment is stopped in one partition");
        }
        TransitionKind::Released => tracing::info!(%deployment, key, "a key is free again"),
        TransitionKind::Resumed => tracing::info!(%deployment, "a deployment goes on"),
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

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn what_rules_observe_becomes_a_histogram_of_each_deployment_and_name() {
        let live = Live::new(Vec::new(), Arc::new(Devices::new([])));
        let sample = |deployment: &str, value| (Name::from(deployment), Name::from("seconds"), value);
        let samples = vec![sample("a", 0.5), sample("a", 50.0), sample("b", 2.0), sample("b", f64::NAN)];
        live.committed(&Turn { samples, ..Turn::default() });
        let mut registry = Registry::default();
        registry.register("sample", "observed", live.samples.clone());
        let mut shown = String::new();
        text::encode(&mut shown, &registry).expect("memory");
        assert!(shown.contains("sample_count{deployment=\"a\",name=\"seconds\"} 2"), "{shown}");
        assert!(shown.contains("sample_sum{deployment=\"a\",name=\"seconds\"} 50.5"), "{shown}");
        assert!(
            shown.contains("sample_count{deployment=\"b\",name=\"seconds\"} 1"),
            "what is no number is left out: {shown}"
        );
    }
}
