//! Commands that are sent at most once.

use super::*;

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
