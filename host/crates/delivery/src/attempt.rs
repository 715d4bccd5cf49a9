//! Attempt: one try to send one effect, from waiting for the sink to the sink's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::event::Outcome;
use model::input::{SENDING, Settled};
use model::outgoing::Outgoing;
use model::{Instant, Name, Span};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::recent::RowId;
use crate::{Clock, Failure, Gate, Reached, Sink};

/// Sleeps end at least this often, so that a clock that was set moves deadlines too.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

pub(crate) struct Attempt {
    pub(crate) outgoing: Arc<Outgoing>,
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) last: Instant,
    /// Whether the mark must be committed before sending.
    pub(crate) mark: bool,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) withdrawn: Arc<Notify>,
    pub(crate) clock: Clock,
    pub(crate) gate: Option<Gate>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) results: mpsc::Sender<Settled>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Accepted,
    /// By the gate, nothing was sent.
    Held(Name),
    Refused(Name),
    Passing {
        reason: Name,
        reached: Reached,
        wait: Option<Span>,
    },
    Expired,
    Withdrawn,
}

impl Attempt {
    /// Runs to the end. The flag says whether the command's mark is committed.
    pub(crate) async fn run(self) -> (Ended, bool) {
        let marked = !self.mark;
        // Every arm may be dropped at any time: nothing has been sent yet. In a fixed order, so that a run repeats.
        tokio::select! {
            biased;
            () = self.withdrawn.notified() => return (Ended::Withdrawn, marked),
            () = until(&self.clock, just_after(self.last)) => return (Ended::Expired, marked),
            () = self.sink.ready() => {}
        }
        if self.mark {
            let Some(committed) = self.ask_for_mark().await else {
                return (Ended::Withdrawn, marked);
            };
            // Dropping the receiver is harmless: a mark that comes too late finds nobody.
            tokio::select! {
                biased;
                answer = committed => if answer.is_err() { return (Ended::Withdrawn, false) },
                () = until(&self.clock, just_after(self.last)) => return (Ended::Expired, false),
            }
        }
        let now = (self.clock)();
        if now > self.last {
            return (Ended::Expired, true);
        }
        if let Some(Err(reason)) = self.gate.as_ref().map(|gate| gate(&self.outgoing)) {
            return (Ended::Held(reason), true);
        }
        let ended = match self.sink.send(&self.outgoing, now).await {
            Ok(()) => Ended::Accepted,
            Err(Failure::Refused { reason }) => Ended::Refused(reason),
            Err(Failure::Passing { reason, reached, wait }) => Ended::Passing { reason, reached, wait },
        };
        (ended, true)
    }

    /// Reports that the command is about to be sent; the answer comes when that is committed.
    async fn ask_for_mark(&self) -> Option<oneshot::Receiver<()>> {
        let committed = self.marks.expect((self.outgoing.effect, self.outgoing.sink.clone()));
        let settled = Settled {
            effect: self.outgoing.effect,
            sink: self.outgoing.sink.clone(),
            outcome: Outcome::Other(SENDING.into()),
            reason: None,
            attempt: self.number,
            due: None,
        };
        self.results.send(settled).await.ok().map(|()| committed)
    }
}

/// Momentary commands that wait for their mark. Bounded by the attempts that are under way.
#[derive(Default)]
pub(crate) struct Marks(Mutex<HashMap<RowId, oneshot::Sender<()>>>);

impl Marks {
    fn expect(&self, row: RowId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, sender| !sender.is_closed());
        waiting.insert(row, sender);
        receiver
    }

    pub(crate) fn committed(&self, row: &RowId) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(row);
        if let Some(sender) = waiting {
            // The attempt may have given up meanwhile.
            let _ = sender.send(());
        }
    }
}

/// Resolves when the clock has reached `at`.
pub(crate) async fn until(clock: &Clock, at: Instant) {
    loop {
        let left = at.since(clock());
        if left == Span::ZERO {
            return;
        }
        tokio::time::sleep(Duration::from_micros(left.0).min(LONGEST_SLEEP)).await;
    }
}

fn just_after(last: Instant) -> Instant {
    Instant(last.0.saturating_add(1))
}
