//! The dispatcher at its boundary: rows in, attempts at a scripted sink, ends out; in virtual time.

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

#[tokio::test(start_paused = true)]
async fn one_target_waits_for_its_first_while_another_goes_on() {
    let mut world = world();
    world.block([1]);
    world.run();
    world.commit(vec![row(1, "a"), row(2, "a"), row(3, "b"), row(4, "b")]);
    assert_eq!(world.seen(3).await, [effect(1), effect(3), effect(4)]);
    assert_eq!(world.end().await, end(3, "accepted", None, 1));
    assert_eq!(world.end().await, end(4, "accepted", None, 1));
    world.block([]);
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
    assert_eq!(world.end().await, end(2, "accepted", None, 1));
    assert_eq!(world.counts().accepted, 4);
}

#[tokio::test(start_paused = true)]
async fn a_retry_keeps_its_id_and_holds_back_those_behind_it() {
    let mut world = world();
    world.answer(1, [passing(Reached::Perhaps), passing(Reached::Perhaps)]);
    world.run();
    world.commit(vec![row(1, "a"), row(2, "a")]);
    assert_eq!(world.end().await, end(1, "accepted", None, 3));
    assert_eq!(world.seconds(), 120);
    assert_eq!(world.end().await, end(2, "accepted", None, 1));
    assert_eq!(world.seen(4).await, [effect(1), effect(1), effect(1), effect(2)]);
    assert_eq!(world.counts().retried, 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_tried_again_holds_back_its_own_class_only() {
    let mut world = world();
    world.answer(1, [passing(Reached::No)]);
    world.run();
    world.commit(vec![
        notification(1, Class::Service),
        notification(2, Class::Service),
        notification(3, Class::Safety),
    ]);
    assert_eq!(world.end().await, end(3, "accepted", None, 1));
    assert_eq!(world.seconds(), 0);
    assert_eq!(world.end().await, end(1, "accepted", None, 2));
    assert_eq!(world.end().await, end(2, "accepted", None, 1));
}

#[tokio::test(start_paused = true)]
async fn attempts_and_waits_survive_a_restart() {
    let mut first = world();
    first.answer(1, [passing(Reached::No)]);
    first.run();
    first.commit(vec![row(1, "a")]);
    let told = first.results.recv().await.expect("the dispatcher lives");
    assert_eq!((told.outcome.word(), told.attempt, told.due), ("retrying", 1, Some(Instant(60_000_000))));
    first.retry(&told);
    first.handle.stop().await;
    let mut second = world();
    second.answer(1, [passing(Reached::No)]);
    second.outbox = first.outbox.clone();
    let rows = second.outbox.lock().expect("no panic").clone();
    second.run();
    second.commit(rows);
    assert_eq!(second.end().await, end(1, "accepted", None, 3));
    assert_eq!(second.seconds(), 120, "the first wait to its end, then the second one");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_planned_is_sent_then_also_after_a_restart() {
    let planned = || OutboxRow { due: Instant(3_600_000_000), ..row(1, "a") };
    let mut first = world();
    first.run();
    first.commit(vec![planned(), row(2, "a")]);
    assert_eq!(first.end().await, end(2, "accepted", None, 1), "the one behind it goes on");
    first.handle.stop().await;
    let mut second = world();
    let left = first.outbox.lock().expect("no panic").clone();
    second.outbox.lock().expect("no panic").extend(left);
    second.run();
    assert_eq!(second.end().await, end(1, "accepted", None, 1));
    assert_eq!(second.seconds(), 3_600);
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_a_target_asks_for_counts_before_our_own() {
    let mut world = world();
    let asked = Failure::Passing { reason: "busy".into(), reached: Reached::No, wait: Some(Span::from_secs(7)) };
    world.answer(1, [asked]);
    world.run();
    world.commit(vec![row(1, "a")]);
    assert_eq!(world.end().await, end(1, "accepted", None, 2));
    assert_eq!(world.seconds(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_effect_fails_with_the_last_reason_when_its_attempts_are_used_up() {
    let mut world = world();
    world.answer(1, [(); 4].map(|()| passing(Reached::No)));
    world.run();
    world.commit(vec![row(1, "a")]);
    assert_eq!(world.end().await, end(1, "failed", Some("busy"), 4));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_an_effect_at_once_and_the_next_goes_on() {
    let mut world = world();
    world.answer(1, [Failure::refused("no-such-action")]);
    world.run();
    world.commit(vec![row(1, "a"), row(2, "a")]);
    assert_eq!(world.end().await, end(1, "failed", Some("no-such-action"), 1));
    assert_eq!(world.end().await, end(2, "accepted", None, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_its_expiry() {
    let mut world = world();
    world.sink.ready.send_replace(false);
    world.run();
    let expiring = |n| {
        let mut row = row(n, "a");
        row.outgoing.expires_at = Some(Instant(0) + Span::from_secs(60 * u64::from(n)));
        row
    };
    world.commit(vec![expiring(1), expiring(2), row(3, "a")]);
    assert_eq!(world.end().await, end(1, "expired", Some("expires-at"), 1));
    assert_eq!(world.seconds(), 60);
    assert_eq!(world.end().await, end(2, "expired", Some("expires-at"), 1));
    world.sink.ready.send_replace(true);
    assert_eq!(world.end().await, end(3, "accepted", None, 1));
    assert_eq!(world.seen(1).await, [effect(3)]);
    assert_eq!(world.counts().expired, 2);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_waits_for_a_retry_expires_without_another_attempt() {
    let mut world = world();
    world.answer(1, [passing(Reached::No)]);
    world.run();
    let mut expiring = row(1, "a");
    expiring.outgoing.expires_at = Some(Instant(0) + Span::from_secs(30));
    world.commit(vec![expiring]);
    assert_eq!(world.end().await, end(1, "expired", Some("expires-at"), 1));
    assert_eq!(world.seconds(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_waits_for_a_day_is_too_old() {
    let mut world = world();
    world.sink.ready.send_replace(false);
    world.run();
    world.commit(vec![row(1, "a")]);
    assert_eq!(world.end().await, end(1, "expired", Some("too-old"), 1));
    assert_eq!(world.seconds(), 24 * 60 * 60);
    assert_eq!(world.counts().expired_old, 1);
}

#[tokio::test(start_paused = true)]
async fn a_momentary_command_is_marked_before_it_is_sent() {
    let mut world = world();
    world.run();
    world.commit(vec![momentary(1)]);
    assert_eq!(world.end().await, end(1, "sending", None, 1));
    assert!(world.sink.seen.borrow().is_empty());
    world.handle.marked(effect(1), &"sink".into());
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_momentary_command_with_an_unknown_result_is_not_sent_again() {
    let mut world = world();
    world.answer(1, [passing(Reached::Perhaps)]);
    world.run();
    world.commit(vec![momentary(1)]);
    assert_eq!(world.end().await.1, "sending");
    world.handle.marked(effect(1), &"sink".into());
    assert_eq!(world.end().await, end(1, "failed", Some("unknown"), 1));
    assert_eq!(world.seen(1).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_momentary_command_that_certainly_did_not_arrive_is_sent_again_under_its_mark() {
    let mut world = world();
    world.answer(1, [passing(Reached::No)]);
    world.run();
    world.commit(vec![momentary(1)]);
    assert_eq!(world.end().await.1, "sending");
    world.handle.marked(effect(1), &"sink".into());
    assert_eq!(world.end().await, end(1, "accepted", None, 2));
}

#[tokio::test(start_paused = true)]
async fn a_momentary_command_that_an_earlier_run_marked_has_failed() {
    let mut world = world();
    let mut row = momentary(1);
    row.attempts = 1;
    world.outbox.lock().expect("no panic").push(row);
    world.run();
    assert_eq!(world.end().await, end(1, "failed", Some("unknown"), 1));
    assert!(world.sink.seen.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_never_comes_lets_the_command_expire_unsent() {
    let mut world = world();
    world.run();
    let mut row = momentary(1);
    row.outgoing.expires_at = Some(Instant(0) + limits::COMMAND_EXPIRY);
    world.commit(vec![row]);
    assert_eq!(world.end().await.1, "sending");
    assert_eq!(world.end().await, end(1, "expired", Some("expires-at"), 1));
    assert!(world.sink.seen.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_the_outbox_at_the_start_is_sent() {
    let mut world = world();
    world.outbox.lock().expect("no panic").extend([row(1, "a"), row(2, "a")]);
    world.run();
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
    assert_eq!(world.end().await, end(2, "accepted", None, 1));
}

#[tokio::test(start_paused = true)]
async fn hints_up_to_the_limit_are_kept_and_one_more_has_the_outbox_read_again() {
    for (hints, read) in [(HINTS, 1), (HINTS + 1, 2)] {
        let mut world = world();
        for n in 0..hints as u32 {
            world.commit(vec![row(n, "a")]);
        }
        // The first reading finds everything anyway; what counts is how often the outbox was read.
        world.run();
        for n in 0..hints as u32 {
            assert_eq!(world.end().await, end(n, "accepted", None, 1));
        }
        assert_eq!(world.counts().reread, read);
        assert_eq!(world.seen(hints).await.len(), hints);
    }
}

#[tokio::test(start_paused = true)]
async fn reading_again_sends_nothing_twice_although_its_removal_is_not_committed() {
    let mut world = world();
    world.run();
    world.commit(vec![row(1, "a")]);
    assert_eq!(world.results.recv().await.map(|settled| settled.effect), Some(effect(1)));
    // The row is still there: the host has not committed yet.
    for n in 2..=(HINTS as u32 + 2) {
        world.commit(vec![row(n, "b")]);
    }
    for n in 2..=(HINTS as u32 + 2) {
        assert_eq!(world.end().await.0, effect(n));
    }
    assert!(world.counts().reread > 1);
    let seen = world.seen(HINTS + 2).await;
    assert_eq!(seen.iter().filter(|id| **id == effect(1)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_nothing_confirmed_is_sent_again_under_its_id() {
    let mut world = world();
    world.run();
    world.commit(vec![row(1, "lamp")]);
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
    tokio::time::advance(Duration::from_secs(5)).await;
    let due = Instant(world.start.elapsed().as_micros() as i64);
    world.commit(vec![OutboxRow { due, ..row(1, "lamp") }]);
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
    assert_eq!(world.seen(2).await, [effect(1), effect(1)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_commit_has_finished_is_not_sent() {
    let mut world = world();
    world.block([1]);
    world.run();
    world.commit(vec![row(1, "a"), row(2, "a"), row(3, "a")]);
    world.seen(1).await;
    world.handle.settled(&[(effect(2), "sink".into())]);
    world.block([]);
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
    assert_eq!(world.end().await, end(3, "accepted", None, 1));
    assert_eq!(world.counts().withdrawn, 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_sink_is_called_back() {
    let mut world = world();
    world.sink.ready.send_replace(false);
    world.run();
    world.commit(vec![row(1, "a"), row(2, "a")]);
    world.handle.settled(&[(effect(1), "sink".into())]);
    while world.counts().withdrawn == 0 {
        tokio::task::yield_now().await;
    }
    world.sink.ready.send_replace(true);
    assert_eq!(world.end().await, end(2, "accepted", None, 1));
    assert_eq!(world.seen(1).await, [effect(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_asked_for_as_many_targets_at_once_as_it_bears() {
    let mut world = world_with(2, None);
    world.block(0..5);
    world.run();
    world.commit((0..5).map(|n| row(n, &n.to_string())).collect());
    world.seen(2).await;
    world.block([]);
    for n in 0..5 {
        assert_eq!(world.end().await.1, "accepted", "{n}");
    }
    assert_eq!(*world.sink.flying.borrow(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_gate_is_asked_before_each_attempt() {
    let open = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = open.clone();
    let gate: Gate = Arc::new(move |_| {
        if asked.swap(false, std::sync::atomic::Ordering::Relaxed) { Ok(()) } else { Err("precondition".into()) }
    });
    let mut world = world_with(8, Some(gate));
    world.answer(1, [passing(Reached::No)]);
    world.run();
    world.commit(vec![row(1, "a")]);
    assert_eq!(world.end().await, end(1, "refused", Some("precondition"), 2));
    assert_eq!(world.seen(1).await.len(), 1);
    assert_eq!(world.counts().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn an_effect_for_an_unknown_sink_fails() {
    let mut world = world();
    world.run();
    let mut row = row(1, "a");
    row.outgoing.sink = "other".into();
    world.commit(vec![row]);
    assert_eq!(world.end().await, end(1, "failed", Some("no-such-sink"), 1));
}

#[tokio::test(start_paused = true)]
async fn an_outbox_that_cannot_be_read_is_read_later() {
    let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let source = move |_| {
        std::future::ready(match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 | 1 => Err(Unreadable::from("disk is away")),
            _ => Ok(vec![row(1, "a"), row(2, "a")]),
        })
    };
    let mut world = world();
    world.dispatcher.as_mut().expect("not started").source = Arc::new(source);
    // This hint must not overtake what could not be read.
    world.handle.offer(vec![row(2, "a")]);
    world.run();
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
    assert_eq!(world.end().await, end(2, "accepted", None, 1));
    assert_eq!(world.seconds(), 2);
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_attempts_end_and_starts_none() {
    let mut world = world();
    world.block([1]);
    world.run();
    world.commit(vec![row(1, "a"), row(2, "a")]);
    world.seen(1).await;
    let handle = world.handle.clone();
    let stopped = tokio::spawn(async move { handle.stop().await });
    while !*world.handle.stop.borrow() {
        tokio::task::yield_now().await;
    }
    world.block([]);
    stopped.await.expect("stops");
    assert_eq!(world.end().await, end(1, "accepted", None, 1));
    assert!(world.results.recv().await.is_none());
    assert_eq!(world.seen(1).await, [effect(1)]);
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_no_longer_than_its_grace() {
    let mut world = world();
    world.block([1]);
    world.run();
    world.commit(vec![row(1, "a")]);
    world.seen(1).await;
    let before = world.start.elapsed();
    world.handle.stop().await;
    assert_eq!(world.start.elapsed() - before, STOP_GRACE);
}

#[tokio::test(start_paused = true)]
async fn as_many_rows_as_the_outbox_holds_are_all_sent_once_and_in_order() {
    const TARGETS: u32 = 128;
    let mut world = world_with(64, None);
    let count = limits::OUTBOX as u32;
    let rows = (0..count).map(|n| row(n, &(n % TARGETS).to_string()));
    world.outbox.lock().expect("no panic").extend(rows);
    world.run();
    // Removed in one go, as a busy host would.
    let outbox = world.outbox.clone();
    let mut done = HashSet::new();
    while done.len() < count as usize {
        let settled = world.results.recv().await.expect("the dispatcher lives");
        assert_eq!(settled.outcome, Outcome::Accepted);
        assert!(done.insert(settled.effect), "sent twice");
        if done.len() % 1_000 == 0 {
            outbox.lock().expect("no panic").retain(|row| !done.contains(&row.outgoing.effect));
        }
    }
    let place: HashMap<Id, usize> = world.seen(0).await.into_iter().zip(0..).collect();
    for n in TARGETS..count {
        assert!(place[&effect(n - TARGETS)] < place[&effect(n)], "{n} overtook");
    }
}

/// Rows that wait for many targets, each older than the next.
fn flood(count: usize) -> Vec<OutboxRow> {
    let aged = |n: u32| {
        let mut row = row(n, &(n % 128).to_string());
        row.outgoing.committed_at = Instant(i64::from(n));
        OutboxRow { due: row.outgoing.committed_at, ..row }
    };
    (0..count as u32).map(aged).collect()
}

#[tokio::test(start_paused = true)]
async fn past_the_limit_of_the_outbox_the_oldest_row_that_is_not_on_its_way_expires() {
    let mut world = world_with(1, None);
    world.sink.ready.send_replace(false);
    world.run();
    let mut rows = flood(limits::OUTBOX + 2);
    let more = rows.split_off(limits::OUTBOX);
    world.commit(rows);
    world.commit(more);
    assert_eq!(world.end().await, end(1, "expired", Some("outbox-full"), 1), "row 0 is on its way");
    assert_eq!(world.end().await, end(2, "expired", Some("outbox-full"), 1));
    assert!(world.results.try_recv().is_err(), "and no other: as many as the limit says are held");
    assert_eq!(world.counts().expired_full, 2);
}

#[tokio::test(start_paused = true)]
async fn an_outbox_that_is_longer_than_one_reading_comes_to_its_end() {
    let mut world = world_with(64, None);
    let count = ROWS_READ + 10;
    world.outbox.lock().expect("no panic").extend(flood(count));
    world.run();
    let outbox = world.outbox.clone();
    let mut ended = HashMap::<Id, Outcome>::new();
    while ended.len() < count {
        let settled = world.results.recv().await.expect("the dispatcher lives");
        assert!(ended.insert(settled.effect, settled.outcome).is_none(), "ended twice");
        if ended.len().is_multiple_of(1_000) {
            outbox.lock().expect("no panic").retain(|row| !ended.contains_key(&row.outgoing.effect));
        }
    }
    let expired = ended.values().filter(|outcome| **outcome == Outcome::Expired).count();
    assert!((1..=10 + 4_096).contains(&expired), "{expired}");
    assert_eq!(world.counts().expired_full, expired as u64);
}
