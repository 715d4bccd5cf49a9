//! Messages: what the broker had retained is old state, and wakes only those who ask for it.

use model::event::Message;

use super::*;

fn listening(snapshot: bool) -> Deployment {
    let kind = Kind::Message { filter: "shipments/+".into(), key_from: None, snapshot };
    Deployment { key: KeyKind::One, ..deployment("d", vec![kind]) }
}

fn message(retained: bool) -> Body {
    let payload = Box::from(*b"{}");
    let attributes = Vec::new();
    Body::Message(Message { topic: "shipments/7".into(), payload, content_type: None, retained, attributes })
}

#[test]
fn a_retained_message_wakes_nobody_at_any_start() {
    let deployments = || vec![(listening(false), tell as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.take(message(true), 0, None).take(message(false), 1, None);
    bench.crash(1, deployments());
    bench.take(started(), 2, None).take(message(true), 3, None);
    bench.check(&[("message", 1)]);
    assert_eq!(bench.engine.accounts().snapshot, 2);
}

#[test]
fn a_trigger_that_asks_for_snapshots_is_woken_by_retained_messages() {
    let mut bench = Bench::new(1, vec![(listening(true), tell)]);
    bench.take(message(true), 0, None).take(message(false), 1, None);
    bench.check(&[("message", 0), ("message", 1)]);
}
