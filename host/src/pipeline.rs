//! The pipeline: one thread that takes what is ready, runs a turn, commits it, and only then acknowledges and sends.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use engine::{Engine, Meter, Setup, SetupError, Turn, Wall};
use ingest::{Ids, Outlet, Receipt, Ticket};
use model::input::{Body, HostEvent};
use model::{Instant, limits};
use store::{Stopped, Writer};

use crate::own;
use crate::system_clock::{SystemClock, Trust};

/// Longest sleep of an idle engine: how long a stop may take to be seen.
const IDLE: Duration = Duration::from_millis(500);
/// Requests from outside that wait for the engine: switches and stops are rare.
const REQUESTS: usize = 16;

/// What the pipeline is made of.
pub struct Pipeline {
    pub engine: Engine,
    pub outlet: Outlet,
    pub writer: Writer,
    pub clock: Arc<SystemClock>,
    /// Of the records that this thread makes itself.
    pub ids: Ids,
    /// What the engine was told of the wall clock.
    pub wall: Wall,
    /// Whether the wall clock could not be right when it was last looked at.
    pub doubted: bool,
    pub meter: Meter,
    /// The last instant up to which the store knows that the host runs.
    pub signed: Instant,
    /// How long a first input waits for company.
    pub linger: Duration,
    /// Told of every committed turn, on the store's thread.
    pub committed: Arc<dyn Fn(&Turn) + Send + Sync>,
}

/// Something that the engine thread is asked between two turns.
enum Request {
    Switch(Box<Setup>, SyncSender<Result<(), SetupError>>),
    AcceptClock(SyncSender<Result<(), AcceptError>>),
    Stop,
}

/// Asks the engine thread. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    requests: SyncSender<Request>,
    waker: ingest::inlet::Waker,
}

/// The thread is gone: the host is stopping.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    #[error("the engine has stopped")]
    Stopped,
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Why a clock was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("the engine has stopped")]
    Stopped,
    #[error("the system clock is believed as it is")]
    Believed,
}

impl Handle {
    /// Puts other devices and deployments in force, between two turns.
    ///
    /// # Errors
    /// When they cannot run; the old ones then stay.
    pub fn switch(&self, setup: Setup) -> Result<(), SwitchError> {
        let (answer, answered) = sync_channel(1);
        self.requests.send(Request::Switch(Box::new(setup), answer)).map_err(|_| SwitchError::Stopped)?;
        self.waker.wake();
        Ok(answered.recv().map_err(|_| SwitchError::Stopped)??)
    }

    /// Takes the wall clock as the operator's word; returns when that is on disk.
    ///
    /// # Errors
    /// When there is nothing to accept.
    pub fn accept_clock(&self) -> Result<(), AcceptError> {
        let (answer, answered) = sync_channel(1);
        self.requests.send(Request::AcceptClock(answer)).map_err(|_| AcceptError::Stopped)?;
        self.waker.wake();
        answered.recv().map_err(|_| AcceptError::Stopped)?
    }

    /// Ends the thread after the turn that runs.
    pub fn stop(&self) {
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
    pub fn start(self) -> std::io::Result<(Handle, std::thread::JoinHandle<()>)> {
        let (requests, asked) = sync_channel(REQUESTS);
        let handle = Handle { requests, waker: self.outlet.waker() };
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .stack_size(sandbox::THREAD_STACK)
            .spawn(move || self.run(&asked))?;
        Ok((handle, thread))
    }

    fn run(mut self, asked: &Receiver<Request>) {
        while let Ok(Some(tickets)) = self.answer(asked) {
            // Whoever waits for this turn's commit is not kept waiting for input.
            if tickets.is_empty() {
                self.outlet.gather(self.patience(self.clock.now()), self.linger);
            }
            if self.run_turn(tickets, limits::TURN_INPUTS).is_err() {
                return;
            }
        }
        // The sources have stopped: what they handed over is committed, because not each of them can send it again.
        while self.outlet.has_more() && self.run_turn(Vec::new(), limits::TURN_INPUTS).is_ok() {}
        let now = self.clock.now();
        self.engine.advance(now);
        // A store that has stopped already takes no last word.
        let _ = self.commit(Vec::new(), Some(now));
    }

    /// Does what was asked between two turns; gives the tickets of those that wait for the next commit, or none where
    /// it was asked to stop.
    fn answer(&mut self, asked: &Receiver<Request>) -> Result<Option<Vec<Ticket>>, Stopped> {
        let mut tickets = Vec::new();
        while let Ok(request) = asked.try_recv() {
            match request {
                Request::Switch(setup, answer) => {
                    // The asker may have gone; the switch stands all the same.
                    let now = self.clock.now();
                    let _ = answer.send(self.engine.reconfigure(*setup, self.ids.next(), now));
                    // A switch is a turn of its own: its checkpoint is the state before it.
                    self.commit(Vec::new(), None)?;
                }
                Request::AcceptClock(answer) => tickets.extend(self.accept_clock(answer)),
                Request::Stop => return Ok(None),
            }
        }
        Ok(Some(tickets))
    }

    /// Takes what is ready, at most `inputs_max`; runs it, lets the clock bring what is due, and hands the turn to the
    /// store. Returns how many turns were handed over: none where nothing
    /// happened, several where rules burnt much fuel.
    ///
    /// # Errors
    /// When the store has stopped.
    pub fn turn(&mut self, inputs_max: usize) -> Result<u64, Stopped> {
        self.run_turn(Vec::new(), inputs_max)
    }

    fn run_turn(&mut self, mut tickets: Vec<Ticket>, inputs_max: usize) -> Result<u64, Stopped> {
        let mut turns = 0;
        let deliveries = self.outlet.take(inputs_max, limits::TURN_BYTES, Duration::ZERO);
        self.judge_budgets();
        for mut delivery in deliveries {
            turns += self.fire(&mut tickets)?;
            let mut receipt = Receipt::Duplicate;
            for input in &delivery.inputs {
                if self.engine.take(input, self.clock.now()) {
                    receipt = Receipt::New;
                }
            }
            delivery.rejected.iter().for_each(|code| self.engine.reject(code));
            delivery.ticket.note(receipt);
            tickets.push(delivery.ticket);
            if self.engine.is_full() {
                turns += self.commit(std::mem::take(&mut tickets), None)?;
            }
        }
        self.mind_clock();
        turns += self.fire(&mut tickets)?;
        let now = self.clock.now();
        self.engine.advance(now);
        let sign = (now.since(self.signed) >= limits::SIGN_OF_LIFE).then_some(now);
        turns += self.commit(tickets, sign)?;
        Ok(turns)
    }

    /// Lets the clock bring what is due by now, in as many turns as that takes. What comes due meanwhile waits: where it
    /// comes faster than it runs, input would wait for ever.
    fn fire(&mut self, tickets: &mut Vec<Ticket>) -> Result<u64, Stopped> {
        let mut turns = 0;
        let now = self.clock.now();
        while !self.engine.fire(now) {
            turns += self.commit(std::mem::take(tickets), None)?;
        }
        Ok(turns)
    }

    /// The operator's word on the clock becomes a record; the answer waits for its commit.
    fn accept_clock(&mut self, answer: SyncSender<Result<(), AcceptError>>) -> Option<Ticket> {
        let standing = self.clock.standing();
        let Some(from) = self.clock.accept() else {
            // The asker may have gone.
            let _ = answer.send(Err(AcceptError::Believed));
            return None;
        };
        tracing::warn!(wall = %standing.wall, "the system clock was accepted by the operator: timers and schedules go on");
        self.record(HostEvent::ClockAccepted { from, operator: true });
        self.wall = Wall::default();
        Some(Ticket::new(move || {
            // The asker may have gone.
            let _ = answer.send(Ok(()));
        }))
    }

    /// Tells the engine of a wall clock that has become possible, and of one that was stepped.
    fn mind_clock(&mut self) {
        if let Some(from) = self.clock.settle() {
            tracing::warn!(now = %self.clock.now(), "the system clock was set: timers and schedules go on");
            self.record(HostEvent::ClockAccepted { from, operator: false });
            self.wall = Wall::default();
        }
        let standing = self.clock.standing();
        let doubted = standing.trust != Trust::Fine;
        if doubted && !self.doubted && !standing.held {
            tracing::warn!("{standing}");
        }
        self.doubted = doubted;
        let (now, wall) = (standing.now, standing.believed());
        if (wall - self.wall.at(now)).unsigned_abs() <= limits::CLOCK_STEP.0 {
            return;
        }
        let ahead = wall - now;
        tracing::warn!(%wall, %now, "the system clock was stepped: schedules follow it, holds and timers do not");
        self.record(HostEvent::ClockStepped { ahead });
        self.wall.step(now, ahead);
    }

    fn record(&mut self, event: HostEvent) {
        let input = own::input(&self.ids, Body::Host(event));
        self.engine.take(&input, self.clock.now());
    }

    /// Tells the engine who has used more than its share while others wait, and who no longer does.
    fn judge_budgets(&mut self) {
        for (deployment, over) in self.meter.judge(self.clock.now(), self.outlet.has_more()) {
            if over {
                tracing::warn!(%deployment, "a deployment uses more than its share of the engine: its events wait");
            } else {
                tracing::info!(%deployment, "a deployment is within its share of the engine again");
            }
            self.record(HostEvent::Budget { deployment, over });
        }
    }

    /// How long to wait for input: until the clock brings something, which waits for company too.
    fn patience(&self, now: Instant) -> Duration {
        match self.engine.next_due() {
            Some(due) => (Duration::from_micros(due.since(now).0) + self.linger).min(IDLE),
            None => IDLE,
        }
    }

    /// Ends the turn; acknowledges when it is on disk. A sign of life says that all is done that was due by then.
    fn commit(&mut self, tickets: Vec<Ticket>, sign: Option<Instant>) -> Result<u64, Stopped> {
        let mut turn = self.engine.finish();
        self.meter.note(self.clock.now(), &turn.fuel);
        if let Some(now) = sign {
            turn.commits.push(store::Commit { alive: Some(now), ..store::Commit::default() });
            self.signed = now;
        }
        if turn.commits.is_empty() && tickets.is_empty() && turn.decisions.is_empty() {
            return Ok(0);
        }
        let commits = std::mem::take(&mut turn.commits);
        let news = News::of(&commits);
        let committed = Arc::clone(&self.committed);
        let committing = self.outlet.committing();
        let done = Box::new(move || {
            turn.commits = news.commits;
            committed(&turn);
            tickets.into_iter().for_each(Ticket::acknowledge);
            drop(committing);
        });
        self.writer.submit(commits, done)?;
        Ok(1)
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
