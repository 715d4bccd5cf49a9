//! The pipeline: one thread that takes what is ready, runs a turn, commits it, and only then acknowledges and sends.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use engine::{Engine, Setup, SetupError, Turn};
use ingest::{Outlet, Ticket};
use model::{Instant, limits};
use store::Writer;

use crate::system_clock::SystemClock;

/// Longest sleep of an idle engine: how long a stop may take to be seen.
const IDLE: Duration = Duration::from_millis(500);
/// Requests from outside that wait for the engine: switches and stops are rare.
const REQUESTS: usize = 16;

/// What the pipeline is made of.
pub(crate) struct Pipeline {
    pub(crate) engine: Engine,
    pub(crate) outlet: Outlet,
    pub(crate) writer: Writer,
    pub(crate) clock: Arc<SystemClock>,
    /// Of the records that this thread makes itself.
    pub(crate) ids: ingest::Ids,
    /// Told of every committed turn, on the store's thread.
    pub(crate) committed: Arc<dyn Fn(&Turn) + Send + Sync>,
}

/// Something that the engine thread is asked between two turns.
enum Request {
    Switch(Box<Setup>, SyncSender<Result<(), SetupError>>),
    Stop,
}

/// Asks the engine thread. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle {
    requests: SyncSender<Request>,
    waker: ingest::inlet::Waker,
}

/// The thread is gone: the host is stopping.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwitchError {
    #[error("the engine has stopped")]
    Stopped,
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Handle {
    /// Puts other devices and deployments in force, between two turns.
    ///
    /// # Errors
    /// When they cannot run; the old ones then stay.
    pub(crate) fn switch(&self, setup: Setup) -> Result<(), SwitchError> {
        let (answer, answered) = sync_channel(1);
        self.requests.send(Request::Switch(Box::new(setup), answer)).map_err(|_| SwitchError::Stopped)?;
        self.waker.wake();
        Ok(answered.recv().map_err(|_| SwitchError::Stopped)??)
    }

    /// Ends the thread after the turn that runs.
    pub(crate) fn stop(&self) {
        // A full queue or a thread that is gone already: either way it ends.
        let _ = self.requests.try_send(Request::Stop);
        self.waker.wake();
    }
}

impl Pipeline {
    /// Starts the engine thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(self) -> std::io::Result<(Handle, std::thread::JoinHandle<()>)> {
        let (requests, asked) = sync_channel(REQUESTS);
        let handle = Handle { requests, waker: self.outlet.waker() };
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .stack_size(sandbox::THREAD_STACK)
            .spawn(move || self.run(&asked))?;
        Ok((handle, thread))
    }

    fn run(mut self, asked: &Receiver<Request>) {
        loop {
            let now = self.clock.now();
            let deliveries = self.outlet.take(limits::TURN_INPUTS, limits::TURN_BYTES, self.patience(now));
            while let Ok(request) = asked.try_recv() {
                match request {
                    Request::Switch(setup, answer) => {
                        // The asker may have gone; the switch stands all the same.
                        let now = self.clock.now();
                        let _ = answer.send(self.engine.reconfigure(*setup, self.ids.next(), now));
                        // A switch is a turn of its own: its checkpoint is the state before it.
                        if !self.commit(Vec::new()) {
                            return;
                        }
                    }
                    Request::Stop => return,
                }
            }
            let mut tickets = Vec::with_capacity(deliveries.len());
            for delivery in deliveries {
                for input in &delivery.inputs {
                    self.engine.take(input, self.clock.now());
                }
                tickets.push(delivery.ticket);
                if self.engine.is_full() && !self.commit(std::mem::take(&mut tickets)) {
                    return;
                }
            }
            self.engine.advance(self.clock.now());
            if !self.commit(tickets) {
                return;
            }
        }
    }

    /// How long to wait for input: until the clock brings something.
    fn patience(&self, now: Instant) -> Duration {
        match self.engine.next_due() {
            Some(due) => Duration::from_micros(due.since(now).0).min(IDLE),
            None => IDLE,
        }
    }

    /// Ends the turn; acknowledges when it is on disk. False when the store has stopped.
    fn commit(&mut self, tickets: Vec<Ticket>) -> bool {
        let mut turn = self.engine.finish();
        if turn.commits.is_empty() && tickets.is_empty() && turn.decisions.is_empty() {
            return true;
        }
        let commits = std::mem::take(&mut turn.commits);
        let news = News::of(&commits);
        let committed = Arc::clone(&self.committed);
        let done = Box::new(move || {
            turn.commits = news.commits;
            committed(&turn);
            tickets.into_iter().for_each(Ticket::acknowledge);
        });
        self.writer.submit(commits, done).is_ok()
    }
}

/// What others must know of commits that the writer takes: outbox rows and their ends.
struct News {
    commits: Vec<store::Commit>,
}

impl News {
    fn of(commits: &[store::Commit]) -> Self {
        let told = |commit: &store::Commit| store::Commit {
            partition: commit.partition,
            outbox: commit.outbox.clone(),
            settled: commit.settled.clone(),
            ..store::Commit::default()
        };
        Self { commits: commits.iter().filter(|c| !c.outbox.is_empty() || !c.settled.is_empty()).map(told).collect() }
    }
}
