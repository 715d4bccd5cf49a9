//! Hysteresis: two limits instead of one, so that a value at the limit does not flap.

use crate::context::Context;
use crate::slot::{Problem, Slot};

/// A band that is entered at one limit and left at another. For readings of a device the trigger `threshold` with
/// `clear` does the same in the host; this is for values that the rule computes.
#[derive(Debug, Clone)]
pub struct Hysteresis {
    name: String,
    enter: f64,
    leave: f64,
}

/// What a new value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Entered,
    Left,
}

impl Hysteresis {
    /// With `enter` above `leave` the band lies above, else below. `name` names the state, unique in the rule.
    #[must_use]
    pub fn new(name: impl Into<String>, enter: f64, leave: f64) -> Self {
        Self { name: name.into(), enter, leave }
    }

    /// Takes a value; says whether it entered or left the band. At the limit itself it enters, and stays in.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn update<S>(&self, ctx: &Context<'_, S>, value: f64) -> Result<Option<Edge>, Problem> {
        let above = self.enter >= self.leave;
        let enters = if above { value >= self.enter } else { value <= self.enter };
        let leaves = if above { value < self.leave } else { value > self.leave };
        match self.inside(ctx)? {
            false if enters => {
                self.slot().set(ctx, &true)?;
                Ok(Some(Edge::Entered))
            }
            true if leaves => {
                self.slot().set(ctx, &false)?;
                Ok(Some(Edge::Left))
            }
            _ => Ok(None),
        }
    }

    /// Whether the last value was inside.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn inside<S>(&self, ctx: &Context<'_, S>) -> Result<bool, Problem> {
        self.slot().get_or(ctx, false)
    }

    fn slot(&self) -> Slot<bool> {
        Slot::named(format!("{}/inside", self.name))
    }
}
