//! The meter: how much of the engine each deployment uses, in fuel, and who must let others go first.
//!
//! Whether others wait is known only where inputs wait, so the host asks, and what it decides is journalled as an
//! observed record. A replay obeys the record and measures nothing: it is the same whatever its turns.

use std::collections::BTreeMap;

use model::limits::{BUDGET_FUEL, BUDGET_SECONDS};
use model::{Instant, Name, Span};

/// Least time between two decisions about one deployment: each is a record in every partition.
const STEADY: Span = Span::from_secs(1);

/// What deployments have used lately.
#[derive(Debug, Default)]
pub struct Meter {
    used: BTreeMap<Name, Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    /// Fuel by second, a ring.
    seconds: [u64; BUDGET_SECONDS],
    /// The second that was noted last.
    newest: i64,
    over: bool,
    changed: Option<Instant>,
}

impl Meter {
    /// Notes what a turn has burnt.
    pub fn note(&mut self, now: Instant, spent: &[(Name, u64)]) {
        for (deployment, fuel) in spent.iter().filter(|(_, fuel)| *fuel > 0) {
            let usage = self.used.entry(deployment.clone()).or_default();
            let second = usage.pass(now);
            usage.seconds[second] += fuel;
        }
    }

    /// Who is over its share now and was not, or no longer is: (deployment, over).
    pub fn judge(&mut self, now: Instant, others_wait: bool) -> Vec<(Name, bool)> {
        self.used.retain(|_, usage| {
            usage.pass(now);
            usage.over || usage.sum() > 0
        });
        let busy = self.used.values().filter(|usage| usage.sum() > 0).count();
        let mut changes = Vec::new();
        for (deployment, usage) in &mut self.used {
            let others = busy > usize::from(usage.sum() > 0);
            let over = if usage.over {
                others_wait && usage.sum() > BUDGET_FUEL / 2
            } else {
                others_wait && others && usage.sum() > BUDGET_FUEL
            };
            if over != usage.over && usage.changed.is_none_or(|at| at + STEADY <= now) {
                usage.over = over;
                usage.changed = Some(now);
                changes.push((deployment.clone(), over));
            }
        }
        changes
    }
}

impl Usage {
    /// Moves the ring on to this second; returns its place.
    fn pass(&mut self, now: Instant) -> usize {
        let second = now.0.div_euclid(1_000_000).max(self.newest);
        let length = i64::try_from(BUDGET_SECONDS).expect("a few seconds");
        let place = |second: i64| usize::try_from(second.rem_euclid(length)).expect("a remainder is not negative");
        for passed in (self.newest + 1).max(second - length + 1)..=second {
            self.seconds[place(passed)] = 0;
        }
        self.newest = second;
        place(second)
    }

    fn sum(&self) -> u64 {
        self.seconds.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tenths: i64) -> Instant {
        Instant(1_700_000_000_000_000 + tenths * 100_000)
    }

    fn spent(greedy: u64, modest: u64) -> [(Name, u64); 2] {
        [("greedy".into(), greedy), ("modest".into(), modest)]
    }

    #[test]
    fn a_deployment_may_use_its_share_and_one_more_is_over_it() {
        let mut meter = Meter::default();
        meter.note(at(0), &spent(BUDGET_FUEL, 1));
        assert_eq!(meter.judge(at(1), true), []);
        meter.note(at(2), &spent(1, 0));
        assert_eq!(meter.judge(at(3), true), [("greedy".into(), true)]);
        assert_eq!(meter.judge(at(4), true), [], "it is said once");
    }

    #[test]
    fn all_of_it_is_free_while_nobody_waits_or_nobody_else_runs() {
        let mut meter = Meter::default();
        meter.note(at(0), &spent(BUDGET_FUEL * 5, 0));
        assert_eq!(meter.judge(at(1), true), []);
        meter.note(at(2), &spent(0, 1));
        assert_eq!(meter.judge(at(3), false), []);
        assert_eq!(meter.judge(at(4), true).len(), 1);
    }

    #[test]
    fn who_was_over_goes_on_when_half_its_share_is_free_or_nobody_waits() {
        let mut meter = Meter::default();
        for tenth in 0..=50 {
            meter.note(at(tenth), &spent(BUDGET_FUEL / 40, 1));
        }
        assert_eq!(meter.judge(at(50), true), [("greedy".into(), true)]);
        assert_eq!(meter.judge(at(99), true), []);
        assert_eq!(meter.judge(at(139), true), [("greedy".into(), false)], "the first seconds have left the window");
        meter.note(at(140), &spent(BUDGET_FUEL * 2, 1));
        assert_eq!(meter.judge(at(150), true), [("greedy".into(), true)]);
        assert_eq!(meter.judge(at(155), false), [], "no two changes within a second");
        assert_eq!(meter.judge(at(160), false), [("greedy".into(), false)]);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut meter = Meter::default();
        meter.note(at(0), &spent(BUDGET_FUEL * 2, 1));
        meter.note(at(110), &spent(1, 1));
        assert_eq!(meter.judge(at(110), true), []);
    }
}
