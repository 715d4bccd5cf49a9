//! Handle: what the host holds of a running dispatcher. No call of it ever waits, except `stop`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{Id, Name};
use store::OutboxRow;
use tokio::sync::{Notify, mpsc, watch};

use crate::attempt::Marks;
use crate::counts::Counters;
use crate::recent::RowId;
use crate::{Counts, counts};

/// Cheap to clone; may be called from any thread, also one without a runtime.
#[derive(Clone)]
pub struct Handle {
    pub(crate) hints: mpsc::Sender<Hint>,
    pub(crate) lost: Arc<Lost>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) ended: watch::Receiver<bool>,
}

/// What a commit tells the dispatcher.
pub(crate) enum Hint {
    Waiting(Vec<OutboxRow>),
    Finished(Vec<RowId>),
}

/// Set when a hint found no room: the outbox is then read again before any later hint is taken.
#[derive(Default)]
pub(crate) struct Lost {
    flag: AtomicBool,
    wake: Notify,
}

impl Handle {
    /// Rows that a commit has put into the outbox, in their order. A row that is known already is ignored.
    pub fn offer(&self, rows: Vec<OutboxRow>) {
        if !rows.is_empty() {
            self.hint(Hint::Waiting(rows));
        }
    }

    /// Rows that a commit has removed from the outbox: what was superseded or cancelled is not sent any more, unless
    /// it is on its way.
    pub fn settled(&self, rows: &[(Id, Name)]) {
        if !rows.is_empty() {
            self.hint(Hint::Finished(rows.to_vec()));
        }
    }

    /// Confirms that the `sending` of a momentary command is committed: now it is sent.
    pub fn marked(&self, effect: Id, sink: &Name) {
        self.marks.committed(&(effect, sink.clone()));
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Ends the dispatcher: nothing new is sent, what is on its way has a few seconds to end. Results must be taken
    /// meanwhile. Returns when it has ended; whatever was not reported is still in the outbox.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        // An error means that the dispatcher is gone, which is what we wait for.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    fn hint(&self, hint: Hint) {
        if self.hints.try_send(hint).is_err() {
            self.lost.set();
        }
    }
}

impl Lost {
    pub(crate) fn set(&self) {
        self.flag.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn take(&self) -> bool {
        self.flag.swap(false, Ordering::AcqRel)
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("counts", &counts::Counters::read(&self.counters)).finish_non_exhaustive()
    }
}
