//! Tallies: what is kept of readings so that every aggregate of them can be told, however many there are.

use model::window::Aggregate;
use model::{Instant, Value};
use serde::{Deserialize, Serialize};

/// What is known of a set of readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    pub count: u64,
    /// Of those that are numbers; none where there is none.
    pub numbers: Option<Numbers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    pub count: u64,
    pub sum: f64,
    pub least: f64,
    pub greatest: f64,
    /// By event time; of equal stamps the one that came first.
    pub first: (Instant, f64),
    /// By event time; of equal stamps the one that came last.
    pub last: (Instant, f64),
}

impl Tally {
    pub(crate) fn add(&mut self, at: Instant, value: &Value) {
        let numbers = value.as_f64().map(|number| Numbers {
            count: 1,
            sum: number,
            least: number,
            greatest: number,
            first: (at, number),
            last: (at, number),
        });
        self.merge(&Self { count: 1, numbers });
    }

    /// Takes in the readings of another one, which came later where stamps are equal.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        let Some(more) = &other.numbers else { return };
        match &mut self.numbers {
            None => self.numbers = Some(*more),
            Some(numbers) => {
                numbers.count += more.count;
                numbers.sum += more.sum;
                numbers.least = numbers.least.min(more.least);
                numbers.greatest = numbers.greatest.max(more.greatest);
                if more.first.0 < numbers.first.0 {
                    numbers.first = more.first;
                }
                if more.last.0 >= numbers.last.0 {
                    numbers.last = more.last;
                }
            }
        }
    }

    /// None where these readings have no such aggregate.
    pub(crate) fn aggregate(&self, aggregate: Aggregate) -> Option<Value> {
        let number = match (aggregate, &self.numbers) {
            (Aggregate::Count, _) => return Some(Value::Integer(i64::try_from(self.count).ok()?)),
            (Aggregate::Sum, None) => 0.0,
            (_, None) => return None,
            (Aggregate::Sum, Some(numbers)) => numbers.sum,
            (Aggregate::Mean, Some(numbers)) => numbers.sum / numbers.count as f64,
            (Aggregate::Min, Some(numbers)) => numbers.least,
            (Aggregate::Max, Some(numbers)) => numbers.greatest,
            (Aggregate::Range, Some(numbers)) => numbers.greatest - numbers.least,
            (Aggregate::Change, Some(numbers)) => numbers.last.1 - numbers.first.1,
        };
        // A sum may run over what a number can be; nothing that is not finite goes further.
        number.is_finite().then_some(Value::Number(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(readings: &[(i64, f64)]) -> Tally {
        let mut tally = Tally::default();
        readings.iter().for_each(|(at, number)| tally.add(Instant(*at), &Value::Number(*number)));
        tally
    }

    #[test]
    fn each_aggregate_is_told_from_a_tally() {
        let readings = tally(&[(2, 5.0), (1, 3.0), (3, 10.0), (3, 6.0)]);
        for (aggregate, expected) in [
            (Aggregate::Count, Value::Integer(4)),
            (Aggregate::Sum, Value::Number(24.0)),
            (Aggregate::Mean, Value::Number(6.0)),
            (Aggregate::Min, Value::Number(3.0)),
            (Aggregate::Max, Value::Number(10.0)),
            (Aggregate::Range, Value::Number(7.0)),
            (Aggregate::Change, Value::Number(3.0)),
        ] {
            assert_eq!(readings.aggregate(aggregate), Some(expected), "{aggregate:?}");
        }
    }

    #[test]
    fn no_readings_have_a_count_and_a_sum() {
        let none = Tally::default();
        assert_eq!(none.aggregate(Aggregate::Count), Some(Value::Integer(0)));
        assert_eq!(none.aggregate(Aggregate::Sum), Some(Value::Number(0.0)));
        assert_eq!(none.aggregate(Aggregate::Mean), None);
        let mut text = Tally::default();
        text.add(Instant(1), &Value::text("open"));
        assert_eq!((text.aggregate(Aggregate::Count), text.aggregate(Aggregate::Max)), (Some(Value::Integer(1)), None));
    }

    #[test]
    fn a_sum_that_is_not_finite_is_none() {
        assert_eq!(tally(&[(1, f64::MAX), (2, f64::MAX)]).aggregate(Aggregate::Mean), None);
    }
}
