//! Runs: what happens when a rule is asked to begin something that lasts while it still lasts.

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::effect::{Overdue, Timer};
use crate::event::Tick;
use crate::slot::{Problem, Slot};
use crate::time::Span;

/// Runs of something that lasts, such as a watering of ten minutes, per key.
///
/// Call [`Runs::begin`] to begin one and [`Runs::finished`] in `on_timer`. Each run carries a text of the rule's own,
/// such as the name of a zone. A run that ends while the host is down is finished as soon as it is back.
#[derive(Debug, Clone)]
pub struct Runs {
    name: String,
    mode: Mode,
}

/// What a new run does while another lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The new one is refused.
    Single,
    /// The old one ends unfinished and the new one begins.
    Restart,
    /// The new one waits, at most this many at once; more are refused.
    Queued(usize),
    /// Both last, at most this many at once; more are refused.
    Parallel(usize),
}

/// What became of a request to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It lasts now: act.
    Started,
    /// It lasts now and the one before has ended unfinished: act.
    Restarted,
    /// It waits behind this many others.
    Queued(usize),
    Refused,
}

/// A run that has come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The text that the run carried.
    pub what: String,
    /// The text of the run that begins now in its place: act.
    pub next: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    /// Number of the next run, so that the timers of parallel runs have different names.
    next: u64,
    lasting: Vec<(u64, String)>,
    waiting: Vec<(Span, String)>,
}

impl Runs {
    /// `name` names the timers and the state, so it is unique in the rule.
    #[must_use]
    pub fn new(name: impl Into<String>, mode: Mode) -> Self {
        Self { name: name.into(), mode }
    }

    /// Asks for a run of `span`.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn begin<S>(&self, ctx: &Context<'_, S>, what: impl Into<String>, span: Span) -> Result<Begun, Problem> {
        let mut book = self.slot().get(ctx)?.unwrap_or_default();
        let what = what.into();
        let begun = match (self.mode, book.lasting.len()) {
            (_, 0) => Begun::Started,
            (Mode::Single, _) => Begun::Refused,
            (Mode::Restart, _) => Begun::Restarted,
            (Mode::Queued(most), _) if book.waiting.len() < most => Begun::Queued(book.waiting.len()),
            (Mode::Parallel(most), lasting) if lasting < most => Begun::Started,
            (Mode::Queued(_) | Mode::Parallel(_), _) => Begun::Refused,
        };
        match begun {
            Begun::Started => self.start(ctx, &mut book, what, span),
            Begun::Restarted => {
                for (number, _) in std::mem::take(&mut book.lasting) {
                    ctx.cancel_timer(self.timer(number));
                }
                self.start(ctx, &mut book, what, span);
            }
            Begun::Queued(_) => book.waiting.push((span, what)),
            Begun::Refused => return Ok(begun),
        }
        self.slot().set(ctx, &book)?;
        Ok(begun)
    }

    /// The run that this tick ends, if it is one of these. A waiting one begins in its place.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn finished<S>(&self, ctx: &Context<'_, S>, tick: &Tick) -> Result<Option<Finished>, Problem> {
        let mut book = self.slot().get(ctx)?.unwrap_or_default();
        let Some(place) = book.lasting.iter().position(|(number, _)| tick.name == self.timer(*number)) else {
            return Ok(None);
        };
        let (_, what) = book.lasting.remove(place);
        let next = if book.waiting.is_empty() { None } else { Some(book.waiting.remove(0)) };
        if let Some((span, next)) = &next {
            self.start(ctx, &mut book, next.clone(), *span);
        }
        self.slot().set(ctx, &book)?;
        Ok(Some(Finished { what, next: next.map(|(_, what)| what) }))
    }

    /// Ends all runs unfinished, the waiting ones too. Gives what lasted.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn stop<S>(&self, ctx: &Context<'_, S>) -> Result<Vec<String>, Problem> {
        let book = self.slot().take(ctx)?.unwrap_or_default();
        let stop = |(number, what)| {
            ctx.cancel_timer(self.timer(number));
            what
        };
        Ok(book.lasting.into_iter().map(stop).collect())
    }

    fn start<S>(&self, ctx: &Context<'_, S>, book: &mut Book, what: String, span: Span) {
        // However late: a run that never finished would keep its place for ever.
        ctx.propose(Timer::at(self.timer(book.next), ctx.now() + span).overdue(Overdue::Fire));
        book.lasting.push((book.next, what));
        book.next += 1;
    }

    fn timer(&self, number: u64) -> String {
        format!("{}/{number}", self.name)
    }

    fn slot(&self) -> Slot<Book> {
        Slot::named(format!("{}/runs", self.name))
    }
}
