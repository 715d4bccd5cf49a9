//! Metrics in Prometheus' terms, read when they are asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Doors;

/// Adds the host's metrics to the registry.
pub(crate) fn register(registry: &mut Registry, doors: &Arc<Doors>) {
    registry.register_collector(Box::new(Metrics(Arc::clone(doors))));
}

struct Metrics(Arc<Doors>);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let live = &self.0.live;
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
        let counts: Vec<_> = self.0.statuses.iter().map(ingest::status::Status::counts).collect();
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
        let metric = ConstGauge::new(i64::try_from(self.0.inlet.bytes()).unwrap_or(i64::MAX));
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
        let verdicts = self.0.live.verdicts();
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

    fn rules(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metric = ConstCounter::new(0_u64);
        let mut family =
            encoder.encode_descriptor("pointsman_rule_count", "What rules count", None, metric.metric_type())?;
        for ((deployment, name), count) in self.0.live.counts() {
            let labels = [("deployment", deployment.to_string()), ("name", name.to_string())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
