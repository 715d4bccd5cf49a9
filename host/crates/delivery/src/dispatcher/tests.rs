//! The dispatcher at its boundary: rows in, attempts at a scripted sink, ends out; in virtual time.

mod momentary;
mod order;
mod outbox;

use std::sync::{Mutex, PoisonError};

use model::effect::Urgency;
use model::input::RETRYING;
use model::notification::Class;
use model::outgoing::{Outgoing, OutgoingBody};
use model::{DeviceNo, Id, limits};

use super::*;
use crate::sink::Pending;
use crate::{Counts, Failure, Reached};

/// Answers as it was told and notes what it was asked.
struct Scripted {
    name: Name,
    concurrency: usize,
    ready: watch::Sender<bool>,
    /// Effects whose attempt does not end before this is lowered.
    blocked: watch::Sender<HashSet<Id>>,
    answers: Mutex<HashMap<Id, VecDeque<Failure>>>,
    seen: watch::Sender<Vec<Id>>,
    flying: watch::Sender<(usize, usize)>,
}

impl Sink for Scripted {
    fn name(&self) -> &Name {
        &self.name
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async {
            let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
        })
    }

    fn send<'a>(&'a self, outgoing: &'a Outgoing, _now: Instant) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.seen.send_modify(|seen| seen.push(outgoing.effect));
            self.flying.send_modify(|(now, most)| (*now, *most) = (*now + 1, (*now + 1).max(*most)));
            let _ = self.blocked.subscribe().wait_for(|blocked| !blocked.contains(&outgoing.effect)).await;
            self.flying.send_modify(|(now, _)| *now -= 1);
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.get_mut(&outgoing.effect).and_then(VecDeque::pop_front).map_or(Ok(()), Err)
        })
    }

    fn retry_after(&self, attempts: u32, _effect: Id) -> Option<Span> {
        (attempts <= 3).then_some(Span::from_mins(1))
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }
}

struct World {
    handle: Handle,
    dispatcher: Option<Dispatcher>,
    sink: Arc<Scripted>,
    outbox: Arc<Mutex<Vec<OutboxRow>>>,
    results: mpsc::Receiver<Settled>,
    start: tokio::time::Instant,
}

fn world() -> World {
    world_with(8, None)
}

fn world_with(concurrency: usize, gate: Option<Gate>) -> World {
    let sink = Arc::new(Scripted {
        name: "sink".into(),
        concurrency,
        ready: watch::Sender::new(true),
        blocked: watch::Sender::default(),
        answers: Mutex::default(),
        seen: watch::Sender::default(),
        flying: watch::Sender::default(),
    });
    let outbox: Arc<Mutex<Vec<OutboxRow>>> = Arc::default();
    let (results, taken) = mpsc::channel(64);
    let start = tokio::time::Instant::now();
    let store = outbox.clone();
    let source = move |limit: usize| {
        let rows = store.lock().expect("no panic under the lock");
        std::future::ready(Ok(rows.iter().take(limit).cloned().collect()))
    };
    let (dispatcher, handle) = Dispatcher::new(Options {
        sinks: vec![sink.clone()],
        source: Arc::new(source),
        results,
        clock: Arc::new(move || Instant(start.elapsed().as_micros() as i64)),
        gate,
    });
    World { handle, dispatcher: Some(dispatcher), sink, outbox, results: taken, start }
}

impl World {
    fn run(&mut self) {
        tokio::spawn(self.dispatcher.take().expect("started once").run());
    }

    /// Puts rows into the outbox and tells the dispatcher.
    fn commit(&self, rows: Vec<OutboxRow>) {
        self.outbox.lock().expect("no panic under the lock").extend(rows.clone());
        self.handle.offer(rows);
    }

    fn answer(&self, n: u32, answers: impl IntoIterator<Item = Failure>) {
        self.sink.answers.lock().expect("no panic").insert(effect(n), answers.into_iter().collect());
    }

    fn block(&self, effects: impl IntoIterator<Item = u32>) {
        self.sink.blocked.send_replace(effects.into_iter().map(effect).collect());
    }

    /// Waits until the sink was asked this often and returns for what.
    async fn seen(&self, count: usize) -> Vec<Id> {
        let mut seen = self.sink.seen.subscribe();
        let seen = seen.wait_for(|seen| seen.len() >= count).await;
        seen.expect("the sink lives").clone()
    }

    /// The next end, removed from the outbox as the host's commit would.
    async fn end(&mut self) -> (Id, String, Option<String>, u32) {
        let settled = loop {
            let settled = self.results.recv().await.expect("the dispatcher lives");
            match &settled.outcome {
                Outcome::Other(word) if &**word == RETRYING => self.retry(&settled),
                _ => break settled,
            }
        };
        if !matches!(settled.outcome, Outcome::Other(_)) {
            let mut outbox = self.outbox.lock().expect("no panic");
            outbox.retain(|row| (row.outgoing.effect, &row.outgoing.sink) != (settled.effect, &settled.sink));
        }
        let word = settled.outcome.word().to_owned();
        (settled.effect, word, settled.reason.map(|reason| reason.to_string()), settled.attempt)
    }

    /// The outbox learns of an attempt, as by the host's commit.
    fn retry(&self, settled: &Settled) {
        let mut outbox = self.outbox.lock().expect("no panic");
        for row in outbox.iter_mut().filter(|row| row.outgoing.effect == settled.effect) {
            (row.attempts, row.due) = (settled.attempt, settled.due.expect("it says when"));
        }
    }

    fn counts(&self) -> Counts {
        self.handle.counts()
    }

    fn seconds(&self) -> u64 {
        self.start.elapsed().as_secs()
    }
}

fn effect(n: u32) -> Id {
    Id::of(&[&n.to_be_bytes()])
}

fn row(n: u32, target: &str) -> OutboxRow {
    let body =
        OutgoingBody::Publish { topic: "t".into(), payload: Box::default(), content_type: None, retained: false };
    with(n, target, body)
}

fn momentary(n: u32) -> OutboxRow {
    let body = OutgoingBody::Command {
        device: DeviceNo(1),
        action: "toggle".into(),
        arguments: Vec::new(),
        only_if: Vec::new(),
        momentary: true,
    };
    with(n, "bell", body)
}

fn notification(n: u32, class: Class) -> OutboxRow {
    let body = OutgoingBody::Notification {
        template: "t".into(),
        class,
        group: "a".into(),
        parameters: Vec::new(),
        urgency: Urgency::Normal,
        because: None,
    };
    with(n, "a", body)
}

fn with(n: u32, target: &str, body: OutgoingBody) -> OutboxRow {
    let outgoing = Outgoing {
        effect: effect(n),
        sink: "sink".into(),
        target: target.into(),
        committed_at: Instant(0),
        expires_at: None,
        body,
    };
    OutboxRow { outgoing, attempts: 0, due: Instant(0) }
}

fn end(n: u32, outcome: &str, reason: Option<&str>, attempt: u32) -> (Id, String, Option<String>, u32) {
    (effect(n), outcome.to_owned(), reason.map(str::to_owned), attempt)
}

fn passing(reached: Reached) -> Failure {
    Failure::passing("busy", reached)
}
