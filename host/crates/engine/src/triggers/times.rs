//! What comes by the calendar: civil time or the sun.

use model::effect::Overdue;
use model::trigger::Kind;
use model::{Attributes, Instant};

use super::schedule::{Calendar, ScheduleError};
use super::sun::{self, Almanac, SunError};

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
