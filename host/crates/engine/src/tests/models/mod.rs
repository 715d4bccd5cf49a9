//! Trigger state machines against definitions: each told list is computed again from the whole recording, without state.

mod conditions;
mod durable;
mod places;
mod windows;

use proptest::prelude::*;

use super::*;

/// One report of the device; minutes.
#[derive(Debug, Clone, Copy)]
struct Report {
    received: i64,
    occurred: i64,
    value: i64,
    live: bool,
}

/// Something that a rule is told: when it happened, in minutes.
type Told = (&'static str, i64);

/// The clock goes on by ties, steps and gaps; a report may have been on its way for some minutes.
fn reports(delays: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Report>> {
    let step = prop_oneof![3 => 0..3_i64, 3 => 3..12_i64, 1 => 12..90_i64];
    let report = (step, delays, 0..12_i64, prop::bool::weighted(0.9));
    prop::collection::vec(report, 1..40).prop_map(|steps| {
        let mut clock = 100;
        let report = |(step, delay, value, live)| {
            clock += step;
            Report { received: clock, occurred: clock - delay, value, live }
        };
        steps.into_iter().map(report).collect()
    })
}

/// All of them received at one instant, long after they happened, in any order.
fn upload() -> impl Strategy<Value = Vec<Report>> {
    let report = |(occurred, value)| Report { received: 10_000, occurred, value, live: true };
    prop::collection::vec((100..400_i64, 0..12_i64).prop_map(report), 1..40)
}

/// Those that are not older than one before them.
fn in_order(reports: &[Report]) -> Vec<Report> {
    let newest = |index: usize| reports[..index].iter().map(|report| report.occurred).max();
    let each = reports.iter().enumerate();
    each.filter(|(index, report)| newest(*index).is_none_or(|newest| newest <= report.occurred))
        .map(|(_, r)| *r)
        .collect()
}

/// Whether a deadline is decided before report `index` counts: by its own stamp, or by the clock and the lag of the
/// report before it.
fn decided(ordered: &[Report], index: usize, deadline: i64) -> bool {
    let lag = index.checked_sub(1).map_or(0, |last| ordered[last].received - ordered[last].occurred);
    ordered[index].occurred >= deadline || ordered[index].received >= deadline + lag
}

/// Long after the last report.
const END: i64 = 100_000;

fn feed(bench: &mut Bench, report: &Report, body: impl Fn(i64) -> Body) {
    let body = match (body(report.value), report.live) {
        (Body::Observation { device, readings, .. }, false) => {
            Body::Observation { device, freshness: Freshness::Snapshot, readings }
        }
        (body, _) => body,
    };
    bench.take(body, report.received, Some(report.occurred));
}

fn temperature(value: i64) -> Body {
    reading(DeviceNo(1), value as f64)
}

/// What the engine told.
fn told(kind: Kind, reports: &[Report], body: impl Fn(i64) -> Body + Copy) -> Vec<Told> {
    let mut bench = Bench::one(kind);
    bench.advance(1);
    reports.iter().for_each(|report| feed(&mut bench, report, body));
    bench.advance(END);
    words(&bench)
}

fn words(bench: &Bench) -> Vec<Told> {
    let word = |word: &str| match word {
        "began" => "began",
        "ended" => "ended",
        _ => "observation",
    };
    bench.told().iter().map(|(told, at)| (word(told), *at)).collect()
}
