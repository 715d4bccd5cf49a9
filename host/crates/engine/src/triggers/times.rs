//! What comes by the calendar: civil time or the sun.

use model::effect::Overdue;
use model::trigger::Kind;
use model::{Attributes, Instant, Span, limits};

use super::schedule::{Calendar, ScheduleError};
use super::sun::{self, Almanac, SunError};

const DAY: Span = Span::from_days(1);

/// Why a trigger never comes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimesError {
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Sun(#[from] SunError),
}

/// The instants of one trigger.
#[derive(Debug, Clone)]
pub(crate) enum Times {
    /// Boxed: a calendar is many times the size of an almanac.
    Civil(Box<Calendar>),
    Sun(Almanac),
}

impl Times {
    /// None for a trigger that does not come by itself.
    pub(crate) fn of(kind: &Kind) -> Result<Option<Self>, TimesError> {
        Ok(match kind {
            Kind::Schedule(schedule) => Some(Self::Civil(Box::new(Calendar::new(schedule)?))),
            Kind::Sun(sun) => Some(Self::Sun(Almanac::new(sun)?)),
            _ => None,
        })
    }

    /// The first instant after `after` at which it comes.
    pub(crate) fn next(&self, after: Instant) -> Option<Instant> {
        match self {
            Self::Civil(calendar) => calendar.next(after),
            Self::Sun(almanac) => almanac.next(after),
        }
    }

    /// The last instant up to `wall` at which it comes, and how many came before that, the first of them at `first`.
    pub(crate) fn last(&self, first: Instant, wall: Instant) -> (Instant, u32) {
        let (mut due, mut missed) = (first, 0_u32);
        while let Some(next) = self.next(due).filter(|next| *next <= wall) {
            if missed == limits::MISSED_EACH {
                let last = self.latest(next, wall);
                return (last, missed.saturating_add(self.count(due, last)));
            }
            due = next;
            missed += 1;
        }
        (due, missed)
    }

    /// The last instant up to `wall`, found by halving: it comes at `due`, and maybe often since.
    fn latest(&self, mut due: Instant, wall: Instant) -> Instant {
        // It does not come after this.
        let mut over = wall;
        while due < over {
            let middle = Instant(due.0 + (over.0 - due.0) / 2);
            match self.next(middle).filter(|next| *next <= wall) {
                Some(next) => due = next,
                None => over = middle,
            }
        }
        due
    }

    /// How often it comes after `after` up to and with `until`, by the calendar alone.
    fn count(&self, after: Instant, until: Instant) -> u32 {
        match self {
            Self::Civil(calendar) => calendar.count(after, until),
            // Each solar day has one.
            Self::Sun(_) => {
                let days = (until.since(after).0 + DAY.0 / 2) / DAY.0;
                u32::try_from(days).unwrap_or(u32::MAX)
            }
        }
    }

    /// What the rule learns beside the instant.
    pub(crate) fn attributes(&self, due: Instant) -> Attributes {
        match self {
            Self::Civil(_) => Attributes::new(),
            Self::Sun(almanac) => vec![sun::attribute(almanac.word(due))],
        }
    }
}

/// What happens to one that came due while the host was down.
pub(crate) fn overdue(kind: &Kind) -> Option<Overdue> {
    match kind {
        Kind::Schedule(schedule) => Some(schedule.overdue),
        Kind::Sun(sun) => Some(sun.overdue),
        _ => None,
    }
}
