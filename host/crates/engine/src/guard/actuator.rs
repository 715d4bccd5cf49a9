//! The gates at the actuator, in its home partition: `precondition`, then `priority`.
//!
//! The priority array does not exist yet: a command that asks for a slot in it (a priority, a hold, a relinquishment)
//! is refused, since keeping it would be a promise that nothing keeps. An operator who declares interlocks is refused
//! at start for the same reason.

use model::device::Device;
use model::effect::{Check, Command, Comparison};
use model::{Capability, Instant, Value};

use super::Answer;
use crate::twin::Twin;

pub(crate) fn precondition(
    device: &Device,
    twin: Option<&Twin>,
    action: &str,
    only_if: &[Check],
    expires_at: Option<Instant>,
    now: Instant,
) -> Answer {
    if device.action(action).is_none() {
        return Err("no-such-action");
    }
    if expires_at.is_some_and(|at| at <= now) {
        return Err("expired");
    }
    if preconditions_hold(only_if, twin) { Ok(()) } else { Err("precondition") }
}

/// Whether all conditions hold at a twin. Asked when an effect is decided and again before it is sent.
#[must_use]
pub fn preconditions_hold(only_if: &[Check], twin: Option<&Twin>) -> bool {
    only_if.iter().all(|check| holds(check, twin))
}

pub(crate) fn priority(command: &Command) -> Answer {
    if command.priority.is_some() || command.hold.is_some() { Err("no-priority-array") } else { Ok(()) }
}

/// A value that is not known holds no condition.
fn holds(check: &Check, twin: Option<&Twin>) -> bool {
    let known = Capability::known(&check.capability)
        .and_then(|capability| twin?.get(capability))
        .and_then(|held| held.value.as_ref());
    let Some(value) = known else { return false };
    compare(value, check.comparison, &check.value)
}

fn compare(value: &Value, comparison: Comparison, wanted: &Value) -> bool {
    match comparison {
        Comparison::Equal => value.same(wanted),
        Comparison::NotEqual => !value.same(wanted),
        Comparison::Less | Comparison::AtMost | Comparison::Greater | Comparison::AtLeast => {
            let (Some(value), Some(wanted)) = (value.as_f64(), wanted.as_f64()) else { return false };
            match comparison {
                Comparison::Less => value < wanted,
                Comparison::AtMost => value <= wanted,
                Comparison::Greater => value > wanted,
                _ => value >= wanted,
            }
        }
    }
}
