//! The sinks: they take effects, fail, answer late, take twice, and let lamps report what they were asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use delivery::sink::Pending;
use delivery::{Failure, Reached, Sink, retry};
use model::outgoing::{Outgoing, OutgoingBody};
use model::{Id, Instant, Name, Span};

use crate::chance;
use crate::plan::Plan;
use crate::world::Message;

/// Attempts for different targets at the same time.
const CONCURRENCY: usize = 4;
/// Numbers of what lamps say begin here, far above those of the script.
const ECHOES: u64 = 1_000_000;

/// One effect that has arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// The host's clock when it was sent.
    pub at: Instant,
    pub outgoing: Outgoing,
}

/// What lies behind the sinks. Outlives every life of the host.
pub(crate) struct Beyond {
    seed: u64,
    trouble: u64,
    mute: u64,
    /// Faults have stopped.
    calm: AtomicBool,
    /// Which life of the host is the present one; what an earlier one had on its way no longer arrives.
    life: AtomicU64,
    temper: Temper,
    began: tokio::time::Instant,
    wall_offset: AtomicI64,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    delivered: Vec<Delivered>,
    attempts: BTreeMap<(Id, Name), u64>,
    /// What lamps will say, and when.
    echoes: Vec<(Span, Message)>,
    numbered: u64,
}

/// What sinks are like: in a deliberately broken run, not as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    Honest,
    /// Refuse everything for now.
    Closed,
    /// Lose one effect in a few and say that they have taken it.
    Forgetful,
}

/// How one attempt goes.
enum Fate {
    Taken { times: u32 },
    Failed { arrived: bool },
    TimedOut { arrived: bool },
}

impl Beyond {
    pub(crate) fn new(plan: &Plan, temper: Temper) -> Arc<Self> {
        Arc::new(Self {
            seed: plan.seed,
            trouble: plan.faults.sinks.into(),
            mute: plan.faults.mute_devices.into(),
            calm: AtomicBool::new(false),
            life: AtomicU64::new(0),
            temper,
            began: tokio::time::Instant::now(),
            wall_offset: AtomicI64::new(0),
            log: Mutex::default(),
        })
    }

    /// Virtual time since the start of the run.
    pub(crate) fn elapsed(&self) -> Span {
        Span(u64::try_from(self.began.elapsed().as_micros()).expect("a run is short"))
    }

    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    /// Begins the next life of the host.
    pub(crate) fn revive(&self) -> u64 {
        self.life.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Sets the wall clock by this many microseconds.
    pub(crate) fn step_wall(&self, by: i64) {
        self.wall_offset.fetch_add(by, Ordering::SeqCst);
    }

    pub(crate) fn wall_offset(&self) -> i64 {
        self.wall_offset.load(Ordering::SeqCst)
    }

    /// What lamps say by now.
    pub(crate) fn echoes(&self) -> Vec<Message> {
        let now = self.elapsed();
        let mut log = self.lock();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut log.echoes).into_iter().partition(|(at, _)| *at <= now);
        log.echoes = later;
        due.into_iter().map(|(_, message)| message).collect()
    }

    pub(crate) fn has_echoes(&self) -> bool {
        !self.lock().echoes.is_empty()
    }

    pub(crate) fn delivered(&self) -> Vec<Delivered> {
        self.lock().delivered.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decided by the effect and the attempt, whatever else happens at the same time.
    fn fate(&self, outgoing: &Outgoing) -> (Fate, Duration) {
        let place = (outgoing.effect, outgoing.sink.clone());
        let mut log = self.lock();
        let attempt = log.attempts.entry(place).or_default();
        *attempt += 1;
        let draw = |what: u64| chance::of(&[self.seed, outgoing.effect.fold(), *attempt, what]);
        let takes = Duration::from_millis(2 + draw(1) % 40);
        match self.temper {
            Temper::Closed => return (Fate::Failed { arrived: false }, takes),
            Temper::Forgetful if draw(6) % 8 == 0 => return (Fate::Taken { times: 0 }, takes),
            Temper::Honest | Temper::Forgetful => {}
        }
        if self.calm.load(Ordering::SeqCst) || draw(2) % 1_000 >= self.trouble {
            return (Fate::Taken { times: 1 }, takes);
        }
        let momentary = matches!(outgoing.body, OutgoingBody::Command { momentary: true, .. });
        match draw(3) % 6 {
            0 | 1 => (Fate::Failed { arrived: false }, takes),
            2 => (Fate::Failed { arrived: true }, takes),
            3 => (Fate::TimedOut { arrived: draw(4) % 2 == 0 }, Duration::from_secs(10)),
            4 => (Fate::Taken { times: 1 }, Duration::from_millis(1_000 + draw(5) % 9_000)),
            // The network doubles what may be doubled; a pulse has no second life on its way.
            _ => (Fate::Taken { times: if momentary { 1 } else { 2 } }, takes),
        }
    }

    fn arrive(&self, at: Instant, outgoing: &Outgoing) {
        let now = self.elapsed();
        let mut log = self.lock();
        log.delivered.push(Delivered { at, outgoing: outgoing.clone() });
        let OutgoingBody::Command { action, momentary: false, .. } = &outgoing.body else { return };
        if !self.calm.load(Ordering::SeqCst) && chance::of(&[self.seed, outgoing.effect.fold(), 9]) % 1_000 < self.mute
        {
            return;
        }
        log.numbered += 1;
        let number = ECHOES + log.numbered;
        let on = &**action == "on";
        let message = Message {
            number,
            topic: format!("world/{}", outgoing.target),
            payload: format!("{{\"n\":{number},\"on\":{on}}}"),
        };
        log.echoes.push((Span(now.0 + 200_000), message));
    }
}

/// One way out, for one life of the host.
pub(crate) struct Simulated {
    name: Name,
    beyond: Arc<Beyond>,
    life: u64,
}

impl Simulated {
    pub(crate) fn new(name: &str, beyond: &Arc<Beyond>, life: u64) -> Self {
        Self { name: name.into(), beyond: Arc::clone(beyond), life }
    }

    /// Waits; a host that has ended meanwhile never comes back from it.
    async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
        if self.beyond.life.load(Ordering::SeqCst) != self.life {
            std::future::pending::<()>().await;
        }
    }
}

impl Sink for Simulated {
    fn name(&self) -> &Name {
        &self.name
    }

    fn send<'a>(&'a self, outgoing: &'a Outgoing, now: Instant) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (fate, takes) = self.beyond.fate(outgoing);
            self.wait(takes / 2).await;
            let arrivals = match fate {
                Fate::Taken { times } => times,
                Fate::Failed { arrived } | Fate::TimedOut { arrived } => u32::from(arrived),
            };
            (0..arrivals).for_each(|_| self.beyond.arrive(now, outgoing));
            self.wait(takes / 2).await;
            match fate {
                Fate::Taken { .. } => Ok(()),
                Fate::Failed { arrived: false } => Err(Failure::passing("unreachable", Reached::No)),
                Fate::Failed { arrived: true } => Err(Failure::passing("cut-off", Reached::Perhaps)),
                Fate::TimedOut { .. } => Err(Failure::passing("timeout", Reached::Perhaps)),
            }
        })
    }

    fn retry_after(&self, attempts: u32, effect: Id) -> Option<Span> {
        Some(retry::doubling(attempts, effect))
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }
}
