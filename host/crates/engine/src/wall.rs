//! The wall clock, as far as a partition knows it from its records: whether it is believed, and how far it is from the
//! partition's own. Civil schedules follow it; everything else runs on the partition's clock.

use model::{Instant, limits};
use serde::{Deserialize, Serialize};

/// Since a step the partition's clock approaches the wall clock at a fixed rate, so that one record tells both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wall {
    /// Not believed since the start: the clock decides nothing.
    pub(crate) doubted: Option<Instant>,
    /// The sources caught up meanwhile.
    pub(crate) caught_up: bool,
    /// When the clocks parted, by the partition's own.
    parted: Instant,
    /// By how many microseconds the wall clock was ahead then.
    ahead: i64,
}

impl Wall {
    /// A wall clock that is not believed from `since` on.
    pub(crate) fn doubted(since: Instant) -> Self {
        Self { doubted: Some(since), ..Self::default() }
    }

    /// At `clock` the wall clock is that many microseconds ahead.
    pub fn step(&mut self, clock: Instant, ahead: i64) {
        // A difference that no calendar holds is a bad record.
        (self.parted, self.ahead) = (clock, ahead.clamp(-Instant::MAX.0, Instant::MAX.0));
    }

    /// What the wall clock shows when the partition's clock stands at `clock`.
    #[must_use]
    pub fn at(&self, clock: Instant) -> Instant {
        let passed = clock.0.saturating_sub(self.parted.0).max(0);
        // The partition's clock runs at 101 % towards a wall clock ahead, at 99 % towards one behind.
        let left = match self.ahead {
            0 => 0,
            ahead if ahead > 0 => (ahead - passed / (limits::CLOCK_SLEW + 1)).max(0),
            behind => (behind + passed / (limits::CLOCK_SLEW - 1)).min(0),
        };
        Instant(clock.0.saturating_add(left))
    }

    /// The first instant of the partition's clock at which the wall clock has reached `wall`.
    #[must_use]
    pub fn reaches(&self, wall: Instant) -> Instant {
        // The wall clock never goes back between two steps, and is never further away than it was at the last one.
        let mut early = wall.0.saturating_sub(self.ahead.max(0));
        let mut late = wall.0.saturating_add(self.ahead.min(0).saturating_neg());
        while early < late {
            let middle = early + (late - early) / 2;
            if self.at(Instant(middle)) < wall {
                early = middle + 1;
            } else {
                late = middle;
            }
        }
        Instant(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn stepped(ahead: i64) -> Wall {
        let mut wall = Wall::default();
        wall.step(Instant(1_000), ahead);
        wall
    }

    #[test]
    fn a_step_is_caught_up_at_one_part_in_a_hundred() {
        let ahead = stepped(HOUR);
        assert_eq!(ahead.at(Instant(1_000)), Instant(1_000 + HOUR));
        assert_eq!(ahead.at(Instant(1_000 + 101)), Instant(1_000 + 101 + HOUR - 1));
        assert_eq!(ahead.at(Instant(1_000 + 101 * HOUR)), Instant(1_000 + 101 * HOUR));
        let behind = stepped(-HOUR);
        assert_eq!(behind.at(Instant(1_000 + 99)), Instant(1_000 + 99 - HOUR + 1));
        assert_eq!(behind.at(Instant(1_000 + 99 * HOUR)), Instant(1_000 + 99 * HOUR));
    }

    #[test]
    fn the_instant_at_which_it_is_reached_is_the_first_one() {
        for ahead in [0, 7, HOUR, -7, -HOUR] {
            let wall = stepped(ahead);
            for wanted in [1_000, 1_001, 5_000, 1_000 + HOUR / 3, 1_000 + 2 * HOUR, 1_000 + 200 * HOUR] {
                let at = wall.reaches(Instant(wanted));
                assert!(wall.at(at) >= Instant(wanted), "{ahead} {wanted}");
                assert!(wall.at(Instant(at.0 - 1)) < Instant(wanted), "{ahead} {wanted}");
            }
        }
    }
}
