//! A lane at its limits: how many, how old, what is on its way.

use model::Span;

use super::*;

fn row(n: u32, expires_at: Option<Instant>) -> Row {
    Row::new(OutboxRow {
        outgoing: Outgoing {
            effect: id(n),
            sink: "s".into(),
            target: "t".into(),
            committed_at: Instant(0),
            expires_at,
            body: OutgoingBody::Publish {
                topic: "t".into(),
                payload: Box::default(),
                content_type: None,
                retained: false,
            },
        },
        attempts: 0,
        due: Instant(0),
    })
}

fn id(n: u32) -> Id {
    Id::of(&[&n.to_be_bytes()])
}

fn effects(rows: impl IntoIterator<Item = Row>) -> Vec<Id> {
    rows.into_iter().map(|row| row.outgoing.effect).collect()
}

fn fly(lane: &mut Lane) {
    lane.flight = Some(Arc::new(Notify::new()));
}

#[test]
fn an_effect_may_be_sent_at_its_expiry_and_not_after_it() {
    let mut lane = Lane::default();
    lane.push(row(1, Some(Instant(10))));
    assert!(lane.expire(Instant(10)).is_empty());
    assert_eq!(lane.next(Instant(10)), Next::Start);
    assert_eq!(effects(lane.expire(Instant(11))), [id(1)]);
    assert_eq!(lane.next(Instant(11)), Next::Nothing);
}

#[test]
fn a_notification_waits_as_long_as_a_webhook_is_tried() {
    let notification = |expires_at| {
        let mut row = row(1, expires_at);
        let outgoing = Outgoing {
            body: OutgoingBody::Notification {
                template: "t".into(),
                class: model::notification::Class::Service,
                group: "g".into(),
                parameters: Vec::new(),
                urgency: model::effect::Urgency::Normal,
                because: None,
            },
            ..(*row.outgoing).clone()
        };
        row = Row::new(OutboxRow { outgoing, attempts: 0, due: Instant(0) });
        row.last
    };
    let longest: u64 = crate::retry::WEBHOOK.iter().map(|wait| wait.0 + wait.0 / 10).sum();
    assert!(longest <= limits::NOTIFICATION_AGE.0, "the last attempt is within its age");
    assert_eq!(notification(None), Instant(0) + limits::NOTIFICATION_AGE);
    let week = Instant(0) + Span::from_days(7);
    assert_eq!(notification(Some(week)), week, "its own end counts");
    assert_eq!(row(1, Some(week)).last, Instant(0) + limits::OUTBOX_AGE, "others end within a day");
}

#[test]
fn an_effect_without_expiry_waits_a_day() {
    let mut lane = Lane::default();
    lane.push(row(1, None));
    let day = Instant(0) + limits::OUTBOX_AGE;
    assert!(lane.expire(day).is_empty());
    let expired = lane.expire(day + Span(1));
    assert!(!expired[0].expires_itself());
    assert_eq!(effects(expired), [id(1)]);
}

#[test]
fn one_too_many_pushes_out_the_oldest_that_is_not_on_its_way() {
    let mut lane = Lane::default();
    for n in 0..limits::OUTBOX_PER_TARGET as u32 {
        assert!(lane.push(row(n, None)).is_none());
    }
    assert_eq!(effects(lane.push(row(1_000, None))), [id(0)]);
    fly(&mut lane);
    assert_eq!(effects(lane.push(row(1_001, None))), [id(2)]);
    assert_eq!(effects(lane.finish()), [id(1)]);
}

#[test]
fn a_row_on_its_way_expires_only_when_it_comes_back() {
    let mut lane = Lane::default();
    lane.push(row(1, Some(Instant(10))));
    lane.push(row(2, Some(Instant(20))));
    fly(&mut lane);
    assert!(lane.expire(Instant(15)).is_empty());
    assert_eq!(lane.next(Instant(15)), Next::At(Instant(21)));
    lane.again(Instant(30));
    assert_eq!(effects(lane.expire(Instant(15))), [id(1)]);
}

#[test]
fn the_head_holds_back_those_behind_it_until_it_is_due() {
    let mut lane = Lane::default();
    lane.push(row(1, None));
    lane.push(row(2, None));
    fly(&mut lane);
    lane.again(Instant(50));
    assert_eq!(lane.next(Instant(49)), Next::At(Instant(50)));
    assert_eq!(lane.next(Instant(50)), Next::Start);
    assert_eq!(lane.head().map(|row| row.outgoing.effect), Some(id(1)));
}

#[test]
fn a_withdrawn_row_leaves_unless_it_is_on_its_way() {
    let mut lane = Lane::default();
    lane.push(row(1, None));
    lane.push(row(2, None));
    fly(&mut lane);
    assert!(lane.withdraw(id(1)).is_none());
    assert_eq!(effects(lane.withdraw(id(2))), [id(2)]);
    assert_eq!(lane.rows.len(), 1);
    assert!(!lane.is_empty());
}

#[test]
fn a_row_that_is_planned_for_later_holds_nobody_back_and_keeps_its_turn() {
    let planned = |n, due| {
        let row = row(n, None);
        Row::new(OutboxRow { outgoing: (*row.outgoing).clone(), attempts: 0, due: Instant(due) })
    };
    let mut lane = Lane::default();
    lane.push(planned(1, 100));
    lane.push(planned(2, 50));
    lane.push(row(3, None));
    lane.push(row(4, None));
    assert_eq!(lane.next(Instant(1)), Next::Start);
    assert_eq!(effects(lane.rows.drain(..)), [id(3), id(4), id(2), id(1)]);
    lane.push(planned(1, 100));
    assert_eq!(lane.next(Instant(99)), Next::At(Instant(100)));
    assert_eq!(lane.next(Instant(100)), Next::Start);
    fly(&mut lane);
    lane.push(planned(2, 50));
    assert_eq!(effects(lane.rows.drain(..)), [id(1), id(2)], "not before what is on its way");
}
