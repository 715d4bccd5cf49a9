//! Dispatcher: takes outbox rows to their sinks. For each (sink, target), and of messages to people for each class,
//! in strict order, one at a time; different targets at the same time, up to what the sink bears.
//!
//! The outbox is the truth, what the dispatcher holds is a copy: hints after a commit keep it fresh, and where a hint
//! was lost the rows are read again. Nothing is removed here; the host does that when it commits what was reported.

mod flight;
mod room;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::event::Outcome;
use model::input::Settled;
use model::{Id, Instant, Name, Span, limits};
use store::OutboxRow;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::attempt::{Ended, Marks, until};
use crate::counts::{self, Counters};
use crate::handle::{Hint, Lost};
use crate::lane::{Key, Lane, Next, Row};
use crate::recent::{Recent, RowId};
use crate::sink::Pending;
use crate::{Clock, Gate, Handle, Sink};

/// Hints that wait for the dispatcher: a second of commits at full speed. Past it the outbox is read again.
const HINTS: usize = 256;
/// Rows of one reading: all that may wait, and some that are reported and not yet removed. Where there are more, the
/// outbox is read again until the rest has come.
const ROWS_READ: usize = limits::OUTBOX + 4_096;
/// Wait before a failed reading of the outbox is tried again.
const READ_AGAIN: Span = Span::from_secs(1);
/// How long attempts under way may take to end when the dispatcher stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Where waiting rows are read: at the start, and whenever hints were lost.
pub trait Source: Send + Sync + 'static {
    /// At most `limit` rows in the order of their commits, oldest first. Whatever blocks is moved to another thread by
    /// the source itself.
    ///
    /// # Errors
    /// When the store cannot be read; it is asked again.
    fn waiting(&self, limit: usize) -> Pending<'_, Result<Vec<OutboxRow>, Unreadable>>;
}

/// Why the outbox could not be read.
pub type Unreadable = Box<dyn std::error::Error + Send + Sync>;

impl<F, R> Source for F
where
    F: Fn(usize) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Vec<OutboxRow>, Unreadable>> + Send + 'static,
{
    fn waiting(&self, limit: usize) -> Pending<'_, Result<Vec<OutboxRow>, Unreadable>> {
        Box::pin(self(limit))
    }
}

/// What a dispatcher needs.
pub struct Options {
    pub sinks: Vec<Arc<dyn Sink>>,
    pub source: Arc<dyn Source>,
    /// Takes the ends, and the marks of momentary commands. A full channel holds the dispatcher back.
    pub results: mpsc::Sender<Settled>,
    pub clock: Clock,
    /// None sends whatever has not expired.
    pub gate: Option<Gate>,
}

pub struct Dispatcher {
    source: Arc<dyn Source>,
    results: mpsc::Sender<Settled>,
    clock: Clock,
    gate: Option<Gate>,
    hints: mpsc::Receiver<Hint>,
    lost: Arc<Lost>,
    marks: Arc<Marks>,
    counters: Arc<Counters>,
    stop: watch::Receiver<bool>,
    ended: watch::Sender<bool>,
    sinks: BTreeMap<Name, Outlet>,
    /// In order, so that whoever walks over them does so the same way each time.
    lanes: BTreeMap<Key, Lane>,
    wakes: BTreeSet<(Instant, Key)>,
    /// With the lane of each.
    held: BTreeMap<RowId, Key>,
    recent: Recent,
    /// The oldest rows that waited when it was last looked, for when there are too many.
    oldest: VecDeque<(Key, Id)>,
    flights: JoinSet<(Ended, bool)>,
    flying: HashMap<tokio::task::Id, Key>,
    /// Rows were left in the outbox; later hints would overtake them.
    behind: bool,
    read_again: Option<Instant>,
    /// Nothing new is sent: we were told to stop, or nobody takes results.
    closing: bool,
}

/// A sink with what is on its way to it.
struct Outlet {
    sink: Arc<dyn Sink>,
    flying: usize,
    /// Lanes whose head may be sent as soon as there is room.
    waiting: VecDeque<Key>,
}

impl Dispatcher {
    /// A dispatcher that does nothing until its `run` is spawned, and the handle of it.
    #[must_use]
    pub fn new(options: Options) -> (Self, Handle) {
        let (hints_in, hints) = mpsc::channel(HINTS);
        let (stop_in, stop) = watch::channel(false);
        let (ended, ended_out) = watch::channel(false);
        let lost = Arc::new(Lost::default());
        let marks = Arc::new(Marks::default());
        let counters = Arc::new(Counters::default());
        let handle = Handle {
            hints: hints_in,
            lost: lost.clone(),
            marks: marks.clone(),
            counters: counters.clone(),
            stop: stop_in,
            ended: ended_out,
        };
        let outlet = |sink: Arc<dyn Sink>| (sink.name().clone(), Outlet { sink, flying: 0, waiting: VecDeque::new() });
        let dispatcher = Self {
            source: options.source,
            results: options.results,
            clock: options.clock,
            gate: options.gate,
            hints,
            lost,
            marks,
            counters,
            stop,
            ended,
            sinks: options.sinks.into_iter().map(outlet).collect(),
            lanes: BTreeMap::new(),
            wakes: BTreeSet::new(),
            held: BTreeMap::new(),
            recent: Recent::default(),
            oldest: VecDeque::new(),
            flights: JoinSet::new(),
            flying: HashMap::new(),
            behind: false,
            read_again: None,
            closing: false,
        };
        (dispatcher, handle)
    }

    /// Reads the outbox, then runs until it is stopped, all handles are dropped or nobody takes results.
    pub async fn run(mut self) {
        self.read().await;
        while !self.closing {
            if self.read_again.is_none() && self.lost.take() {
                self.read().await;
            }
            let wake = self.wakes.first().map(|(at, _)| *at).into_iter().chain(self.read_again).min();
            // Each arm is cancel-safe: channels, a join set, a watch and sleeping lose nothing when dropped. In a fixed
            // order, so that a run repeats: what uses rows up comes before what brings more, and starves nobody.
            tokio::select! {
                biased;
                _ = self.stop.changed() => self.closing = true,
                Some(landed) = self.flights.join_next_with_id() => self.land(landed).await,
                () = until(&self.clock, wake.unwrap_or_default()), if wake.is_some() => self.wake().await,
                () = self.lost.woken() => {}
                hint = self.hints.recv() => match hint {
                    Some(hint) => self.take(hint).await,
                    None => self.closing = true,
                },
            }
            counts::set(&self.counters.waiting, self.held.len());
            counts::set(&self.counters.flying, self.flying.len());
        }
        if tokio::time::timeout(STOP_GRACE, self.drain()).await.is_err() {
            tracing::warn!(effects = self.flying.len(), "stopped while effects were on their way");
        }
        self.flights.shutdown().await;
        self.ended.send_replace(true);
    }

    /// Lets what is on its way come to an end; what has not begun to send is called back.
    async fn drain(&mut self) {
        for flight in self.lanes.values().filter_map(|lane| lane.flight.as_ref()) {
            flight.notify_one();
        }
        while let Some(landed) = self.flights.join_next_with_id().await {
            self.land(landed).await;
        }
    }

    async fn take(&mut self, hint: Hint) {
        // A hint that was lost came before this one, so what it held must be read first.
        if self.lost.take() {
            match self.read_again {
                None => self.read().await,
                Some(_) => self.behind = true,
            }
        }
        match hint {
            Hint::Waiting(rows) => {
                for row in rows {
                    self.add(row).await;
                }
            }
            Hint::Finished(rows) => {
                for (effect, sink) in rows {
                    self.withdraw(&(effect, sink)).await;
                }
            }
        }
    }

    /// Brings what is held in line with the outbox.
    async fn read(&mut self) {
        counts::add(&self.counters.reread);
        let source = self.source.clone();
        let rows = match source.waiting(ROWS_READ).await {
            Ok(rows) => rows,
            Err(error) => return self.unreadable(&error.to_string()),
        };
        let full = rows.len() >= ROWS_READ;
        if !full {
            let there: HashSet<RowId> = rows.iter().map(id).collect();
            let gone: Vec<RowId> = self.held.keys().filter(|row| !there.contains(*row)).cloned().collect();
            for row in gone {
                self.withdraw(&row).await;
            }
        }
        self.behind = false;
        for row in rows {
            self.add(row).await;
        }
        if full {
            self.behind = true;
            self.read_again = Some((self.clock)() + READ_AGAIN);
        }
    }

    fn unreadable(&mut self, error: &str) {
        tracing::warn!(error, "failed to read the outbox, trying again");
        self.lost.take();
        self.behind = true;
        self.read_again = Some((self.clock)() + READ_AGAIN);
    }

    async fn add(&mut self, row: OutboxRow) {
        let id = id(&row);
        if self.behind || self.held.contains_key(&id) || self.recent.contains(&id, row.due) {
            return;
        }
        self.make_room().await;
        let key = Key::of(&row.outgoing);
        self.held.insert(id, key.clone());
        let row = Row::new(row);
        if row.is_momentary() && row.attempts > 0 {
            // Marked by an earlier run that did not live to see the result.
            return self.settle(row, Outcome::Failed, Some("unknown".into()), 0).await;
        }
        if !self.sinks.contains_key(&row.outgoing.sink) {
            tracing::warn!(sink = %row.outgoing.sink, effect = %row.outgoing.effect, "no such sink");
            return self.settle(row, Outcome::Failed, Some("no-such-sink".into()), 0).await;
        }
        if let Some(oldest) = self.lanes.entry(key.clone()).or_default().push(row) {
            counts::add(&self.counters.expired_full);
            tracing::warn!(sink = %key.sink, target = %key.target, "too many effects wait, the oldest has expired");
            self.settle(oldest, Outcome::Expired, Some("outbox-full".into()), 0).await;
        }
        self.advance(key).await;
    }

    /// The outbox no longer has this row.
    async fn withdraw(&mut self, id: &RowId) {
        let Some(key) = self.held.get(id).cloned() else {
            return;
        };
        if self.lanes.get_mut(&key).and_then(|lane| lane.withdraw(id.0)).is_some() {
            counts::add(&self.counters.withdrawn);
            self.held.remove(id);
            self.advance(key).await;
        }
    }

    /// Looks again at every lane whose time has come.
    async fn wake(&mut self) {
        let now = (self.clock)();
        if self.read_again.is_some_and(|at| at <= now) {
            self.read_again = None;
            self.lost.set();
        }
        while let Some((at, key)) = self.wakes.first().cloned() {
            if at > now || self.closing {
                return;
            }
            self.wakes.pop_first();
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.wake = None;
            }
            self.advance(key).await;
        }
    }

    /// Does what a lane wants, and what its sink has room for.
    async fn advance(&mut self, key: Key) {
        for row in self.plan(&key) {
            self.expire(row).await;
        }
        self.fill(&key.sink).await;
    }

    /// Takes out what has expired, sets the wake-up and puts a lane whose head may be sent in line at its sink.
    fn plan(&mut self, key: &Key) -> Vec<Row> {
        let now = (self.clock)();
        let Some(lane) = self.lanes.get_mut(key) else {
            return Vec::new();
        };
        let expired = lane.expire(now);
        let next = lane.next(now);
        let wake = match &next {
            Next::At(at) => Some(*at),
            Next::Nothing | Next::Start => None,
        };
        if lane.wake != wake {
            if let Some(old) = lane.wake.take() {
                self.wakes.remove(&(old, key.clone()));
            }
            lane.wake = wake;
            self.wakes.extend(wake.map(|at| (at, key.clone())));
        }
        if next == Next::Start && !lane.queued {
            if let Some(outlet) = self.sinks.get_mut(&key.sink) {
                lane.queued = true;
                outlet.waiting.push_back(key.clone());
            }
        } else if lane.is_empty() && !lane.queued {
            self.lanes.remove(key);
        }
        expired
    }
}

fn id(row: &OutboxRow) -> RowId {
    (row.outgoing.effect, row.outgoing.sink.clone())
}

#[cfg(test)]
mod tests;
