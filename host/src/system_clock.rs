//! The only file that reads a clock.
//!
//! `received-at` runs on the boot-time clock from an anchor: it never goes back and never stands still. Towards the
//! wall clock it is slewed by at most one part in a hundred, so that a step of the wall clock neither fires a hold nor
//! freezes it. Only a host that started without a plausible time takes the wall clock as it is, once it has one.

use std::sync::{Mutex, PoisonError};

use model::{Instant, Span};
use rustix::time::{ClockId, clock_gettime};

/// Slewing: one microsecond in this many.
const SLEW: i64 = 100;
/// No build of this program is older: 2026-11-01. A wall clock before it was never set.
const BUILT: Instant = Instant(1_793_491_200_000_000);
/// A wall clock further ahead of what the store last saw is not believed.
const AHEAD_MAX: Span = Span::from_days(30);

/// The host's clock. Shared by everything that stamps.
pub(crate) struct SystemClock {
    state: Mutex<State>,
}

struct State {
    /// Boot time of the last reading.
    boot: i64,
    /// What was last given out.
    given: Instant,
}

/// What there is to say about the clock at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Fine,
    /// The wall clock stands before the program was built.
    NeverSet,
    /// The wall clock is this much ahead of the store's last record.
    FarAhead(Span),
}

impl SystemClock {
    /// A clock that goes on from `last`, the newest instant that the store holds.
    pub(crate) fn starting_after(last: Instant) -> (Self, Trust) {
        let wall = wall();
        let known = last > Instant(0);
        let trust = if wall < BUILT {
            Trust::NeverSet
        } else if known && wall > last + AHEAD_MAX {
            Trust::FarAhead(wall.since(last))
        } else {
            Trust::Fine
        };
        let given = wall.max(last);
        (Self { state: Mutex::new(State { boot: boot(), given }) }, trust)
    }

    /// The instant now; each call gives a later one.
    pub(crate) fn now(&self) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let boot = boot();
        let elapsed = (boot - state.boot).max(0);
        let steady = Instant(state.given.0.saturating_add(elapsed));
        state.given = follow(steady, elapsed, wall()).max(Instant(state.given.0 + 1));
        state.boot = boot;
        state.given
    }
}

/// Moves a steady clock towards the wall clock by at most a hundredth of the time that passed.
fn follow(steady: Instant, elapsed: i64, wall: Instant) -> Instant {
    if steady < BUILT && wall >= BUILT {
        return wall;
    }
    let most = elapsed / SLEW;
    Instant(steady.0 + (wall - steady).clamp(-most, most))
}

/// The wall clock, as it stands.
pub(crate) fn wall() -> Instant {
    micros(ClockId::Realtime)
}

/// Microseconds since boot, suspended time included: for durations of work.
pub(crate) fn boot() -> i64 {
    micros(ClockId::Boottime).0
}

fn micros(clock: ClockId) -> Instant {
    let time = clock_gettime(clock);
    Instant(time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Instant = Instant(BUILT.0 + 1_000_000_000);

    #[test]
    fn a_step_of_the_wall_clock_is_followed_by_one_part_in_a_hundred() {
        let hour = Span::from_hours(1);
        let second = 1_000_000;
        assert_eq!(follow(NOON, second, NOON.before(hour)), Instant(NOON.0 - second / 100));
        assert_eq!(follow(NOON, second, NOON + hour), Instant(NOON.0 + second / 100));
        assert_eq!(follow(NOON, second, NOON + Span(5)), NOON + Span(5));
    }

    #[test]
    fn a_clock_that_was_never_set_takes_the_first_plausible_time() {
        assert_eq!(follow(Instant(1_000_000), 1_000_000, NOON), NOON);
    }

    #[test]
    fn every_reading_is_later_than_the_one_before() {
        let (clock, _) = SystemClock::starting_after(Instant(0));
        let mut last = clock.now();
        for _ in 0..1_000 {
            let now = clock.now();
            assert!(now > last);
            last = now;
        }
    }

    #[test]
    fn a_store_from_the_future_is_gone_on_from() {
        let future = wall() + Span::from_days(3_650);
        let (clock, trust) = SystemClock::starting_after(future);
        assert!(clock.now() > future);
        assert_eq!(trust, Trust::Fine);
        let (_, trust) = SystemClock::starting_after(wall().before(Span::from_days(31)));
        assert!(matches!(trust, Trust::FarAhead(_)));
    }
}
