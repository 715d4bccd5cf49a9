//! `sun`: sunrise, sunset, dawn and dusk of a place.
//!
//! Each solar day gives exactly one instant: that of the event, or solar noon where the sun does not cross the event's
//! height on that day. A rule is then told once a day that the sun stays up or down, and nothing is lost at either end.

use chrono::{Days, NaiveDate};
use model::trigger::{Sun, SunEvent};
use model::{Instant, Name, Value};
use sunrise::{Coordinates, DawnType, SolarDay, SolarEvent};

use crate::calendar;

/// The host's place is not on the Earth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the site is not on the Earth: latitude −90 to 90 and longitude −180 to 180, in degrees")]
pub struct SunError;

/// When an event comes at a place.
#[derive(Debug, Clone)]
pub(crate) struct Almanac {
    place: Coordinates,
    event: SunEvent,
    /// Microseconds.
    offset: i64,
}

impl Almanac {
    pub(crate) fn new(sun: &Sun) -> Result<Self, SunError> {
        let place = Coordinates::new(sun.latitude, sun.longitude).ok_or(SunError)?;
        Ok(Self { place, event: sun.event, offset: sun.offset })
    }

    /// The first instant after `after` at which it comes.
    pub(crate) fn next(&self, after: Instant) -> Option<Instant> {
        self.days_near(after)?.map(|(at, _)| at).find(|at| *at > after)
    }

    /// What happens at an instant that [`Almanac::next`] gave: the event, `polar-day` or `polar-night`.
    pub(crate) fn word(&self, due: Instant) -> Name {
        let day = self.days_near(due).and_then(|mut days| days.find(|(at, _)| *at == due));
        Name::from(day.map_or(self.event.word(), |(_, word)| word))
    }

    /// The solar days around an instant, in order.
    fn days_near(&self, at: Instant) -> Option<impl Iterator<Item = (Instant, &'static str)> + '_> {
        // A solar day lies within a day of the date of the same name, the event within half a day of its noon, and the
        // offset moves it by another half.
        let date = calendar::naive(Instant(at.0.saturating_sub(self.offset)), chrono_tz::Tz::UTC)?.date();
        let first = date.checked_sub_days(Days::new(2))?;
        Some((0..5).filter_map(move |number| self.day(first.checked_add_days(Days::new(number))?)))
    }

    fn day(&self, date: NaiveDate) -> Option<(Instant, &'static str)> {
        let event = match self.event {
            SunEvent::Sunrise => SolarEvent::Sunrise,
            SunEvent::Sunset => SolarEvent::Sunset,
            SunEvent::Dawn => SolarEvent::Dawn(DawnType::Civil),
            SunEvent::Dusk => SolarEvent::Dusk(DawnType::Civil),
        };
        let (at, word) = match SolarDay::new(self.place, date).event_time(event) {
            Some(at) => (calendar::instant(&at), self.event.word()),
            None => {
                let midday = date.and_hms_opt(12, 0, 0)?.and_utc();
                // The sun is a degree of longitude further every four minutes.
                let noon = Instant(calendar::instant(&midday).0 - (self.place.lon() * 240e6) as i64);
                (noon, if self.stays_up(noon) { "polar-day" } else { "polar-night" })
            }
        };
        Some((Instant(at.0.saturating_add(self.offset)), word))
    }

    /// Where the sun does not cross the event's height: whether it is above it. Its mean height over the day decides:
    /// where noon and midnight are on one side, so is their mean, which is the sun's declination towards the pole.
    fn stays_up(&self, noon: Instant) -> bool {
        let height = match self.event {
            SunEvent::Sunrise | SunEvent::Sunset => -5.0 / 6.0,
            SunEvent::Dawn | SunEvent::Dusk => -6.0,
        };
        declination(noon) * self.place.lat().signum() > height
    }
}

/// Degrees north at which the sun stands overhead, to a hundredth.
fn declination(at: Instant) -> f64 {
    let days = (at.0 - J2000) as f64 / 86_400e6;
    let anomaly = (357.529 + 0.985_600_28 * days).to_radians();
    let mean = 280.459 + 0.985_647_36 * days;
    let longitude = (mean + 1.915 * libm::sin(anomaly) + 0.020 * libm::sin(2.0 * anomaly)).to_radians();
    libm::asin(libm::sin(23.439_f64.to_radians()) * libm::sin(longitude)).to_degrees()
}

/// Noon of 1 January 2000, in microseconds.
const J2000: i64 = 946_728_000_000_000;

/// What a rule learns beside the instant.
pub(crate) fn attribute(word: Name) -> (Name, Value) {
    (Name::from("sun"), Value::Text(word))
}

#[cfg(test)]
mod tests;
