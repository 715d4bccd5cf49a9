//! Schedules: cron in a zone, computed on civil time and mapped to instants with a stated policy for both DST changes.
//!
//! The `cron` crate computes on a clock without gaps or folds (local time taken for UTC); what happens where the zone
//! has them is decided here. Its own numbering of week days (1 is Sunday) is translated from Unix (1 is Monday, 0 and 7
//! are Sunday).

use std::str::FromStr as _;

use chrono::{NaiveDateTime, NaiveTime, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;
use cron::TimeUnitSpec as _;
use model::trigger::{Autumn, Schedule, Spring};
use model::{Instant, Name, Span};

use crate::calendar;

/// A cron expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("`{0}` has {1} fields: expected five (minute hour day month weekday) or six with seconds first")]
    Fields(Name, usize),
    #[error("`{0}` restricts both the day of the month and the day of the week: use two triggers")]
    BothDays(Name),
    #[error("`{0}`: `{1}` is no day of the week: use MON to SUN, or 0 to 7 with 1 for Monday")]
    Weekday(Name, String),
    #[error("`{0}` is no cron expression: {1}")]
    Cron(Name, String),
    #[error("`{0}` never comes")]
    Never(Name),
    #[error("unknown time zone `{0}`: use an IANA name such as Europe/Berlin")]
    Zone(Name),
}

/// A schedule, ready to say when it comes next.
#[derive(Debug, Clone)]
pub struct Calendar {
    cron: cron::Schedule,
    zone: Tz,
    spring: Spring,
    autumn: Autumn,
}

/// No zone moves its clocks by more than this at once.
const LARGEST_CHANGE: Span = Span::from_hours(3);
const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

impl Calendar {
    /// # Errors
    /// When the expression or the zone does not parse, or the expression names no time that exists.
    pub fn new(schedule: &Schedule) -> Result<Self, ScheduleError> {
        let text = &schedule.cron;
        let zone = calendar::zone(&schedule.zone).ok_or_else(|| ScheduleError::Zone(schedule.zone.clone()))?;
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        match fields.len() {
            5 => fields.insert(0, "0"),
            6 => {}
            count => return Err(ScheduleError::Fields(text.clone(), count)),
        }
        let free = |field: &str| field == "*" || field == "?";
        if !free(fields[3]) && !free(fields[5]) {
            return Err(ScheduleError::BothDays(text.clone()));
        }
        let weekdays = weekdays(fields[5], text)?;
        let wildcard_hour = fields[2].contains('*');
        fields[5] = &weekdays;
        let cron = cron::Schedule::from_str(&fields.join(" "))
            .map_err(|error| ScheduleError::Cron(text.clone(), error.to_string()))?;
        let default = if wildcard_hour { Autumn::Both } else { Autumn::First };
        let this = Self { cron, zone, spring: schedule.spring, autumn: schedule.autumn.unwrap_or(default) };
        // 29 February comes at most eight years apart; what has not come in that time never does.
        let ever = this.cron.after(&Utc.timestamp_opt(1_577_836_800, 0).single().expect("2020 exists")).next();
        ever.map(|_| this).ok_or_else(|| ScheduleError::Never(text.clone()))
    }

    /// The first instant after `after` at which it comes.
    #[must_use]
    pub fn next(&self, after: Instant) -> Option<Instant> {
        let local = calendar::naive(after, self.zone)?;
        if !calendar::changes_near(after, LARGEST_CHANGE, self.zone) {
            // No change of offset near: civil order is the order of instants.
            return self
                .from(local)
                .find_map(|civil| self.instants(civil).into_iter().flatten().find(|at| *at > after));
        }
        // Near a change the second pass of one civil time comes after the first pass of later ones: look at all within
        // the largest change, take the earliest.
        let margin = chrono::TimeDelta::microseconds(i64::try_from(LARGEST_CHANGE.0).expect("three hours fit"));
        let mut best: Option<Instant> = None;
        for civil in self.from(local - margin) {
            if best.is_some() && civil > local + margin {
                break;
            }
            for at in self.instants(civil).into_iter().flatten().filter(|at| *at > after) {
                best = Some(best.map_or(at, |best| best.min(at)));
            }
        }
        best
    }

    /// How many civil times lie after `after` up to and with `until`, as if no clock were changed in between: a step for
    /// each day, however often it comes on it.
    pub(crate) fn count(&self, after: Instant, until: Instant) -> u32 {
        let civil = (calendar::naive(after, self.zone), calendar::naive(until, self.zone));
        let (Some(mut after), Some(until)) = civil else { return 0 };
        let mut count = 0_u32;
        while let Some(first) = self.from(after).next().filter(|first| *first <= until) {
            let day_ends = first.date().and_time(NaiveTime::from_hms_opt(23, 59, 59).expect("it exists"));
            let of_day = self.rank(until.min(day_ends)) - self.rank(first) + 1;
            count = count.saturating_add(of_day);
            after = day_ends;
        }
        count
    }

    /// How many times of a day on which it comes lie up to and with this one.
    fn rank(&self, civil: NaiveDateTime) -> u32 {
        let (hours, minutes, seconds) = (self.cron.hours(), self.cron.minutes(), self.cron.seconds());
        let mut rank = how_many(hours.range(..civil.hour())) * minutes.count() * seconds.count();
        if hours.includes(civil.hour()) {
            rank += how_many(minutes.range(..civil.minute())) * seconds.count();
            if minutes.includes(civil.minute()) {
                rank += how_many(seconds.range(..=civil.second()));
            }
        }
        rank
    }

    /// Civil times strictly after `from`.
    fn from(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
        self.cron.after_owned(Utc.from_utc_datetime(&from)).map(|civil| civil.naive_utc())
    }

    /// The instants of a civil time under the policies: none, one or two.
    fn instants(&self, civil: NaiveDateTime) -> [Option<Instant>; 2] {
        use chrono::LocalResult;
        match self.zone.from_local_datetime(&civil) {
            LocalResult::Single(at) => [Some(calendar::instant(&at)), None],
            LocalResult::Ambiguous(first, last) => match self.autumn {
                Autumn::First => [Some(calendar::instant(&first)), None],
                Autumn::Last => [Some(calendar::instant(&last)), None],
                Autumn::Both => [Some(calendar::instant(&first)), Some(calendar::instant(&last))],
            },
            LocalResult::None => match self.spring {
                Spring::After => [calendar::end_of_gap(civil, self.zone), None],
                Spring::Skip => [None, None],
            },
        }
    }
}

/// How many numbers of a field these are.
fn how_many(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.map(|_| 1).sum()
}

/// The week-day field in names, ranges spelt out, so that no numbering is left to interpret.
fn weekdays(field: &str, text: &Name) -> Result<String, ScheduleError> {
    if field == "*" || field == "?" {
        return Ok("*".to_owned());
    }
    let bad = |part: &str| ScheduleError::Weekday(text.clone(), part.to_owned());
    let day = |part: &str| match part.parse::<usize>() {
        Ok(number) if number <= 7 => Ok(number),
        Ok(_) => Err(bad(part)),
        Err(_) => {
            let name = part.get(..3).unwrap_or(part).to_ascii_uppercase();
            WEEKDAYS[..7].iter().position(|known| *known == name).ok_or_else(|| bad(part))
        }
    };
    let mut days = [false; 7];
    for part in field.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step = step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(|| bad(part))?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((from, to)) => (day(from)?, day(to)?),
            None => (day(range)?, day(range)?),
        };
        let to = if to < from { to + 7 } else { to };
        (from..=to).step_by(step).for_each(|number| days[number % 7] = true);
    }
    let named = days.iter().zip(WEEKDAYS).filter(|(on, _)| **on).map(|(_, name)| name);
    Ok(named.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::effect::Overdue;

    fn schedule(cron: &str) -> Schedule {
        Schedule {
            cron: cron.into(),
            zone: "Europe/Berlin".into(),
            overdue: Overdue::default(),
            spring: Spring::After,
            autumn: None,
        }
    }

    #[track_caller]
    fn check(schedule: &Schedule, after: &str, expected: &[&str]) {
        let calendar = Calendar::new(schedule).expect("a schedule");
        let mut at: Instant = after.parse().expect("an instant");
        for wanted in expected {
            at = calendar.next(at).expect("a next time");
            assert_eq!(at.to_string(), *wanted, "{}", schedule.cron);
        }
    }

    #[test]
    fn one_is_monday_and_ranges_may_run_over_sunday() {
        check(&schedule("0 7 * * 1-5"), "2026-11-20T12:00:00Z", &["2026-11-23T06:00:00Z", "2026-11-24T06:00:00Z"]);
        check(&schedule("0 7 * * 6-7"), "2026-11-20T12:00:00Z", &["2026-11-21T06:00:00Z", "2026-11-22T06:00:00Z"]);
        check(&schedule("0 7 * * sun"), "2026-11-20T12:00:00Z", &["2026-11-22T06:00:00Z", "2026-11-29T06:00:00Z"]);
    }

    #[test]
    fn a_time_that_does_not_exist_comes_at_the_end_of_the_gap() {
        check(&schedule("30 2 * * *"), "2027-03-27T12:00:00Z", &["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]);
        let skip = Schedule { spring: Spring::Skip, ..schedule("30 2 * * *") };
        check(&skip, "2027-03-27T12:00:00Z", &["2027-03-29T00:30:00Z"]);
    }

    #[test]
    fn a_fixed_hour_comes_once_in_autumn_and_a_wildcard_twice() {
        check(&schedule("30 2 * * *"), "2027-10-30T12:00:00Z", &["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]);
        let last = Schedule { autumn: Some(Autumn::Last), ..schedule("30 2 * * *") };
        check(&last, "2027-10-30T12:00:00Z", &["2027-10-31T01:30:00Z", "2027-11-01T01:30:00Z"]);
        check(
            &schedule("*/30 * * * *"),
            "2027-10-30T23:40:00Z",
            &["2027-10-31T00:00:00Z", "2027-10-31T00:30:00Z", "2027-10-31T01:00:00Z", "2027-10-31T01:30:00Z"],
        );
    }

    #[test]
    fn what_is_counted_by_the_calendar_is_what_comes() {
        for cron in ["* * * * *", "*/7 3-5 * * MON", "0 0 1 * *", "20,40 15 */2 * * *", "* 30 12 * * 6-7"] {
            let calendar = Calendar::new(&schedule(cron)).expect("a schedule");
            let mut at: Instant = "2026-02-10T12:34:56Z".parse().expect("an instant");
            let from = at;
            for count in 1..500 {
                at = calendar.next(at).expect("a next time");
                let changed = at > "2026-03-28T00:00:00Z".parse().expect("an instant");
                if changed {
                    break;
                }
                assert_eq!(calendar.count(from, at), count, "{cron} up to {at}");
                assert_eq!(calendar.count(from, Instant(at.0 - 1_000_000)), count - 1, "{cron} before {at}");
            }
        }
    }

    #[test]
    fn expressions_that_mean_two_things_are_refused() {
        let error = |cron: &str| Calendar::new(&schedule(cron)).map(|_| ()).map_err(|e| e.to_string());
        assert!(error("0 0 13 * 5").is_err_and(|e| e.contains("both the day")));
        assert!(error("0 0 * *").is_err_and(|e| e.contains("4 fields")));
        assert!(error("0 0 * * 8").is_err_and(|e| e.contains("`8` is no day")));
        assert!(error("0 0 30 2 *").is_err_and(|e| e.contains("never comes")));
        let nowhere = Schedule { zone: "Europe/Berlim".into(), ..schedule("0 0 * * *") };
        assert!(Calendar::new(&nowhere).is_err());
    }
}
