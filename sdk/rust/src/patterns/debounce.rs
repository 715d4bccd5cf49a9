//! Debounce: acts once a stream of signals has been quiet for a while.

use crate::context::Context;
use crate::effect::{Overdue, Timer};
use crate::event::Tick;
use crate::slot::{Problem, Slot};
use crate::time::{Instant, Span};

/// Fires once no signal has come for `quiet`; as soon as the host is back, where it was down then.
///
/// Call [`Debounce::signal`] on each signal and ask [`Debounce::fired`] in `on_timer`.
#[derive(Debug, Clone)]
pub struct Debounce {
    name: String,
    quiet: Span,
    at_most: Option<Span>,
}

impl Debounce {
    /// `name` names the timer, so it is unique in the rule.
    #[must_use]
    pub fn new(name: impl Into<String>, quiet: Span) -> Self {
        Self { name: name.into(), quiet, at_most: None }
    }

    /// Fires at the latest this long after the first signal, also when signals go on.
    #[must_use]
    pub fn at_most(mut self, longest: Span) -> Self {
        self.at_most = Some(longest);
        self
    }

    /// Starts or prolongs the wait.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn signal<S>(&self, ctx: &Context<'_, S>) -> Result<(), Problem> {
        let Some(longest) = self.at_most else {
            self.wait(ctx, self.quiet);
            return Ok(());
        };
        let first = match self.first().get(ctx)? {
            Some(first) => first,
            None => {
                self.first().set(ctx, &ctx.now())?;
                ctx.now()
            }
        };
        let left = (first + longest).since(ctx.now());
        self.wait(ctx, self.quiet.min(left));
        Ok(())
    }

    /// Whether this tick says that the signals have been quiet.
    #[must_use]
    pub fn fired<S>(&self, ctx: &Context<'_, S>, tick: &Tick) -> bool {
        let mine = tick.name == self.name;
        if mine && self.at_most.is_some() {
            self.first().remove(ctx);
        }
        mine
    }

    /// Forgets the signals so far: nothing fires.
    pub fn forget<S>(&self, ctx: &Context<'_, S>) {
        ctx.cancel_timer(&self.name);
        if self.at_most.is_some() {
            self.first().remove(ctx);
        }
    }

    /// However late: a signal that was taken is never left without its answer.
    fn wait<S>(&self, ctx: &Context<'_, S>, span: Span) {
        ctx.propose(Timer::at(&self.name, ctx.now() + span).overdue(Overdue::Fire));
    }

    fn first(&self) -> Slot<Instant> {
        Slot::named(format!("{}/first", self.name))
    }
}
