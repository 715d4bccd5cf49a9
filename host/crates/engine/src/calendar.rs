//! Civil time from the host's zone data: what rules ask through the `calendar` interface and schedules compute with.

use chrono::{
    DateTime, Datelike as _, LocalResult, NaiveDate, NaiveDateTime, Offset as _, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;
use model::guest::{Civil, Pass};
use model::{Instant, Span};

/// The version of the zone data that this build carries.
pub const ZONES: &str = chrono_tz::IANA_TZDB_VERSION;

/// The zone of this IANA name.
#[must_use]
pub fn zone(name: &str) -> Option<Tz> {
    name.parse().ok()
}

/// Civil time of an instant.
#[must_use]
pub fn local(at: Instant, zone: Tz) -> Option<Civil> {
    let at = utc(at)?.with_timezone(&zone);
    Some(Civil {
        year: at.year(),
        month: small(at.month()),
        day: small(at.day()),
        hour: small(at.hour()),
        minute: small(at.minute()),
        second: small(at.second()),
        weekday: small(at.weekday().number_from_monday()),
        offset_minutes: at.offset().fix().local_minus_utc() / 60,
    })
}

/// The instant of a civil time; none where the zone skips it or no such date exists.
#[must_use]
pub fn instant_of(civil: Civil, zone: Tz, pass: Pass) -> Option<Instant> {
    let date = NaiveDate::from_ymd_opt(civil.year, civil.month.into(), civil.day.into())?;
    let time = date.and_hms_opt(civil.hour.into(), civil.minute.into(), civil.second.into())?;
    match (zone.from_local_datetime(&time), pass) {
        (LocalResult::None, _) => None,
        (LocalResult::Single(at) | LocalResult::Ambiguous(at, _), Pass::First)
        | (LocalResult::Single(at) | LocalResult::Ambiguous(_, at), Pass::Last) => Some(instant(&at)),
    }
}

/// The first instant after a gap that holds the civil time `skipped`.
pub(crate) fn end_of_gap(skipped: NaiveDateTime, zone: Tz) -> Option<Instant> {
    // Gaps lie within a day of the skipped time; the first civil minute that exists after it ends the gap.
    (0..=24 * 60).find_map(|minutes| {
        let later = skipped.checked_add_signed(chrono::TimeDelta::minutes(minutes))?;
        let later = later.with_second(0)?;
        match zone.from_local_datetime(&later) {
            LocalResult::None => None,
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(instant(&at)),
        }
    })
}

/// The civil time of an instant, as a date and time without a zone.
pub(crate) fn naive(at: Instant, zone: Tz) -> Option<NaiveDateTime> {
    Some(utc(at)?.with_timezone(&zone).naive_local())
}

/// East of UTC, in seconds.
pub(crate) fn offset(at: Instant, zone: Tz) -> Option<i32> {
    Some(utc(at)?.with_timezone(&zone).offset().fix().local_minus_utc())
}

/// Whether the zone's offset changes within `span` of `at` to either side.
pub(crate) fn changes_near(at: Instant, span: Span, zone: Tz) -> bool {
    let here = offset(at, zone);
    offset(at.before(span), zone) != here || offset(at + span, zone) != here
}

pub(crate) fn instant<Z: chrono::TimeZone>(at: &DateTime<Z>) -> Instant {
    Instant(at.timestamp_micros())
}

fn utc(at: Instant) -> Option<DateTime<Utc>> {
    Utc.timestamp_micros(at.0).single()
}

fn small(number: u32) -> u8 {
    u8::try_from(number).expect("a part of a civil time is at most 60")
}
