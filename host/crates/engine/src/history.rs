//! Histories: declared windows of readings, kept as bucket aggregates in arrival order, summed up on demand.

use std::collections::BTreeMap;

use model::deployment::History;
use model::guest::Summary;
use model::{Instant, Span};
use serde::{Deserialize, Serialize};

/// The buckets of one declared window, by number: an instant's bucket is its time divided by the bucket's length.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Series {
    buckets: BTreeMap<i64, Bucket>,
    /// The newest value and since when it has lasted.
    last: Option<(Instant, f64)>,
}

/// The aggregate of the readings of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    count: u64,
    first: f64,
    last: f64,
    min: f64,
    max: f64,
    sum: f64,
    /// Value × microseconds that it lasted within this bucket.
    weighted: f64,
    /// Microseconds that some value lasted within this bucket.
    known: f64,
}

impl Bucket {
    fn of(value: f64) -> Self {
        Self { count: 1, first: value, last: value, min: value, max: value, sum: value, weighted: 0.0, known: 0.0 }
    }

    fn lasting() -> Self {
        Self {
            count: 0,
            first: 0.0,
            last: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            weighted: 0.0,
            known: 0.0,
        }
    }

    fn add(&mut self, value: f64) {
        if self.count == 0 {
            *self = Self { weighted: self.weighted, known: self.known, ..Self::of(value) };
            return;
        }
        self.count += 1;
        self.last = value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
    }
}

/// Length of one bucket of a declared window.
fn length(history: &History) -> i64 {
    i64::try_from(history.window.0 / u64::from(history.buckets.max(1))).unwrap_or(i64::MAX).max(1)
}

impl Series {
    /// Takes a reading, in the order of arrival; returns the numbers of the buckets that changed. One that is older than
    /// the newest counts in its bucket and changes nothing of how long values lasted.
    pub(crate) fn add(&mut self, history: &History, at: Instant, value: f64) -> Vec<i64> {
        let length = length(history);
        let mut changed = Vec::new();
        if let Some((newest, _)) = self.last.filter(|(newest, _)| at < *newest) {
            let number = at.0.div_euclid(length);
            if number < newest.before(history.window).0.div_euclid(length) {
                return changed;
            }
            self.buckets.entry(number).and_modify(|bucket| bucket.add(value)).or_insert_with(|| Bucket::of(value));
            changed.push(number);
            return changed;
        }
        if let Some((since, lasting)) = self.last {
            // A value lasts no longer than the window: older buckets are gone by then.
            let mut from = since.max(at.before(history.window)).0;
            while from < at.0 {
                let number = from.div_euclid(length);
                let until = (number + 1).saturating_mul(length).min(at.0);
                let bucket = self.buckets.entry(number).or_insert_with(Bucket::lasting);
                let lasted = (until - from) as f64;
                bucket.weighted += lasting * lasted;
                bucket.known += lasted;
                changed.push(number);
                from = until;
            }
        }
        let number = at.0.div_euclid(length);
        self.buckets.entry(number).and_modify(|bucket| bucket.add(value)).or_insert_with(|| Bucket::of(value));
        if changed.last() != Some(&number) {
            changed.push(number);
        }
        self.last = Some((at, value));
        changed
    }

    /// Drops the buckets that no declared window reaches any more; returns their numbers.
    pub(crate) fn expire(&mut self, history: &History, now: Instant) -> Vec<i64> {
        let oldest = now.before(history.window).0.div_euclid(length(history));
        let gone: Vec<i64> = self.buckets.range(..oldest).map(|(number, _)| *number).collect();
        gone.iter().for_each(|number| {
            self.buckets.remove(number);
        });
        gone
    }

    /// All buckets with finite numbers, as a case holds them.
    pub(crate) fn buckets(&self) -> Vec<(i64, Bucket)> {
        let finite = |bucket: &Bucket| match bucket.count {
            0 => Bucket { min: 0.0, max: 0.0, ..*bucket },
            _ => *bucket,
        };
        self.buckets.iter().map(|(number, bucket)| (*number, finite(bucket))).collect()
    }

    /// The other way round.
    pub(crate) fn of(buckets: &[(i64, Bucket)], last: Option<(Instant, f64)>) -> Self {
        let whole = |bucket: &Bucket| match bucket.count {
            0 => Bucket { weighted: bucket.weighted, known: bucket.known, ..Bucket::lasting() },
            _ => *bucket,
        };
        Self { buckets: buckets.iter().map(|(number, bucket)| (*number, whole(bucket))).collect(), last }
    }

    pub(crate) fn bucket(&self, number: i64) -> Option<&Bucket> {
        self.buckets.get(&number)
    }

    /// The buckets that it has.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = i64> {
        self.buckets.keys().copied()
    }

    pub(crate) fn last(&self) -> Option<(Instant, f64)> {
        self.last
    }

    pub(crate) fn restore(&mut self, number: i64, bucket: Bucket) {
        self.buckets.insert(number, bucket);
    }

    pub(crate) fn restore_last(&mut self, last: (Instant, f64)) {
        self.last = Some(last);
    }

    /// The window of `span` that ends at `now`, rounded out to whole buckets; none where nothing was reported.
    pub(crate) fn summarise(&self, history: &History, span: Span, now: Instant) -> Option<Summary> {
        let length = length(history);
        let oldest = now.before(span).0.div_euclid(length);
        let newest = now.0.div_euclid(length);
        let (mut weighted, mut known) = (0.0, 0.0);
        let mut total: Option<Bucket> = None;
        for (_, bucket) in self.buckets.range(oldest..=newest) {
            weighted += bucket.weighted;
            known += bucket.known;
            if bucket.count == 0 {
                continue;
            }
            total = Some(match total {
                None => *bucket,
                Some(sum) => Bucket {
                    count: sum.count + bucket.count,
                    last: bucket.last,
                    min: sum.min.min(bucket.min),
                    max: sum.max.max(bucket.max),
                    sum: sum.sum + bucket.sum,
                    ..sum
                },
            });
        }
        let total = total?;
        // The newest value lasts until now.
        if let Some((since, value)) = self.last.filter(|(since, _)| *since < now) {
            let lasted = (now - since.max(now.before(span))) as f64;
            weighted += value * lasted;
            known += lasted;
        }
        let mean = total.sum / total.count as f64;
        Some(Summary {
            count: total.count,
            first: total.first,
            last: total.last,
            min: total.min,
            max: total.max,
            mean,
            time_mean: if known > 0.0 { weighted / known } else { mean },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Capability;

    fn hour() -> History {
        let capability = Capability::named("temperature").expect("a name");
        History { role: "probe".into(), capability, window: Span::from_hours(1), buckets: 60 }
    }

    fn minute(n: i64) -> Instant {
        Instant(n * 60_000_000)
    }

    #[test]
    fn a_value_counts_for_as_long_as_it_lasted() {
        let mut series = Series::default();
        series.add(&hour(), minute(0), 10.0);
        series.add(&hour(), minute(45), 20.0);
        let summary = series.summarise(&hour(), Span::from_hours(1), minute(60)).expect("two readings");
        assert_eq!((summary.count, summary.min, summary.max, summary.mean), (2, 10.0, 20.0, 15.0));
        assert!((summary.time_mean - 12.5).abs() < 1e-9, "{}", summary.time_mean);
    }

    #[test]
    fn what_left_the_window_no_longer_counts() {
        let mut series = Series::default();
        series.add(&hour(), minute(0), 10.0);
        series.add(&hour(), minute(100), 20.0);
        assert_eq!(series.expire(&hour(), minute(100)).len(), 1);
        let summary = series.summarise(&hour(), Span::from_hours(1), minute(100)).expect("one reading");
        assert_eq!((summary.count, summary.first), (1, 20.0));
    }

    #[test]
    fn a_reading_that_arrives_out_of_order_counts_in_its_bucket_and_not_in_the_durations() {
        let mut series = Series::default();
        series.add(&hour(), minute(10), 10.0);
        series.add(&hour(), minute(40), 20.0);
        assert_eq!(series.add(&hour(), minute(20), 90.0), [20]);
        assert_eq!(series.last(), Some((minute(40), 20.0)));
        let summary = series.summarise(&hour(), Span::from_hours(1), minute(60)).expect("readings");
        assert_eq!((summary.count, summary.min, summary.max, summary.mean), (3, 10.0, 90.0, 40.0));
        assert!((summary.time_mean - 14.0).abs() < 1e-9, "{}", summary.time_mean);
        series.add(&hour(), minute(100), 5.0);
        assert!(series.add(&hour(), minute(39), 90.0).is_empty(), "older than the window");
        assert_eq!(series.add(&hour(), minute(40), 90.0), [40]);
    }

    #[test]
    fn nothing_reported_is_no_summary() {
        assert_eq!(Series::default().summarise(&hour(), Span::from_hours(1), minute(5)), None);
    }
}
