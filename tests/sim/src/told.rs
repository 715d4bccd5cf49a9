//! The rules that answer with what woke them: schedules of every policy, and conditions of many kinds.

use model::effect::Overdue;
use model::event::{Cause, Event};
use model::trigger::{Gap, Kind, Predicate, Schedule, Spring, Test};
use model::window::{Aggregate, By, Frame, Window};
use model::{Span, Trigger, limits};

use crate::world::capability;

/// What each schedule does when it is late, by the trigger's name.
pub(crate) const POLICIES: [(&str, Overdue); 3] =
    [("always", Overdue::Fire), ("soon", Overdue::FireWithin(Span::from_secs(12))), ("never", Overdue::Skip)];
/// Seconds between two instants of each of them.
pub(crate) const EVERY: u64 = 10;
/// The hold that ends with whatever is unknown.
pub(crate) const RESET: &str = "reset";
/// How long each hold is.
pub(crate) const FOR: Span = Span::from_secs(8);
/// A probe that is warmer than this, in degrees Celsius, is warm.
pub(crate) const WARM: f64 = 22.0;

/// Schedules of every policy.
pub(crate) fn schedules() -> Vec<Trigger> {
    let schedule = |(name, overdue): (&str, Overdue)| Trigger {
        name: name.into(),
        role: None,
        kind: Kind::Schedule(Schedule {
            cron: format!("*/{EVERY} * * * * *").into(),
            zone: "Europe/Berlin".into(),
            overdue,
            spring: Spring::After,
            autumn: None,
        }),
    };
    POLICIES.map(schedule).into()
}

/// Triggers that tell again what holds.
pub(crate) const LEVELS: [&str; 1] = ["level"];

/// Conditions of many kinds over the temperature of a probe.
pub(crate) fn conditions() -> Vec<Trigger> {
    let held = |gap: Gap, stale: Option<Span>, keep: bool| Kind::Held {
        when: warm(),
        duration: FOR,
        stale,
        gap,
        gap_max: limits::GAP_MAX,
        snapshot: false,
        keep,
    };
    let window = |aggregate: Aggregate, above: f64, size: Span, lateness: Span| {
        Kind::Window(Box::new(Window {
            capability: capability("temperature"),
            aggregate,
            frame: Frame::Sliding { size, advance: size },
            when: Some(Test::Above(above)),
            lateness,
            by: By::Device,
            snapshot: false,
        }))
    };
    let stale = Some(Span::from_secs(15));
    let all = [
        (RESET, held(Gap::Reset, None, false)),
        ("stale", held(Gap::Reset, stale, false)),
        ("pause", held(Gap::Pause, stale, false)),
        ("level", held(Gap::Continue, stale, true)),
        ("silence", Kind::Silence { duration: Span::from_secs(20) }),
        ("mean", window(Aggregate::Mean, WARM, Span::from_secs(20), Span::from_secs(10))),
        ("many", window(Aggregate::Count, 1.5, Span::from_secs(5), Span::ZERO)),
    ];
    all.map(|(name, kind)| Trigger { name: name.into(), role: Some("probe".into()), kind }).into()
}

pub(crate) fn warm() -> Predicate {
    Predicate::Test { role: None, capability: capability("temperature"), test: Test::Above(WARM) }
}

/// What the rule publishes about its event, in two numbers: when a schedule was due and how many of its instants are in
/// this one; since when a condition has held and when it was decided.
pub(crate) fn numbers(event: &Event) -> Option<[i64; 2]> {
    match &event.cause {
        Cause::Schedule(tick) => Some([tick.due.0, tick.missed.into()]),
        Cause::Condition(condition) => Some([condition.since.0, event.occurred_at.0]),
        _ => None,
    }
}
