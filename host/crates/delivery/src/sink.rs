//! A sink: one way out, such as a broker or a webhook. The dispatcher knows sinks by this trait alone.

use std::pin::Pin;

use model::{Id, Instant, Name, Span, outgoing::Outgoing};

/// A future that a sink returns.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One way out. The dispatcher calls it from several tasks at once, for one target never more than once at a time.
pub trait Sink: Send + Sync + 'static {
    /// The name that outbox rows carry.
    fn name(&self) -> &Name;

    /// Resolves when an attempt has a chance, at once where the sink cannot tell. May be dropped at any await.
    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Makes one attempt and resolves when its result is known. Ends by itself: the sink sets its own time limit.
    /// The effect's id goes along wherever the target has a place for it.
    ///
    /// # Errors
    /// When the sink did not confirm that it has taken the effect.
    fn send<'a>(&'a self, outgoing: &'a Outgoing, now: Instant) -> Pending<'a, Result<(), Failure>>;

    /// How long to wait after that many failed attempts, 1 or more; none gives the effect up.
    fn retry_after(&self, attempts: u32, effect: Id) -> Option<Span>;

    /// Attempts for different targets at the same time, at least 1.
    fn concurrency(&self) -> usize;
}

/// Why an attempt did not end well. Reasons are kebab-case codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It would fail the same way again.
    #[error("refused for good: {reason}")]
    Refused { reason: Name },
    /// Another attempt may succeed.
    #[error("failed for now: {reason}")]
    Passing {
        reason: Name,
        reached: Reached,
        /// How long the target asked us to wait, instead of the sink's own schedule.
        wait: Option<Span>,
    },
}

/// Whether the target may have received an effect whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It certainly has not.
    No,
    /// Nobody can tell: what may be sent at most once is not sent again.
    Perhaps,
}

impl Failure {
    pub fn refused(reason: impl Into<Name>) -> Self {
        Self::Refused { reason: reason.into() }
    }

    pub fn passing(reason: impl Into<Name>, reached: Reached) -> Self {
        Self::Passing { reason: reason.into(), reached, wait: None }
    }
}
