//! Cool-down: lets something happen at most once in a while.

use crate::context::Context;
use crate::slot::{Problem, Slot};
use crate::time::{Instant, Span};

/// Says yes at most once in `span`. It counts what the rule proposes; caps on what people receive are the host's.
#[derive(Debug, Clone)]
pub struct CoolDown {
    name: String,
    span: Span,
}

impl CoolDown {
    /// `name` names the state, so it is unique in the rule; one that holds a device's name cools that device alone.
    #[must_use]
    pub fn new(name: impl Into<String>, span: Span) -> Self {
        Self { name: name.into(), span }
    }

    /// Whether it may happen now. A yes starts the next cool-down.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn ready<S>(&self, ctx: &Context<'_, S>) -> Result<bool, Problem> {
        let until = self.slot().get(ctx)?;
        let ready = until.is_none_or(|until| until <= ctx.now());
        if ready {
            let until = ctx.now() + self.span;
            self.slot().set_until(ctx, &until, until)?;
        }
        Ok(ready)
    }

    /// Ends the cool-down: the next one that asks hears yes.
    pub fn reset<S>(&self, ctx: &Context<'_, S>) {
        self.slot().remove(ctx);
    }

    fn slot(&self) -> Slot<Instant> {
        Slot::named(format!("{}/until", self.name))
    }
}
