//! The outbox and what is held of it: hints, readings, room, the gate, and the stop.

use super::*;

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
