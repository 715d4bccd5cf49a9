//! The tally: decisions counted by deployment, device, person and hour of day, and along time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use model::{Decision, Instant, Name};

use crate::difference::{Class, device, person};
use crate::report::{Bar, Counts, Named};

/// Microseconds of a minute: the finest bar of the timeline.
const MINUTE: i64 = 60_000_000;
/// Most bars of a timeline: more cannot be told apart on paper.
const BARS: i64 = 96;
/// Lengths of a bar in minutes.
const LENGTHS: [i64; 14] = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 10_080, 43_200, 525_600];

pub(crate) struct Tally {
    zone: Tz,
    pub(crate) total: Counts,
    deployments: BTreeMap<Name, Counts>,
    devices: BTreeMap<Name, Counts>,
    people: BTreeMap<Name, Counts>,
    pub(crate) hours: [Counts; 24],
    /// By minute: of the old run, of the new one.
    minutes: BTreeMap<i64, (u64, u64)>,
}

impl Tally {
    /// `zone` is an IANA name; one that does not exist is taken as UTC.
    pub(crate) fn new(zone: &str) -> Self {
        Self {
            zone: zone.parse().unwrap_or(Tz::UTC),
            total: Counts::default(),
            deployments: BTreeMap::new(),
            devices: BTreeMap::new(),
            people: BTreeMap::new(),
            hours: [Counts::default(); 24],
            minutes: BTreeMap::new(),
        }
    }

    pub(crate) fn zone(&self) -> Name {
        Name::from(self.zone.name())
    }

    pub(crate) fn same(&mut self, decision: &Decision) {
        self.count(decision, |counts| {
            counts.old += 1;
            counts.new += 1;
            counts.same += 1;
        });
        self.along(decision.at, (1, 1));
    }

    /// `new` is the decision's other self in the new run, where it has one.
    pub(crate) fn differ(&mut self, class: Class, decision: &Decision, new: Option<&Decision>) {
        self.count(decision, |counts| {
            let count = match class {
                Class::Removed => &mut counts.removed,
                Class::Added => &mut counts.added,
                Class::Moved => &mut counts.moved,
                Class::Changed => &mut counts.changed,
            };
            *count += 1;
            counts.old += u64::from(class != Class::Added);
            counts.new += u64::from(class != Class::Removed);
        });
        match class {
            Class::Added => self.along(decision.at, (0, 1)),
            Class::Removed => self.along(decision.at, (1, 0)),
            Class::Moved | Class::Changed => {
                self.along(decision.at, (1, 0));
                self.along(new.unwrap_or(decision).at, (0, 1));
            }
        }
    }

    fn count(&mut self, decision: &Decision, add: impl Fn(&mut Counts)) {
        add(&mut self.total);
        add(&mut self.hours[self.hour(decision.at)]);
        add(self.deployments.entry(decision.deployment.clone()).or_default());
        if let Some(device) = device(decision) {
            add(self.devices.entry(device).or_default());
        }
        if let Some(person) = person(decision) {
            add(self.people.entry(person).or_default());
        }
    }

    fn along(&mut self, at: Instant, (old, new): (u64, u64)) {
        let minute = self.minutes.entry(at.0.div_euclid(MINUTE)).or_default();
        minute.0 += old;
        minute.1 += new;
    }

    fn hour(&self, at: Instant) -> usize {
        let utc = DateTime::from_timestamp_micros(at.0).unwrap_or_default();
        self.zone.from_utc_datetime(&utc.naive_utc()).hour() as usize
    }

    pub(crate) fn deployments(&self) -> Vec<Named> {
        ranked(&self.deployments)
    }

    pub(crate) fn devices(&self) -> Vec<Named> {
        ranked(&self.devices)
    }

    pub(crate) fn people(&self) -> Vec<Named> {
        ranked(&self.people)
    }

    /// The timeline over a range, and the length of its bars in seconds. Decisions about an earlier or later instant,
    /// such as one that a late reading caused, lie in the first or last bar.
    pub(crate) fn timeline(&self, from: Instant, to: Instant) -> (Vec<Bar>, i64) {
        let (first, last) = (from.0.div_euclid(MINUTE), to.0.div_euclid(MINUTE));
        let minutes = (last - first + 1).max(1);
        let fits = |length: &&i64| minutes.div_euclid(**length) < BARS;
        let length = *LENGTHS.iter().find(fits).unwrap_or(&LENGTHS[LENGTHS.len() - 1]);
        let start = first.div_euclid(length);
        let count = usize::try_from(last.max(first).div_euclid(length) - start + 1).unwrap_or(1);
        let at = |index: i64| Instant((start + index).saturating_mul(length * MINUTE));
        let mut bars: Vec<Bar> = (0..).take(count).map(|index| Bar { at: at(index), old: 0, new: 0 }).collect();
        for (minute, (old, new)) in &self.minutes {
            let index = usize::try_from(minute.div_euclid(length) - start).unwrap_or(0).min(count - 1);
            bars[index].old += old;
            bars[index].new += new;
        }
        (bars, length * 60)
    }
}

/// Those with the most differences first.
fn ranked(counts: &BTreeMap<Name, Counts>) -> Vec<Named> {
    let mut rows: Vec<Named> =
        counts.iter().map(|(name, counts)| Named { name: name.clone(), counts: *counts }).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.counts.differing(), row.counts.old.max(row.counts.new))));
    rows
}
