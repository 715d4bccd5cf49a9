//! The sun against published tables, to two minutes; and where it does not rise or set.

use model::Span;
use model::effect::Overdue;

use super::*;

fn almanac(event: SunEvent, latitude: f64, longitude: f64) -> Almanac {
    let sun = Sun { event, offset: 0, latitude, longitude, overdue: Overdue::default() };
    Almanac::new(&sun).expect("a place")
}

fn instant(text: &str) -> Instant {
    text.parse().expect("an instant")
}

/// Published times in UTC: sunrise and sunset of a place on a date.
const TABLE: [(&str, f64, f64, &str, &str); 8] = [
    ("Berlin, longest day", 52.52, 13.405, "2025-06-21T02:43:00Z", "2025-06-21T19:33:00Z"),
    ("Berlin, shortest day", 52.52, 13.405, "2025-12-21T07:15:00Z", "2025-12-21T14:54:00Z"),
    ("Greenwich, equinox", 51.4779, 0.0, "2025-03-20T06:03:00Z", "2025-03-20T18:14:00Z"),
    ("New York, 4 July", 40.7128, -74.006, "2025-07-04T09:29:00Z", "2025-07-05T00:31:00Z"),
    ("Sydney, new year", -33.8688, 151.2093, "2024-12-31T18:48:00Z", "2025-01-01T09:09:00Z"),
    ("Quito, equinox", -0.1807, -78.4678, "2025-09-22T11:03:00Z", "2025-09-22T23:10:00Z"),
    ("Reykjavik, longest day", 64.1466, -21.9426, "2025-06-21T02:55:00Z", "2025-06-22T00:04:00Z"),
    ("Tokyo, new year", 35.6762, 139.6503, "2024-12-31T21:51:00Z", "2025-01-01T07:38:00Z"),
];

#[test]
fn sunrise_and_sunset_are_those_of_the_tables_to_two_minutes() {
    for (what, latitude, longitude, sunrise, sunset) in TABLE {
        for (event, published) in [(SunEvent::Sunrise, sunrise), (SunEvent::Sunset, sunset)] {
            let published = instant(published);
            let before = published.before(Span::from_hours(3));
            let computed = almanac(event, latitude, longitude).next(before).expect("it comes");
            let off = (computed - published).abs();
            // A table is rounded to the minute.
            assert!(off <= 150_000_000, "{what}, {event:?}: {computed}, published {published}");
        }
    }
}

#[test]
fn dawn_and_dusk_are_civil() {
    for (event, published) in [(SunEvent::Dawn, "2025-03-20T05:30:00Z"), (SunEvent::Dusk, "2025-03-20T18:47:00Z")] {
        let published = instant(published);
        let computed = almanac(event, 51.4779, 0.0).next(published.before(Span::from_hours(3))).expect("it comes");
        assert!((computed - published).abs() <= 150_000_000, "{event:?}: {computed}");
    }
}

/// Every event of a year with its word.
fn year(almanac: &Almanac) -> Vec<(Instant, Name)> {
    let end = instant("2026-01-01T00:00:00Z");
    let mut events = Vec::new();
    let mut at = instant("2025-01-01T00:00:00Z");
    while let Some(next) = almanac.next(at).filter(|next| *next < end) {
        assert!(next > at);
        events.push((next, almanac.word(next)));
        at = next;
    }
    events
}

#[test]
fn each_solar_day_has_one_event_wherever_it_is() {
    for latitude in [-90.0, -78.0, -66.6, -33.0, 0.0, 45.0, 65.5, 66.6, 69.65, 85.0, 90.0] {
        for longitude in [-180.0, -179.9, -75.0, 0.0, 18.96, 151.2, 180.0] {
            for event in [SunEvent::Sunrise, SunEvent::Sunset, SunEvent::Dawn, SunEvent::Dusk] {
                let events = year(&almanac(event, latitude, longitude));
                assert!((364..=366).contains(&events.len()), "{latitude},{longitude} {event:?}: {}", events.len());
            }
        }
    }
}

#[test]
fn the_polar_night_and_day_of_tromso_are_told_at_noon() {
    let events = year(&almanac(SunEvent::Sunrise, 69.6492, 18.9553));
    let days = |word: &str| {
        let of: Vec<_> = events.iter().filter(|(_, known)| &**known == word).map(|(at, _)| at.to_string()).collect();
        (of.first().map(|at| at[..10].to_owned()), of.last().map(|at| at[..10].to_owned()), of.len())
    };
    // Published: the sun is up from 18 May to 26 July, and down from 27 November to 15 January.
    let (first, last, count) = days("polar-day");
    assert!((65..=72).contains(&count), "{first:?} to {last:?}: {count}");
    assert!(first.is_some_and(|first| ("2025-05-16".to_owned().."2025-05-21".to_owned()).contains(&first)));
    let (.., nights) = days("polar-night");
    assert!((45..=52).contains(&nights), "{nights}");
    let noon = events.iter().find(|(_, word)| &**word == "polar-day").map(|(at, _)| at.to_string());
    assert!(noon.is_some_and(|noon| noon[11..].starts_with("10:44")), "solar noon at 19 degrees east");
}

#[test]
fn an_offset_moves_all_of_it() {
    for offset in [-43_200_000_000, -1_800_000_000, 43_200_000_000] {
        let sun = Sun { event: SunEvent::Sunset, offset, latitude: 69.6, longitude: 19.0, overdue: Overdue::default() };
        let moved = year(&Almanac::new(&sun).expect("a place"));
        let plain = almanac(SunEvent::Sunset, 69.6, 19.0);
        for (at, word) in &moved {
            let event = Instant(at.0 - offset);
            assert_eq!((plain.next(event.before(Span(1))), plain.word(event)), (Some(event), word.clone()));
        }
    }
}

#[test]
fn a_place_off_the_earth_is_refused() {
    let sun = Sun { event: SunEvent::Dawn, offset: 0, latitude: 90.1, longitude: 0.0, overdue: Overdue::default() };
    assert!(Almanac::new(&sun).is_err());
}
