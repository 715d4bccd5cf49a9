//! Metrics in Prometheus' terms: counters of this process as they stand, and what the store knows, a few seconds old.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use host::system_clock::boot;
use model::{Instant, Name};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde_json::Value as Json;
use store::Reader;

use super::trouble::Counted;
use super::{Doors, held, trouble};

/// For so long, in microseconds, what was read of the store is shown again, however often somebody asks.
const FRESH: i64 = 5_000_000;

/// Adds the host's metrics to the registry.
pub(crate) fn register(registry: &mut Registry, doors: &Arc<Doors>) {
    let samples = "What rules observe, by deployment and name";
    registry.register("pointsman_rule_sample", samples, doors.live.samples.clone());
    registry.register_collector(Box::new(Metrics { doors: Arc::clone(doors), stored: Kept(Mutex::default()) }));
}

struct Metrics {
    doors: Arc<Doors>,
    stored: Kept<Stored>,
}

/// The last answer, with the boot time at which it was given.
struct Kept<T>(Mutex<Option<(i64, Arc<T>)>>);

impl<T> Kept<T> {
    fn get(&self, now: i64, read: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, answer)) = &*kept
            && now - at < FRESH
        {
            return Arc::clone(answer);
        }
        let answer = Arc::new(read());
        *kept = Some((now, Arc::clone(&answer)));
        answer
    }
}

/// What the store knows. One that cannot be read is seen in the readiness.
#[derive(Default)]
struct Stored {
    held: Vec<Json>,
    counted: Counted,
    /// Dead letters by reason, and how many were removed.
    letters: (BTreeMap<Name, u64>, u64),
    /// When the effect was committed that waits longest.
    oldest: Option<Instant>,
}

impl Stored {
    fn read(reader: &Reader) -> Result<Self, store::Error> {
        Ok(Self {
            held: held(reader)?,
            counted: trouble::counted(reader)?,
            letters: reader.dead_letter_counts()?,
            oldest: reader.outbox(1)?.first().map(|placed| placed.row.outgoing.committed_at),
        })
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let live = &self.doors.live;
        let mut counter = |name: &str, help: &str, count: u64| {
            let metric = ConstCounter::new(count);
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)
        };
        counter("pointsman_turns", "Turns committed", live.turns.load(Ordering::Relaxed))?;
        counter("pointsman_decisions", "Decisions made", live.decisions.load(Ordering::Relaxed))?;
        counter(
            "pointsman_duplicates",
            "Inputs dropped because they came before",
            live.duplicates.load(Ordering::Relaxed),
        )?;
        let counts: Vec<_> = self.doors.statuses.iter().map(|(_, status)| status.counts()).collect();
        counter("pointsman_mqtt_received", "Messages received", counts.iter().map(|c| c.received).sum())?;
        counter(
            "pointsman_mqtt_acknowledged",
            "Messages acknowledged after their commit",
            counts.iter().map(|c| c.acknowledged).sum(),
        )?;
        counter(
            "pointsman_mqtt_redelivered",
            "Messages that came with the DUP flag",
            counts.iter().map(|c| c.redelivered).sum(),
        )?;
        counter("pointsman_mqtt_qos0", "Messages without acknowledgement", counts.iter().map(|c| c.qos0).sum())?;
        counter("pointsman_mqtt_rejected", "Messages refused", counts.iter().flat_map(|c| c.rejected.values()).sum())?;
        self.verdicts(&mut encoder)?;
        self.rules(&mut encoder)?;
        let stored = self.stored.get(boot(), || Stored::read(&self.doors.reader).unwrap_or_default());
        self.containment(&mut encoder, &stored)?;
        self.outbox(&mut encoder, &stored)?;
        let metric = ConstGauge::new(i64::try_from(self.doors.inlet.bytes()).unwrap_or(i64::MAX));
        let encoder = encoder.encode_descriptor(
            "pointsman_inlet_bytes",
            "Bytes that wait for the engine",
            None,
            metric.metric_type(),
        )?;
        metric.encode(encoder)
    }
}

impl Metrics {
    fn verdicts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let verdicts = self.doors.live.verdicts();
        let metric = ConstCounter::new(0_u64);
        let mut family = encoder.encode_descriptor(
            "pointsman_verdicts",
            "Decisions by deployment and verdict",
            None,
            metric.metric_type(),
        )?;
        for ((deployment, verdict), count) in verdicts {
            let labels = [("deployment", deployment.to_string()), ("verdict", verdict.to_owned())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// What waits for its sink.
    fn outbox(&self, encoder: &mut DescriptorEncoder<'_>, stored: &Stored) -> fmt::Result {
        let counts = self.doors.sending.counts();
        let age = stored.oldest.map_or(0, |oldest| self.doors.clock.now().since(oldest).0 / 1_000_000);
        for (name, help, value) in [
            ("pointsman_outbox", "Effects that wait for their sink, those on their way included", counts.waiting),
            ("pointsman_outbox_flying", "Effects on their way to their sink", counts.flying),
            ("pointsman_outbox_oldest_seconds", "Age of the effect that waits longest", age),
        ] {
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(encoder)?;
        }
        let metric = ConstCounter::new(counts.retried);
        let help = "Attempts that failed and are made again";
        let encoder = encoder.encode_descriptor("pointsman_outbox_retries", help, None, metric.metric_type())?;
        metric.encode(encoder)
    }

    /// Who is held now, and how often somebody was.
    fn containment(&self, encoder: &mut DescriptorEncoder<'_>, stored: &Stored) -> fmt::Result {
        let mut held = BTreeMap::<(String, &str), i64>::new();
        for one in &stored.held {
            let what = if one["key"].is_null() { "deployment" } else { "key" };
            *held.entry((one["deployment"].as_str().unwrap_or_default().to_owned(), what)).or_default() += 1;
        }
        let metric = ConstGauge::new(0_i64);
        let help = "Keys, and deployments by partition, whose events wait because their rule fails";
        let mut family = encoder.encode_descriptor("pointsman_held", help, None, metric.metric_type())?;
        for ((deployment, what), count) in held {
            ConstGauge::new(count)
                .encode(family.encode_family(&[("deployment", deployment), ("what", what.to_owned())])?)?;
        }
        let metric = ConstCounter::new(0_u64);
        let help = "Keys and deployments held and set free";
        let mut family = encoder.encode_descriptor("pointsman_transitions", help, None, metric.metric_type())?;
        for ((deployment, kind), count) in self.doors.live.transitions() {
            let labels = [("deployment", deployment.to_string()), ("kind", kind.to_owned())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        let help = "Events that a rule answered differently on a fresh instance";
        let mut family = encoder.encode_descriptor("pointsman_hidden_state", help, None, metric.metric_type())?;
        for (deployment, count) in self.doors.live.hidden_counts() {
            ConstCounter::new(count).encode(family.encode_family(&[("deployment", deployment.to_string())])?)?;
        }
        let help = "What was lost, left out or given up, by cause";
        let mut family = encoder.encode_descriptor("pointsman_losses", help, None, metric.metric_type())?;
        let sources: Vec<_> = self.doors.statuses.iter().map(|(_, status)| status.counts()).collect();
        for (cause, count) in trouble::losses(&stored.counted, &stored.letters, &sources) {
            ConstCounter::new(count).encode(family.encode_family(&[("cause", cause.to_string())])?)?;
        }
        Ok(())
    }

    fn rules(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metric = ConstCounter::new(0_u64);
        let mut family =
            encoder.encode_descriptor("pointsman_rule_count", "What rules count", None, metric.metric_type())?;
        for ((deployment, name), count) in self.doors.live.counts() {
            let labels = [("deployment", deployment.to_string()), ("name", name.to_string())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_asked_again_only_when_its_answer_is_old() {
        let kept = Kept(Mutex::default());
        assert_eq!(*kept.get(7, || 1), 1);
        assert_eq!(*kept.get(7 + FRESH - 1, || 2), 1);
        assert_eq!(*kept.get(7 + FRESH, || 3), 3);
    }
}
