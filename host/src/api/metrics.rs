//! Metrics in Prometheus' terms, read when they are asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Doors, trouble};

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
        let counts: Vec<_> = self.0.statuses.iter().map(|(_, status)| status.counts()).collect();
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
        self.containment(&mut encoder)?;
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

    /// Who is held now, and how often somebody was. A store that cannot be read is seen in the readiness.
    fn containment(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut held = std::collections::BTreeMap::<(String, &str), i64>::new();
        for one in super::held(&self.0.reader).unwrap_or_default() {
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
        for ((deployment, kind), count) in self.0.live.transitions() {
            let labels = [("deployment", deployment.to_string()), ("kind", kind.to_owned())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        let help = "Events that a rule answered differently on a fresh instance";
        let mut family = encoder.encode_descriptor("pointsman_hidden_state", help, None, metric.metric_type())?;
        for (deployment, count) in self.0.live.hidden_counts() {
            ConstCounter::new(count).encode(family.encode_family(&[("deployment", deployment.to_string())])?)?;
        }
        let help = "What was lost, left out or given up, by cause";
        let mut family = encoder.encode_descriptor("pointsman_losses", help, None, metric.metric_type())?;
        for (cause, count) in self.losses() {
            ConstCounter::new(count).encode(family.encode_family(&[("cause", cause.to_string())])?)?;
        }
        Ok(())
    }

    fn losses(&self) -> Vec<(model::Name, u64)> {
        let reader = &self.0.reader;
        let (Ok(accounts), Ok(stat)) = (trouble::accounts(reader), reader.stat()) else { return Vec::new() };
        let sources: Vec<_> = self.0.statuses.iter().map(|(_, status)| status.counts()).collect();
        trouble::losses(&accounts, &stat, &sources)
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
