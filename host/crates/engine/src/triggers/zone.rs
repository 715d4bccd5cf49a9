//! `zone`: a device is in an area. It has entered when it has been inside for the dwell, by its own time, and left when
//! a fix is outside by more than the margin. A place holds until the next fix: trackers sleep where they stand.

use model::event::Quality;
use model::trigger::Zone;
use model::value::Position;
use model::{Instant, Phase, Span, Value};
use serde::{Deserialize, Serialize};

use super::fence::Fence;
use super::{Transition, Transitions};
use crate::twin::Twin;

/// A stay in an area.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// The first fix inside.
    pub since: Instant,
    /// Whether the dwell is over and the rule was told.
    pub entered: bool,
}

/// When the device has entered, if nothing else comes.
pub(crate) fn deadline(visit: Option<&Visit>, zone: &Zone) -> Option<Instant> {
    visit.filter(|visit| !visit.entered).map(|visit| visit.since + zone.dwell)
}

/// Decides the dwell up to and including `to`. Returns whether the state changed.
pub(crate) fn advance(visit: &mut Option<Visit>, zone: &Zone, to: Instant, told: &mut Transitions) -> bool {
    let Some(at) = deadline(visit.as_ref(), zone).filter(|at| *at <= to) else { return false };
    let Some(visit) = visit else { return false };
    visit.entered = true;
    let deadline = (zone.dwell > Span::ZERO).then_some(at);
    told.push(Transition::new(Phase::Began, at, visit.since, deadline));
    true
}

/// Takes the fix that the twin holds. Returns whether the state changed.
pub(crate) fn evaluate(
    visit: &mut Option<Visit>,
    (zone, fence): (&Zone, &Fence),
    twin: Option<&Twin>,
    at: Instant,
    may_begin: bool,
    told: &mut Transitions,
) -> bool {
    let Some(position) = twin.and_then(|twin| fix(zone, twin)) else { return false };
    match visit {
        None if may_begin && fence.holds(&position, 0.0) => {
            *visit = Some(Visit { since: at, entered: false });
            advance(visit, zone, at, told);
            true
        }
        Some(stay) if !fence.holds(&position, zone.margin) => {
            if stay.entered {
                told.push(Transition::new(Phase::Ended, at, stay.since, None));
            }
            *visit = None;
            true
        }
        _ => false,
    }
}

/// The last fix, where it is good enough to go by.
fn fix(zone: &Zone, twin: &Twin) -> Option<Position> {
    let held = twin.get(zone.capability).filter(|held| held.quality != Quality::Bad)?;
    let Some(Value::Position(position)) = held.value else { return None };
    let too_far_off = zone.accuracy_max.zip(position.accuracy).is_some_and(|(most, accuracy)| accuracy > most);
    (!too_far_off).then_some(position)
}
