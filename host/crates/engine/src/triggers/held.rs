//! `held`: a predicate has been true for a time. A run fires once, at its start plus the time; unknown time counts,
//! pauses or ends it, as the trigger says.

use model::trigger::{Gap, Kind};
use model::{Instant, Phase, Span};
use serde::{Deserialize, Serialize};

use super::truth::Truth;
use super::{OUTAGE, Transition, Transitions, Twins};
use crate::bindings::Bound;

/// Where a `held` trigger stands, in event time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum Held {
    #[default]
    Idle,
    Running(Run),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub since: Instant,
    /// Unknown time that does not count.
    pub paused: Span,
    /// Since when the predicate is unknown.
    pub unknown: Option<Instant>,
    pub fired: bool,
}

/// What the twins say about when the predicate becomes unknown by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// The first instant at which it is unknown, and since when it then is.
    lapse: Option<(Instant, Instant)>,
}

/// What comes next in a run; at one instant in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Deadline,
    Lapse(Instant),
    GapEnd,
}

impl Facts {
    pub(crate) fn of(predicate: Option<&Bound>, twins: &Twins, stale: Option<Span>) -> Self {
        let mut lapse = None;
        if let Some(predicate) = predicate {
            collect(predicate, twins, stale, &mut lapse);
        }
        Self { lapse }
    }
}

fn collect(predicate: &Bound, twins: &Twins, stale: Option<Span>, lapse: &mut Option<(Instant, Instant)>) {
    let mut earliest = |at: Instant, from: Instant| {
        if lapse.is_none_or(|(known, _)| at < known) {
            *lapse = Some((at, from));
        }
    };
    match predicate {
        Bound::Test { device, capability, .. } => {
            let Some(twin) = twins.get(device) else { return };
            if let (Some(stale), Some(held)) = (stale, twin.get(*capability)) {
                // A reading that comes exactly when the last one goes stale comes in time.
                let last = held.reported + stale;
                earliest(last + Span(1), last);
            }
            if let Some(gone) = super::gone_since(twin) {
                earliest(gone + OUTAGE, gone);
            }
        }
        Bound::All(parts) | Bound::Any(parts) => parts.iter().for_each(|part| collect(part, twins, stale, lapse)),
        Bound::Unbound => {}
    }
}

impl Held {
    /// The next instant at which something happens by itself.
    pub(crate) fn next(&self, kind: &Kind, facts: &Facts) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Running(run) => run.next(kind, facts).map(|(at, _)| at),
        }
    }

    /// Lets everything up to and including `to` happen. Returns whether the state changed.
    pub(crate) fn advance(&mut self, kind: &Kind, facts: &Facts, to: Instant, told: &mut Transitions) -> bool {
        let Kind::Held { gap, .. } = kind else { return false };
        let mut changed = false;
        while let Self::Running(run) = self {
            let Some((at, next)) = run.next(kind, facts).filter(|(at, _)| *at <= to) else { break };
            changed = true;
            match next {
                Next::Deadline => {
                    run.fired = true;
                    told.push(Transition::new(Phase::Began, at, run.since, Some(at)));
                }
                Next::Lapse(from) if *gap != Gap::Reset => run.unknown = Some(from.max(run.since)),
                Next::Lapse(_) | Next::GapEnd => self.lose(at, told),
            }
        }
        changed
    }

    /// Takes the predicate's truth at `at`. Returns whether the state changed.
    pub(crate) fn evaluate(
        &mut self,
        kind: &Kind,
        truth: Truth,
        at: Instant,
        may_begin: bool,
        told: &mut Transitions,
    ) -> bool {
        let Kind::Held { gap, keep, .. } = kind else { return false };
        match (&mut *self, truth) {
            (Self::Idle, Truth::True) if may_begin => {
                *self = Self::Running(Run { since: at, paused: Span::ZERO, unknown: None, fired: false });
                true
            }
            (Self::Idle, _) => false,
            (Self::Running(_), Truth::False) => {
                self.end(at, told);
                true
            }
            (Self::Running(run), Truth::True) => {
                let Some(unknown) = run.unknown.take() else { return false };
                if *gap == Gap::Pause {
                    run.paused = Span(run.paused.0 + at.since(unknown).0);
                }
                if *keep && run.fired {
                    told.push(Transition::new(Phase::Began, at, run.since, None));
                }
                true
            }
            (Self::Running(run), Truth::Unknown) => {
                if run.unknown.is_some() {
                    return false;
                }
                if *gap == Gap::Reset {
                    self.lose(at, told);
                } else {
                    run.unknown = Some(at);
                }
                true
            }
        }
    }

    /// The host was down from `from` on: that time is unknown.
    pub(crate) fn interrupt(&mut self, kind: &Kind, from: Instant, told: &mut Transitions) -> bool {
        let Kind::Held { gap, .. } = kind else { return false };
        let Self::Running(run) = self else { return false };
        if run.unknown.is_some() {
            return false;
        }
        if *gap == Gap::Reset {
            self.lose(from, told);
        } else {
            run.unknown = Some(from.max(run.since));
        }
        true
    }

    /// It was seen to end.
    fn end(&mut self, at: Instant, told: &mut Transitions) {
        told.extend(self.close(at));
    }

    /// Nobody knows whether it still holds.
    fn lose(&mut self, at: Instant, told: &mut Transitions) {
        told.extend(self.close(at).map(Transition::unknown));
    }

    fn close(&mut self, at: Instant) -> Option<Transition> {
        let Self::Running(run) = std::mem::take(self) else { return None };
        run.fired.then(|| Transition::new(Phase::Ended, at, run.since, None))
    }
}

impl Run {
    fn next(&self, kind: &Kind, facts: &Facts) -> Option<(Instant, Next)> {
        let Kind::Held { duration, gap, gap_max, .. } = kind else { return None };
        let counting = self.unknown.is_none() || *gap == Gap::Continue;
        let deadline =
            (!self.fired && counting).then(|| (self.since + Span(duration.0 + self.paused.0), Next::Deadline));
        let lapse = match self.unknown {
            None => facts.lapse.map(|(at, from)| (at, Next::Lapse(from))),
            Some(_) => None,
        };
        let gap_end = match (self.unknown, gap) {
            (Some(unknown), Gap::Continue) => Some((unknown + *gap_max, Next::GapEnd)),
            _ => None,
        };
        [deadline, lapse, gap_end].into_iter().flatten().min()
    }
}
