//! Schedules at every change of every zone's clocks from 2025 to 2030, against a walk over all minutes around it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta, Timelike as _};
use chrono_tz::{TZ_VARIANTS, Tz};
use model::trigger::Autumn;

use super::*;
use crate::calendar;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Minutes to either side of a change that are looked at.
const AROUND: i64 = 5 * 60;

/// Each change once: zones that do the same at the same instant are one.
fn changes() -> BTreeMap<(i64, i32, i32), Tz> {
    let start: Instant = "2025-01-01T00:00:00Z".parse().expect("an instant");
    let end: Instant = "2031-01-01T00:00:00Z".parse().expect("an instant");
    let mut changes = BTreeMap::new();
    for zone in TZ_VARIANTS {
        let offset = |at: i64| calendar::offset(Instant(at), zone).expect("an offset");
        for day in (start.0..end.0).step_by(usize::try_from(DAY).expect("a day")) {
            let (mut before, mut after) = (day, day + DAY);
            if offset(before) == offset(after) {
                continue;
            }
            while after - before > MINUTE {
                let middle = before + (after - before) / MINUTE / 2 * MINUTE;
                if offset(middle) == offset(before) { before = middle } else { after = middle }
            }
            changes.insert((after, offset(before), offset(after)), zone);
        }
    }
    changes
}

/// What a schedule means around a change: each civil minute that it names, at its instant or instants.
fn meant(
    zone: Tz,
    change: i64,
    names: impl Fn(NaiveDateTime) -> bool,
    spring: Spring,
    autumn: Autumn,
) -> BTreeSet<i64> {
    let civil = |at: i64| calendar::naive(Instant(at), zone).expect("civil time");
    let mut instants: BTreeMap<NaiveDateTime, Vec<i64>> = BTreeMap::new();
    for minute in -AROUND..AROUND {
        let at = change + minute * MINUTE;
        if names(civil(at)) {
            instants.entry(civil(at)).or_default().push(at);
        }
    }
    let mut meant = BTreeSet::new();
    for passes in instants.into_values() {
        match autumn {
            Autumn::First => meant.extend(passes.first()),
            Autumn::Last => meant.extend(passes.last()),
            Autumn::Both => meant.extend(passes),
        }
    }
    let mut skipped = civil(change - MINUTE) + TimeDelta::minutes(1);
    while skipped < civil(change) {
        if names(skipped) && spring == Spring::After {
            meant.insert(change);
        }
        skipped += TimeDelta::minutes(1);
    }
    meant
}

fn computed(zone: Tz, change: i64, cron: &str, spring: Spring, autumn: Autumn) -> Vec<i64> {
    let schedule =
        Schedule { cron: cron.into(), zone: zone.name().into(), overdue: Overdue::Fire, spring, autumn: Some(autumn) };
    let calendar = crate::Calendar::new(&schedule).expect("a schedule");
    let mut at = Instant(change - AROUND * MINUTE - 1);
    let mut computed = Vec::new();
    while let Some(next) = calendar.next(at).filter(|next| next.0 < change + AROUND * MINUTE) {
        assert!(next > at, "{cron} in {zone} goes back at {next}");
        computed.push(next.0);
        at = next;
    }
    computed
}

#[test]
fn no_change_of_any_zone_loses_or_doubles_a_schedule() {
    let changes = changes();
    assert!(changes.len() > 200, "{} changes", changes.len());
    for ((change, before, after), zone) in changes {
        // A fixed time within what is skipped or comes twice.
        let middle = Instant(change + i64::from(before - after) * 1_000_000 / 2);
        let inside = calendar::naive(middle, zone).expect("civil time");
        let inside = if after > before {
            calendar::naive(Instant(change - MINUTE), zone).expect("civil time") + TimeDelta::minutes(16)
        } else {
            inside
        };
        let (hour, minute) = (inside.hour(), inside.minute());
        let fixed = move |civil: NaiveDateTime| (civil.hour(), civil.minute()) == (hour, minute);
        let half_hours = |civil: NaiveDateTime| civil.minute().is_multiple_of(30);
        for (spring, autumn) in
            [(Spring::After, Autumn::First), (Spring::Skip, Autumn::Last), (Spring::After, Autumn::Both)]
        {
            let cron = format!("{minute} {hour} * * *");
            let expected: Vec<_> = meant(zone, change, fixed, spring, autumn).into_iter().collect();
            let case = format!("{cron} in {zone} at {}, {spring:?}, {autumn:?}", Instant(change));
            assert_eq!(computed(zone, change, &cron, spring, autumn), expected, "{case}");
            let expected: Vec<_> = meant(zone, change, half_hours, spring, autumn).into_iter().collect();
            assert_eq!(computed(zone, change, "*/30 * * * *", spring, autumn), expected, "half hours: {case}");
        }
    }
}
