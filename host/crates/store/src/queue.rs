//! The bounded queue between the engine threads and the writer thread.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{DeviceNo, Name};

use crate::commit::Commit;
use crate::error::Error;

/// Called on the writer thread when the turn is on disk; must not block. Dropped uncalled when the turn is given up.
pub type Done = Box<dyn FnOnce() + Send>;

/// Journal rows after which a transaction is closed: past it a commit's cost per row no longer falls.
pub(crate) const ROWS_MAX: usize = 2_048;
/// Bytes after which a transaction is closed, so that one commit does not stall those that come after it.
pub(crate) const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Turns after which a transaction is closed, for turns that hold next to nothing. At any of the three the queue is
/// full too: one transaction's worth waits while another is being written, which keeps the disk busy and no more.
pub(crate) const TURNS_MAX: usize = 1_024;

/// The store was stopped, or its writer ended; the turn was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store was stopped")]
pub struct Stopped;

/// What one engine thread hands over at once.
pub(crate) struct Turn {
    pub(crate) commits: Vec<Commit>,
    pub(crate) done: Done,
    rows: usize,
    bytes: usize,
}

/// A request for device numbers, answered in the writer thread.
pub(crate) struct Naming {
    pub(crate) ids: Vec<Name>,
    pub(crate) answer: SyncSender<Result<Vec<DeviceNo>, Error>>,
}

/// What the writer takes at once.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) turns: Vec<Turn>,
    pub(crate) namings: Vec<Naming>,
}

#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Inner {
    turns: VecDeque<Turn>,
    namings: Vec<Naming>,
    rows: usize,
    bytes: usize,
    /// By partition: the sequence that its next row must have.
    next: Vec<u64>,
    stopping: bool,
}

impl Turn {
    pub(crate) fn new(commits: Vec<Commit>, done: Done) -> Self {
        let rows = commits.iter().map(|commit| commit.journal.len()).sum();
        let bytes = commits.iter().map(weight).sum();
        Self { commits, done, rows, bytes }
    }
}

impl Batch {
    pub(crate) fn commits(&self) -> impl Iterator<Item = &Commit> {
        self.turns.iter().flat_map(|turn| &turn.commits)
    }
}

impl Queue {
    /// `next` holds, by partition, the sequence that its next row must have.
    pub(crate) fn new(next: Vec<u64>) -> Self {
        Self { inner: Mutex::new(Inner { next, ..Inner::default() }), ..Self::default() }
    }

    /// Waits for room and adds the turn.
    ///
    /// # Panics
    /// When the turn names a partition that does not exist or its rows do not follow those handed over before.
    pub(crate) fn push(&self, turn: Turn) -> Result<(), Stopped> {
        let inner = self.lock();
        let mut inner = self
            .room
            .wait_while(inner, |inner| inner.is_full() && !inner.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        if inner.stopping {
            return Err(Stopped);
        }
        if let Err(broken) = inner.follow(&turn.commits) {
            drop(inner);
            panic!("{broken}");
        }
        inner.rows += turn.rows;
        inner.bytes += turn.bytes;
        inner.turns.push_back(turn);
        self.work.notify_one();
        Ok(())
    }

    pub(crate) fn ask(&self, naming: Naming) -> Result<(), Stopped> {
        let mut inner = self.lock();
        if inner.stopping {
            return Err(Stopped);
        }
        inner.namings.push(naming);
        self.work.notify_one();
        Ok(())
    }

    /// Waits for work and takes what fits one transaction. None: stopped and empty.
    pub(crate) fn take(&self) -> Option<Batch> {
        let inner = self.lock();
        let mut inner = self
            .work
            .wait_while(inner, |inner| inner.is_idle() && !inner.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        if inner.is_idle() {
            return None;
        }
        let batch = inner.drain();
        self.room.notify_all();
        Some(batch)
    }

    pub(crate) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.is_idle() && !inner.stopping
    }

    /// Waits this long, or until the queue is stopped; returns whether it is.
    pub(crate) fn pause(&self, span: Duration) -> bool {
        let inner = self.lock();
        let waited = self.work.wait_timeout_while(inner, span, |inner| !inner.stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    /// Takes no more; what is there can still be taken out.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Stops and drops what is left, so that nobody waits for a writer that is gone. Returns how many turns were left.
    pub(crate) fn abandon(&self) -> usize {
        let mut inner = self.lock();
        inner.stopping = true;
        inner.namings.clear();
        let left = std::mem::take(&mut inner.turns);
        drop(inner);
        self.work.notify_all();
        self.room.notify_all();
        left.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.namings.is_empty()
    }

    fn is_full(&self) -> bool {
        self.turns.len() >= TURNS_MAX || self.rows >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// The first turn always, then those that keep within the limits.
    fn drain(&mut self) -> Batch {
        let mut batch = Batch { turns: Vec::new(), namings: std::mem::take(&mut self.namings) };
        let (mut rows, mut bytes) = (0, 0);
        while let Some(turn) = self.turns.pop_front_if(|turn| {
            rows == 0 && bytes == 0 || rows + turn.rows <= ROWS_MAX && bytes + turn.bytes <= BYTES_MAX
        }) {
            rows += turn.rows;
            bytes += turn.bytes;
            batch.turns.push(turn);
        }
        self.rows -= rows;
        self.bytes -= bytes;
        batch
    }

    /// Checks that the rows are dense and counts them. Counts nothing when one is not.
    fn follow(&mut self, commits: &[Commit]) -> Result<(), String> {
        let mut next = self.next.clone();
        for commit in commits {
            let partition = commit.partition;
            let expected = next
                .get_mut(usize::from(partition))
                .ok_or_else(|| format!("partition {partition} does not exist: {} do", self.next.len()))?;
            for row in &commit.journal {
                if row.sequence != *expected {
                    return Err(format!("partition {partition}: sequence {} where {expected} is due", row.sequence));
                }
                *expected += 1;
            }
        }
        self.next = next;
        Ok(())
    }
}

/// Bytes that a commit carries.
fn weight(commit: &Commit) -> usize {
    let journal: usize = commit.journal.iter().map(|row| row.payload.len()).sum();
    let changes: usize = commit.changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, |v| v.len())).sum();
    let decisions: usize = commit.decisions.iter().map(|row| row.payload.len()).sum();
    let dead: usize = commit.dead_letters.iter().map(|row| row.case.len()).sum();
    // An outgoing is not encoded yet; its payloads are bounded, this is what a typical one takes.
    let outbox = 512 * commit.outbox.len() + 64 * commit.retried.len();
    journal + changes + decisions + dead + outbox + 1
}
