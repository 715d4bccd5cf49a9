//! Metrics in the text that Prometheus reads: the server's own, and what the host hands over at each scrape.
//!
//! Label values come from small fixed sets. A device's id is never one: ten thousand devices would be ten thousand
//! series.

use std::fmt;
use std::sync::Arc;

use axum::extract::{self, Request};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::problem::Problem;
use crate::state::Item;

/// The server's own counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    requests: Family<[(&'static str, String); 1], Counter>,
    events: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("pointsman_http_requests", "Requests answered, by status", self.requests.clone());
        registry.register("pointsman_http_events", "Events offered over HTTP, by outcome", self.events.clone());
    }

    pub(crate) fn count(&self, items: &[Item]) {
        for item in items {
            let outcome = match item {
                Item::Accepted { .. } => "accepted",
                Item::Duplicate { .. } => "duplicate",
                Item::Rejected { .. } => "rejected",
            };
            self.events.get_or_create(&[("outcome", outcome)]).inc();
        }
    }
}

/// Counts each answer by its status.
pub(crate) async fn observe(metrics: extract::State<Metrics>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    metrics.requests.get_or_create(&[("status", response.status().as_str().to_owned())]).inc();
    response
}

/// `GET /metrics`.
pub(crate) async fn get(extract::State(registry): extract::State<Arc<Registry>>) -> Response {
    // Collectors may ask the store: that is nothing for the threads of the network.
    let written = tokio::task::spawn_blocking(move || {
        let mut body = String::new();
        text::encode(&mut body, &registry).map(|()| body)
    });
    match written.await {
        Ok(Ok(body)) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Ok(Err(_)) | Err(_) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "failed to write the metrics").into_response()
        }
    }
}

/// One metric with its present values.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Snake case, with unit, without the `_total` of a counter.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    /// One value for each set of labels; a metric without labels has one value with an empty set.
    pub values: Vec<(Vec<(&'static str, String)>, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    Gauge,
}

/// A collector that asks a closure at each scrape: for figures that the host keeps elsewhere already.
pub struct Pull<F>(F);

impl<F: Fn() -> Vec<Sample> + Send + Sync + 'static> Pull<F> {
    /// Register it with [`Registry::register_collector`]. The closure must not wait.
    pub fn new(ask: F) -> Box<Self> {
        Box::new(Self(ask))
    }
}

impl<F> fmt::Debug for Pull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pull")
    }
}

impl<F: Fn() -> Vec<Sample> + Send + Sync + 'static> Collector for Pull<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for sample in (self.0)() {
            let kind = match sample.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(sample.name, sample.help, None, kind)?;
            for (labels, value) in sample.values {
                let one = metric.encode_family(&labels)?;
                match sample.kind {
                    Kind::Counter => ConstCounter::new(value).encode(one)?,
                    Kind::Gauge => ConstGauge::new(value).encode(one)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_scrape_leaves_the_threads_of_the_network_alone() {
        let asked = Arc::new(std::sync::Mutex::new(None));
        let mut registry = Registry::default();
        let seen = Arc::clone(&asked);
        registry.register_collector(Pull::new(move || {
            *seen.lock().expect("no panic") = Some(std::thread::current().id());
            Vec::new()
        }));
        assert_eq!(get(extract::State(Arc::new(registry))).await.status(), StatusCode::OK);
        let asked = asked.lock().expect("no panic").expect("it was asked");
        assert_ne!(asked, std::thread::current().id());
    }

    #[test]
    fn pulled_samples_appear_with_and_without_labels() {
        let mut registry = Registry::default();
        registry.register_collector(Pull::new(|| {
            vec![
                Sample {
                    name: "pointsman_inputs",
                    help: "Inputs journalled",
                    kind: Kind::Counter,
                    values: vec![(vec![("source", "mqtt".to_owned())], 3.0)],
                },
                Sample { name: "pointsman_outbox", help: "Waiting", kind: Kind::Gauge, values: vec![(vec![], 2.5)] },
            ]
        }));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("memory");
        assert!(text.contains("# TYPE pointsman_inputs counter\n"), "{text}");
        assert!(text.contains("pointsman_inputs_total{source=\"mqtt\"} 3.0\n"), "{text}");
        assert!(text.contains("\npointsman_outbox{} 2.5\n"), "{text}");
    }
}
