//! Quarantine: what is held against a key of a deployment, and against a deployment in one partition.
//!
//! Pure state. Who is held waits for its probe: the first waiting event, tried after a back-off that doubles.

use std::collections::BTreeMap;

use model::{Id, Instant, Name, limits};
use serde::{Deserialize, Serialize};

use crate::clock::doubling;

/// Why and until when somebody is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub since: Instant,
    /// Kebab-case code: `traps`, `dead-letters`, `quarantined-keys`, `configuration`, `over-budget`.
    pub reason: Name,
    /// The first waiting event is tried at this instant.
    pub probe_at: Instant,
    /// Of the package and settings that failed: others are tried at once.
    pub against: u64,
}

/// A hold, and how often there was one without a good time between.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    pub hold: Option<Hold>,
    pub tries: u32,
    pub released_at: Option<Instant>,
}

/// What is held against one key of a deployment. A row of [`store::Table::Quarantine`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStanding {
    pub sentence: Sentence,
    /// Calls in a row that the host had to stop.
    pub stops: u32,
    /// When the last dead letters were written, the oldest first.
    pub letters: Vec<Instant>,
}

/// What is held against a deployment in one partition. A row of [`store::Table::Quarantine`] with an empty key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStanding {
    pub sentence: Sentence,
    /// Its steps wait because it has used up its share of the engine.
    pub throttled: bool,
    /// Since when it has had steps waiting for that.
    pub over_since: Option<Instant>,
}

impl Sentence {
    /// Holds, or holds again after a probe that failed: each time twice as long, with up to a quarter more by `id`.
    pub(crate) fn hold(&mut self, now: Instant, reason: Name, id: Id, against: u64) -> Instant {
        if self.is_served(now) {
            self.tries = 0;
        }
        self.tries = self.tries.saturating_add(1);
        let since = self.hold.as_ref().map_or(now, |hold| hold.since);
        let probe_at = now + doubling(self.tries, (limits::PROBE_FIRST, limits::PROBE_LONGEST), id);
        self.hold = Some(Hold { since, reason, probe_at, against });
        self.released_at = None;
        probe_at
    }

    /// Ends the hold. The back-off is remembered for as long as the longest one: who fails again at once waits longer.
    pub(crate) fn release(&mut self, now: Instant) {
        self.hold = None;
        self.released_at = Some(now);
    }

    /// Whether nothing of it has to be remembered.
    pub(crate) fn is_served(&self, now: Instant) -> bool {
        self.hold.is_none() && self.released_at.is_none_or(|at| at + limits::PROBE_LONGEST <= now)
    }
}

impl KeyStanding {
    /// A step failed for good. Returns why the key must be held, where it must.
    pub(crate) fn fail(&mut self, now: Instant, stopped: bool) -> Option<&'static str> {
        self.stops = if stopped { self.stops + 1 } else { 0 };
        self.letters.push(now);
        let old = now.before(limits::QUARANTINE_WITHIN);
        self.letters.retain(|at| *at > old);
        let kept = self.letters.len().saturating_sub(limits::QUARANTINE_LETTERS);
        self.letters.drain(..kept);
        if self.stops >= limits::QUARANTINE_STOPS {
            return Some("traps");
        }
        (self.letters.len() >= limits::QUARANTINE_LETTERS).then_some("dead-letters")
    }

    /// A step succeeded.
    pub(crate) fn succeed(&mut self, now: Instant) {
        self.stops = 0;
        self.letters.clear();
        if self.sentence.hold.is_some() {
            self.sentence.release(now);
        }
    }

    pub(crate) fn is_clean(&self, now: Instant) -> bool {
        self.stops == 0 && self.letters.is_empty() && self.sentence.is_served(now)
    }
}

impl DeploymentStanding {
    pub(crate) fn is_clean(&self, now: Instant) -> bool {
        !self.throttled && self.over_since.is_none() && self.sentence.is_served(now)
    }
}

/// All that is held against anybody in one partition; empty as long as nothing fails.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    pub(crate) keys: BTreeMap<(Name, Name), KeyStanding>,
    pub(crate) deployments: BTreeMap<Name, DeploymentStanding>,
}

impl Standings {
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.deployments.is_empty()
    }

    pub(crate) fn of_key(&self, deployment: &Name, key: &Name) -> Option<&Hold> {
        self.keys.get(&(deployment.clone(), key.clone()))?.sentence.hold.as_ref()
    }

    pub(crate) fn of(&self, deployment: &Name) -> Option<&Hold> {
        self.deployments.get(deployment)?.sentence.hold.as_ref()
    }

    pub(crate) fn is_throttled(&self, deployment: &Name) -> bool {
        self.deployments.get(deployment).is_some_and(|standing| standing.throttled)
    }

    /// Keys of a deployment that were quarantined within the time that stops it.
    pub(crate) fn held_keys(&self, deployment: &Name, now: Instant) -> usize {
        let old = now.before(limits::QUARANTINE_WITHIN);
        let from = (deployment.clone(), Name::from(""));
        let own = self.keys.range(from..).take_while(|((name, _), _)| name == deployment);
        own.filter(|(_, standing)| standing.sentence.hold.as_ref().is_some_and(|hold| hold.since > old)).count()
    }
}

#[cfg(test)]
mod tests {
    use model::Span;

    use super::*;

    fn second(n: i64) -> Instant {
        Instant(1_000_000 * n)
    }

    #[test]
    fn three_stopped_calls_in_a_row_hold_a_key_and_a_success_between_starts_anew() {
        let mut standing = KeyStanding::default();
        for at in [0, 100, 300] {
            assert_eq!(standing.fail(second(at), true).is_some(), at == 300);
        }
        let mut standing = KeyStanding::default();
        standing.fail(second(0), true);
        standing.fail(second(100), true);
        standing.succeed(second(150));
        assert_eq!(standing.fail(second(200), true), None);
        assert_eq!(standing.fail(second(300), true), None);
        assert_eq!(standing.fail(second(400), true), Some("traps"));
    }

    #[test]
    fn five_dead_letters_within_a_minute_hold_a_key_and_the_sixth_second_too_late_does_not() {
        let mut standing = KeyStanding::default();
        let outcomes = [0, 15, 30, 45].map(|at| standing.fail(second(at), false));
        assert_eq!(outcomes, [None; 4]);
        assert_eq!(standing.clone().fail(second(59), false), Some("dead-letters"));
        assert_eq!(standing.fail(second(60), false), None, "the first is a minute old");
    }

    #[test]
    fn probes_wait_twice_as_long_each_time_up_to_the_longest() {
        let mut sentence = Sentence::default();
        let id = Id::of(&[b"x"]);
        let mut now = second(0);
        let mut waits = Vec::new();
        for _ in 0..14 {
            let at = sentence.hold(now, "traps".into(), id, 0);
            waits.push(at.since(now));
            now = at;
        }
        assert!(waits[0] >= Span::from_secs(1) && waits[0].0 <= 1_250_000, "{waits:?}");
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        assert!(waits[13] >= Span::from_mins(10) && waits[13].0 <= 750_000_000, "{waits:?}");
        assert_eq!(sentence.hold.as_ref().expect("held").since, second(0), "it is one quarantine");
    }

    #[test]
    fn who_fails_again_soon_after_a_release_waits_longer_and_later_starts_anew() {
        let mut sentence = Sentence::default();
        let id = Id::of(&[b"x"]);
        sentence.hold(second(0), "traps".into(), id, 0);
        sentence.hold(second(2), "traps".into(), id, 0);
        sentence.release(second(10));
        assert!(!sentence.is_served(second(609)));
        assert!(sentence.is_served(second(610)));
        let again = sentence.clone().hold(second(20), "traps".into(), id, 0);
        assert!(again.since(second(20)) >= Span::from_secs(4));
    }
}
