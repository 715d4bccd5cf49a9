//! One target after another: order, retries, plans and ends.

use super::*;

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
