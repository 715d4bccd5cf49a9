//! Three-valued truth of a predicate over twins: a value that is missing, bad or stale makes it unknown.

use model::event::Quality;
use model::{Instant, Span};

use super::Twins;
use crate::bindings::Bound;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

/// The truth of `predicate`; with `stale`, a value that was reported longer than that before the instant is unknown.
pub(crate) fn truth(predicate: Option<&Bound>, twins: &Twins, stale: Option<(Instant, Span)>) -> Truth {
    match predicate {
        None | Some(Bound::Unbound) => Truth::Unknown,
        Some(Bound::Test { device, capability, test }) => {
            let Some(held) = twins.get(device).and_then(|twin| twin.get(*capability)) else { return Truth::Unknown };
            let Some(value) = held.value.as_ref().filter(|_| held.quality != Quality::Bad) else {
                return Truth::Unknown;
            };
            match stale {
                Some((at, stale)) if held.reported + stale < at => Truth::Unknown,
                _ if test.passes(value) => Truth::True,
                _ => Truth::False,
            }
        }
        Some(Bound::All(parts)) => {
            let mut all = Truth::True;
            for part in parts {
                match truth(Some(part), twins, stale) {
                    Truth::False => return Truth::False,
                    Truth::Unknown => all = Truth::Unknown,
                    Truth::True => {}
                }
            }
            all
        }
        Some(Bound::Any(parts)) => {
            let mut any = Truth::False;
            for part in parts {
                match truth(Some(part), twins, stale) {
                    Truth::True => return Truth::True,
                    Truth::Unknown => any = Truth::Unknown,
                    Truth::False => {}
                }
            }
            any
        }
    }
}
