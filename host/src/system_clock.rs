//! The only file that reads a clock.
//!
//! `received-at` runs on the boot-time clock from an anchor: it never goes back and never stands still. Towards the
//! wall clock it is slewed by at most one part in a hundred, so that a step of the wall clock neither fires a hold nor
//! freezes it. A wall clock that cannot be right is not followed at all; what it says is taken as it is once it can be
//! right, or once the operator says that it is.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use model::limits::{CLOCK_AHEAD, CLOCK_SLEW};
use model::{Instant, Span};
use rustix::time::{ClockId, clock_gettime};

/// No build of this program is older: 2026-11-01. A wall clock before it was never set.
const BUILT: Instant = Instant(1_793_491_200_000_000);

/// What the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    pub wall: Instant,
    /// Microseconds since boot, suspended time included.
    pub boot: i64,
}

/// Asked for each instant; a simulation gives its own.
pub type Source = Box<dyn Fn() -> Clocks + Send + Sync>;

/// The host's clock. Shared by everything that stamps.
pub struct SystemClock {
    source: Source,
    state: Mutex<State>,
}

struct State {
    /// Boot time of the last reading.
    boot: i64,
    /// What was last given out.
    given: Instant,
    /// Microseconds that passed and have not been slewed by.
    rest: i64,
    /// What was given out rests on a wall clock that could be right, in this run.
    anchored: bool,
    /// The store holds records, or we are anchored: there is something to be ahead of.
    known: bool,
    /// Nothing that a clock decides may happen.
    held: bool,
}

/// What there is to say about the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    Fine,
    /// It stands before the program was built.
    NeverSet,
    /// It is this much ahead of what the host knows.
    FarAhead(Span),
}

/// How the clocks stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub now: Instant,
    pub wall: Instant,
    pub trust: Trust,
    /// Timers and schedules wait for a clock that is believed.
    pub held: bool,
}

impl SystemClock {
    /// A clock that goes on from `last`, the newest instant that the store holds.
    #[must_use]
    pub fn starting_after(last: Instant) -> Self {
        Self::over(Box::new(|| Clocks { wall: wall(), boot: boot() }), last)
    }

    /// [`SystemClock::starting_after`] over other clocks than the system's.
    #[must_use]
    pub fn over(source: Source, last: Instant) -> Self {
        let state = Mutex::new(State::starting(last, source()));
        Self { source, state }
    }

    /// The instant now; each call gives a later one.
    pub fn now(&self) -> Instant {
        self.lock().advance((self.source)())
    }

    /// How the clocks stand now.
    pub fn standing(&self) -> Standing {
        self.lock().standing((self.source)())
    }

    /// Takes a wall clock that has become possible as it is. The instant right before, where it has just happened.
    pub fn settle(&self) -> Option<Instant> {
        self.lock().settle((self.source)())
    }

    /// The operator says that the wall clock is right, or that timers may go on without one. The instant right before;
    /// none where it is believed already.
    pub fn accept(&self) -> Option<Instant> {
        self.lock().accept((self.source)())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn starting(last: Instant, clocks: Clocks) -> Self {
        let Clocks { wall, boot } = clocks;
        let known = last > Instant(0);
        // Where the last record is older than the program, the time of its build is the better knowledge.
        let least = last.max(BUILT);
        let anchored = judge(wall, least, known) == Trust::Fine;
        let given = if anchored { wall.max(last) } else { least };
        Self { boot, given, rest: 0, anchored, known: known || anchored, held: !anchored }
    }

    fn standing(&mut self, clocks: Clocks) -> Standing {
        let (now, wall) = (self.advance(clocks), clocks.wall);
        Standing { now, wall, trust: judge(wall, now, self.known), held: self.held }
    }

    fn settle(&mut self, clocks: Clocks) -> Option<Instant> {
        if self.anchored {
            return None;
        }
        let (before, wall) = (self.advance(clocks), clocks.wall);
        (judge(wall, before, self.known) == Trust::Fine).then(|| self.anchor(wall, before))
    }

    fn accept(&mut self, clocks: Clocks) -> Option<Instant> {
        let (before, wall) = (self.advance(clocks), clocks.wall);
        match judge(wall, before, self.known) {
            Trust::Fine if self.anchored => None,
            Trust::Fine | Trust::FarAhead(_) => Some(self.anchor(wall, before)),
            Trust::NeverSet => std::mem::take(&mut self.held).then_some(before),
        }
    }

    fn advance(&mut self, clocks: Clocks) -> Instant {
        let Clocks { wall, boot } = clocks;
        let elapsed = (boot - self.boot).max(0);
        self.boot = boot;
        let mut next = Instant(self.given.0.saturating_add(elapsed));
        if self.anchored && judge(wall, next, true) == Trust::Fine {
            // What a short wait is too short for counts later: the rate does not depend on how often we are asked.
            let passed = self.rest.saturating_add(elapsed);
            next = follow(next, passed / CLOCK_SLEW, wall);
            self.rest = passed % CLOCK_SLEW;
        }
        self.given = next.max(Instant(self.given.0 + 1));
        self.given
    }

    fn anchor(&mut self, wall: Instant, before: Instant) -> Instant {
        self.given = before.max(wall);
        (self.anchored, self.known, self.held, self.rest) = (true, true, false, 0);
        before
    }
}

fn judge(wall: Instant, now: Instant, known: bool) -> Trust {
    if wall < BUILT {
        Trust::NeverSet
    } else if known && wall > now + CLOCK_AHEAD {
        Trust::FarAhead(wall.since(now))
    } else {
        Trust::Fine
    }
}

/// Moves a steady clock towards the wall clock by at most `most` microseconds.
fn follow(steady: Instant, most: i64, wall: Instant) -> Instant {
    Instant(steady.0 + (wall - steady).clamp(-most, most))
}

impl Standing {
    /// The wall clock as far as the host goes by it.
    #[must_use]
    pub fn believed(&self) -> Instant {
        if self.held || self.trust != Trust::Fine { self.now } else { self.wall }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = whole_seconds(self.wall);
        match self.trust {
            Trust::Fine => return write!(f, "{}", whole_seconds(self.now)),
            Trust::NeverSet => write!(f, "the system clock stands at {wall}, before this program was built")?,
            Trust::FarAhead(by) => {
                let by = Span(by.0 - by.0 % 1_000_000);
                write!(f, "the system clock stands at {wall}, {by} ahead of what the host knows")?;
            }
        }
        f.write_str(match (self.held, self.trust) {
            (true, Trust::NeverSet) => {
                ": timers and schedules wait until it is set, or until `pointsman doctor --accept-clock`"
            }
            (true, _) => {
                ": timers and schedules wait until it is set right, or until `pointsman doctor --accept-clock`"
            }
            (false, _) => ": the host goes on by its own clock and does not follow it",
        })
    }
}

fn whole_seconds(at: Instant) -> Instant {
    Instant(at.0 - at.0.rem_euclid(1_000_000))
}

/// The wall clock, as it stands: through the C library, as every other program of the machine sees it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads clocks")]
pub fn wall() -> Instant {
    let micros = |span: std::time::Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Instant(micros(since)),
        Err(error) => Instant(-micros(error.duration())),
    }
}

/// Microseconds since boot, suspended time included: for durations of work.
#[must_use]
pub fn boot() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Instant = Instant(BUILT.0 + 1_000_000_000);
    const HOUR: Span = Span::from_hours(1);

    /// This wall clock, by the boot clock as it stands.
    fn at(wall: Instant) -> Clocks {
        Clocks { wall, boot: boot() }
    }

    /// A clock whose last reading was a moment ago by a boot clock that cannot have moved far since.
    fn state(given: Instant, anchored: bool) -> State {
        State { boot: boot(), given, rest: 0, anchored, known: true, held: !anchored }
    }

    #[test]
    fn a_step_of_the_wall_clock_is_followed_by_a_bounded_step() {
        assert_eq!(follow(NOON, 10, NOON.before(HOUR)), Instant(NOON.0 - 10));
        assert_eq!(follow(NOON, 10, NOON + HOUR), Instant(NOON.0 + 10));
        assert_eq!(follow(NOON, 10, NOON + Span(5)), NOON + Span(5));
    }

    #[test]
    fn the_rate_does_not_depend_on_how_often_the_clock_is_asked() {
        let mut state = state(NOON, true);
        let began = state.boot;
        while state.boot - began < 100_000 {
            state.advance(at(NOON + HOUR));
        }
        // Each call gives at least a microsecond more, so that a clock asked far too often may even be ahead.
        let (passed, given) = (state.boot - began, state.given - NOON);
        assert!(given >= passed + passed / CLOCK_SLEW - 1, "{given} in {passed}");
    }

    #[test]
    fn a_wall_clock_that_cannot_be_right_is_not_followed() {
        for wall in [BUILT.before(Span(1)), NOON + CLOCK_AHEAD + HOUR] {
            let mut state = state(NOON, true);
            let began = state.boot;
            let given = state.advance(at(wall));
            assert!(given - NOON <= (state.boot - began).max(1), "{given}");
        }
    }

    #[test]
    fn thirty_days_ahead_are_believed_and_a_microsecond_more_is_not() {
        assert_eq!(judge(NOON + CLOCK_AHEAD, NOON, true), Trust::Fine);
        let more = CLOCK_AHEAD.0 + 1;
        assert_eq!(judge(NOON + Span(more), NOON, true), Trust::FarAhead(Span(more)));
        assert_eq!(judge(NOON + Span(more), NOON, false), Trust::Fine, "nothing is known to be ahead of");
        assert_eq!(judge(BUILT, NOON, true), Trust::Fine);
        assert_eq!(judge(BUILT.before(Span(1)), NOON, true), Trust::NeverSet);
    }

    #[test]
    fn every_reading_is_later_than_the_one_before() {
        let clock = SystemClock::starting_after(Instant(0));
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
        let clock = SystemClock::starting_after(future);
        assert!(clock.now() > future);
        assert!(!clock.standing().held);
    }

    #[test]
    fn a_clock_far_ahead_of_the_store_is_held_until_it_is_accepted() {
        let wall = NOON + Span::from_days(31);
        let mut state = State::starting(NOON, at(wall));
        let standing = state.standing(at(wall));
        assert!(standing.held && matches!(standing.trust, Trust::FarAhead(_)));
        assert!(standing.now < NOON + HOUR && standing.believed() == standing.now);
        assert!(state.settle(at(wall)).is_none(), "it does not become right by itself");
        let before = state.accept(at(wall)).expect("something to accept");
        assert!(before < NOON + HOUR && state.advance(at(wall)) >= wall);
        assert!(state.accept(at(wall)).is_none() && !state.standing(at(wall)).held);
    }

    #[test]
    fn a_clock_that_was_never_set_goes_on_from_what_is_known_and_jumps_once_it_is_set() {
        for (last, least) in [(Instant(0), BUILT), (Instant(5), BUILT), (NOON, NOON)] {
            let mut state = State::starting(last, at(Instant(60_000_000)));
            let standing = state.standing(at(Instant(60_000_000)));
            assert!(standing.held && standing.trust == Trust::NeverSet && standing.now < least + HOUR, "{last}");
            assert!(state.settle(at(Instant(61_000_000))).is_none());
            let set = NOON + Span::from_days(3);
            assert!(state.settle(at(set)).is_some() && state.advance(at(set)) >= set && !state.standing(at(set)).held);
        }
        let mut state = State::starting(NOON, at(Instant(60_000_000)));
        assert!(state.accept(at(Instant(60_000_000))).is_some(), "timers may go on without a right time");
        assert!(!state.held && state.advance(at(Instant(60_000_000))) < NOON + HOUR);
        let set = NOON + Span::from_days(3);
        assert!(
            state.settle(at(set)).is_some() && state.advance(at(set)) >= set,
            "and time still jumps once it is set"
        );
    }
}
