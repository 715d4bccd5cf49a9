//! The writer: one thread that commits the turns of all engine threads together.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::{DeviceNo, Name};
use rusqlite::Connection;

use crate::apply::Statements;
use crate::books::Books;
use crate::commit::Commit;
use crate::connection::{self, Medium};
use crate::error::Error;
use crate::faults::Step;
use crate::health::HealthWatch;
use crate::lock::Lock;
use crate::options::Options;
use crate::query;
use crate::queue::{Batch, Done, Naming, Queue, Stopped, Turn};
use crate::upkeep::Upkeep;

/// First wait after a commit that failed; doubles.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest wait between tries: how long a host stands still after there is room on the disk again.
const RETRY_LONGEST: Duration = Duration::from_secs(5);

/// Hands commits to the writer thread. Cheap to clone; the thread ends when it is stopped or the last clone is dropped.
#[derive(Clone)]
pub struct Writer {
    handle: Arc<Handle>,
}

/// The writer was stopped while commits failed: what was not written was not acknowledged either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to write {turns} turns before the stop: {reason}")]
pub struct StopError {
    /// Turns that were handed over and are lost to this process; their sources send them again.
    pub turns: usize,
    pub reason: String,
}

struct Handle {
    queue: Arc<Queue>,
    health: HealthWatch,
    thread: Mutex<Option<JoinHandle<Result<(), StopError>>>>,
}

/// All that the writer thread owns.
pub(crate) struct Thread {
    pub(crate) path: PathBuf,
    pub(crate) medium: Medium,
    pub(crate) options: Options,
    pub(crate) partitions: u16,
    /// Open from the start; none after a failure.
    pub(crate) connection: Option<Connection>,
    /// Given back after the connection is closed.
    pub(crate) lock: Lock,
}

impl Writer {
    /// `next` holds, by partition, the sequence that its next row must have.
    pub(crate) fn start(thread: Thread, next: Vec<u64>) -> Self {
        let queue = Arc::new(Queue::new(next));
        let health = HealthWatch::new();
        let (shared, watch) = (Arc::clone(&queue), health.clone());
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || thread.run(&shared, &watch))
            .expect("a process that just started can start its writer thread");
        Self { handle: Arc::new(Handle { queue, health, thread: Mutex::new(Some(thread)) }) }
    }

    /// Hands one turn over: its commits are applied in this order, all in one transaction, and `done` is called on the
    /// writer thread when they are on disk. The `done`s of all turns are called in the order of submission. Blocks
    /// while one transaction's worth of turns waits.
    ///
    /// # Errors
    /// [`Stopped`] when the writer was stopped; the turn was not taken and `done` is dropped.
    ///
    /// # Panics
    /// When a partition does not exist, or a partition's journal rows are not dense from its last sequence on: the
    /// engine has a fault, and nothing of it may reach the disk.
    pub fn submit(&self, commits: Vec<Commit>, done: Done) -> Result<(), Stopped> {
        self.handle.queue.push(Turn::new(commits, done))
    }

    /// The lasting numbers of these devices, in this order; a name that has none gets the next one. Blocks until it is
    /// on disk. [`crate::Store::number_devices`] for a store that already runs.
    ///
    /// # Errors
    /// When the writer was stopped or the database could not be written.
    pub fn number_devices(&self, ids: &[Name]) -> Result<Vec<DeviceNo>, Error> {
        let (answer, answered) = sync_channel(1);
        self.handle.queue.ask(Naming { ids: ids.to_vec(), answer }).map_err(|Stopped| Error::Stopped)?;
        answered.recv().unwrap_or(Err(Error::Stopped))
    }

    /// Whether commits reach the disk.
    #[must_use]
    pub fn health(&self) -> HealthWatch {
        self.handle.health.clone()
    }

    /// Takes no more turns, writes those that wait and ends the thread. While commits fail, tries once more and gives
    /// up. A second call does nothing.
    ///
    /// # Errors
    /// When turns could not be written. They were not acknowledged.
    pub fn stop(&self) -> Result<(), StopError> {
        self.handle.stop()
    }
}

impl Handle {
    fn stop(&self) -> Result<(), StopError> {
        self.queue.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match thread {
            // The last clone may live in a `done`; a thread cannot wait for itself.
            Some(thread) if thread.thread().id() != std::thread::current().id() => thread.join().unwrap_or_else(|_| {
                Err(StopError { turns: 0, reason: "the writer thread ended by a fault of its own".to_owned() })
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "the store was dropped with turns that it could not write");
        }
    }
}

/// Lets nobody wait for a thread that is gone, however it went.
struct Gone<'a>(&'a Queue);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl Thread {
    fn run(mut self, queue: &Queue, health: &HealthWatch) -> Result<(), StopError> {
        let _gone = Gone(queue);
        let mut carry = None;
        let mut last_try = false;
        loop {
            let Err(error) = self.session(queue, health, &mut carry) else { break };
            let reason = format!("failed to commit: {error}");
            let attempts = health.fail(&reason);
            tracing::error!(attempts, reason, "nothing is acknowledged until commits reach the disk again");
            let stopping = queue.pause(self.medium.pause(back_off(attempts)));
            if stopping && last_try {
                let turns = carry.map_or(0, |batch| batch.turns.len()) + queue.abandon();
                return Err(StopError { turns, reason });
            }
            last_try = stopping;
        }
        drop(self.lock);
        Ok(())
    }

    /// Commits over one connection until the queue is stopped and empty. After an error nothing is done over this
    /// connection again: the batch stays in `carry` for the next one.
    fn session(
        &mut self,
        queue: &Queue,
        health: &HealthWatch,
        carry: &mut Option<Batch>,
    ) -> Result<(), rusqlite::Error> {
        let connection = self.connection.take().map_or_else(|| connection::writing(&self.path), Ok)?;
        let mut books = Books::load(&connection, self.partitions)?;
        let mut statements = Statements::prepare(&connection)?;
        let mut upkeep = Upkeep::new(self.options.retention);
        loop {
            let batch = match carry {
                Some(batch) => batch,
                None => match queue.take() {
                    Some(batch) => carry.insert(batch),
                    None => return Ok(()),
                },
            };
            self.medium.reached(Step::Taken)?;
            self.medium.apply(&connection)?;
            for naming in batch.namings.drain(..) {
                let numbers = query::number_devices(&connection, &naming.ids);
                // Whoever asked may be gone.
                let _ = naming.answer.send(numbers.map_err(Error::doing("number the devices")));
            }
            if !batch.turns.is_empty() && !books.contain(batch.commits()) {
                statements.commit(batch.commits(), &mut books, &self.medium)?;
            }
            if health.recover() {
                tracing::info!("commits reach the disk again");
            }
            for turn in carry.take().unwrap_or_default().turns {
                (turn.done)();
            }
            tidy(&connection, &mut upkeep, &mut books, queue);
            self.medium.reached(Step::Told)?;
        }
    }
}

/// One piece of upkeep after each commit, and more as long as nobody waits. What fails here is tried again later: the
/// commits themselves tell whether the disk works.
fn tidy(connection: &Connection, upkeep: &mut Upkeep, books: &mut Books, queue: &Queue) {
    loop {
        let idle = queue.is_idle();
        match upkeep.step(connection, books, idle) {
            Ok(true) if idle => (),
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "the store could not be tidied");
                upkeep.put_off(books.now);
                return;
            }
        }
    }
}

fn back_off(attempts: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << (attempts - 1).min(10)).min(RETRY_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        assert_eq!(back_off(1), RETRY_FIRST);
        assert_eq!(back_off(2), RETRY_FIRST * 2);
        assert_eq!(back_off(6), RETRY_FIRST * 32);
        assert_eq!(back_off(7), RETRY_LONGEST);
        assert_eq!(back_off(u32::MAX), RETRY_LONGEST);
    }
}
