//! Answers that nobody has published, computed here in the plainest way from the rows themselves: no state is carried
//! from one row to the next, every question goes back to the beginning.

use std::collections::BTreeMap;

use model::{Instant, Phase};
use serde_json::Value;

use crate::converters::Line;

/// One answer and the trigger of our rule that must give it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Computed {
    /// What it says, in words; ends in the phase.
    pub(crate) rule: &'static str,
    pub(crate) trigger: &'static str,
    pub(crate) expected: fn(&[Line]) -> Vec<Happened>,
}

/// When, and to which device.
pub(crate) type Happened = (Instant, String);

impl Computed {
    pub(crate) fn phase(&self) -> Phase {
        if self.rule.ends_with("left") || self.rule.ends_with("ended") { Phase::Ended } else { Phase::Began }
    }
}

const MINUTE: i64 = 60_000_000;

/// A temperature logger's rows: microseconds and degrees.
fn temperatures(lines: &[Line]) -> Vec<(i64, f64)> {
    lines.iter().filter_map(|line| Some((line.at.0, line.readings.get("temperature")?.as_f64()?))).collect()
}

/// The aggregate of each window that holds a row and was over before the last row: its end and what `of` says.
fn windows(lines: &[Line], size: i64, advance: i64, of: fn(&[f64]) -> f64) -> Vec<(i64, f64)> {
    let rows = temperatures(lines);
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let mut end = (first.0 / advance) * advance;
    let mut windows = Vec::new();
    while end + advance <= last.0 {
        end += advance;
        let inside: Vec<_> =
            rows.iter().filter(|(at, _)| (end - size..end).contains(at)).map(|(_, value)| *value).collect();
        if !inside.is_empty() {
            windows.push((end, of(&inside)));
        }
    }
    windows
}

/// The ends of windows that differ from the one before: those that satisfy the condition, or those that do not.
fn turns(windows: &[(i64, f64)], holds: fn(f64) -> bool, to: bool, lines: &[Line]) -> Vec<Happened> {
    let device = lines.first().map(|line| line.device.clone()).unwrap_or_default();
    let before = |index: usize| index > 0 && holds(windows[index - 1].1);
    let turns = (0..windows.len()).filter(|index| holds(windows[*index].1) == to && before(*index) != to);
    turns.map(|index| (Instant(windows[index].0), device.clone())).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn range(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min)
}

pub(crate) fn warm_hours(lines: &[Line]) -> Vec<Happened> {
    turns(&windows(lines, 60 * MINUTE, 60 * MINUTE, mean), |mean| mean > 8.0, true, lines)
}

pub(crate) fn cool_hours(lines: &[Line]) -> Vec<Happened> {
    turns(&windows(lines, 60 * MINUTE, 60 * MINUTE, mean), |mean| mean > 8.0, false, lines)
}

pub(crate) fn swings(lines: &[Line]) -> Vec<Happened> {
    turns(&windows(lines, 360 * MINUTE, 30 * MINUTE, range), |range| range >= 10.0, true, lines)
}

/// Latitude and longitude in degrees.
type Place = (f64, f64);

const CIRCLE: Place = (53.425, -2.955);
const CORNERS: [Place; 5] = [(53.405, -2.99), (53.405, -2.965), (53.43, -2.95), (53.43, -2.985), (53.415, -2.97)];

/// Metres, by the law of haversines.
fn metres((north, east): Place, (other_north, other_east): Place) -> f64 {
    let [a, b, c, d] = [north, east, other_north, other_east].map(f64::to_radians);
    let chord = ((c - a) / 2.0).sin().powi(2) + a.cos() * c.cos() * ((d - b) / 2.0).sin().powi(2);
    12_742_017.6 * chord.sqrt().asin()
}

/// Whether a ray to the east crosses the outline an odd number of times.
fn in_polygon((north, east): Place) -> bool {
    let edges = (0..CORNERS.len()).map(|index| (CORNERS[index], CORNERS[(index + 1) % CORNERS.len()]));
    let crossed = edges.filter(|((from_north, from_east), (to_north, to_east))| {
        let between = (*from_north > north) != (*to_north > north);
        between && east < from_east + (north - from_north) / (to_north - from_north) * (to_east - from_east)
    });
    crossed.count() % 2 == 1
}

/// Each stay of each vehicle: its first fix inside, and the first one after it that is out.
fn stays(
    lines: &[Line],
    inside: impl Fn(Place) -> bool,
    outside: impl Fn(Place) -> bool,
) -> Vec<(String, i64, Option<i64>)> {
    let mut fixes: BTreeMap<&str, Vec<(i64, Place)>> = BTreeMap::new();
    for line in lines {
        let degrees =
            |key: &str| line.readings.get("position").and_then(|position| position.get(key)).and_then(Value::as_f64);
        if let (Some(latitude), Some(longitude)) = (degrees("latitude"), degrees("longitude")) {
            fixes.entry(&line.device).or_default().push((line.at.0, (latitude, longitude)));
        }
    }
    let mut stays = Vec::new();
    for (device, fixes) in fixes {
        // In a stay at a fix: some fix up to it is inside and none after that is out.
        let staying = |index: usize| {
            let since = (0..=index).rev().find(|from| outside(fixes[*from].1)).map_or(0, |out| out + 1);
            (since..=index).find(|from| inside(fixes[*from].1))
        };
        for index in 0..fixes.len() {
            if staying(index) == Some(index) {
                let left = fixes[index..].iter().find(|(_, place)| outside(*place)).map(|(at, _)| *at);
                stays.push((device.to_owned(), fixes[index].0, left));
            }
        }
    }
    stays
}

/// When stays became ones of at least `dwell`, and when those were over.
fn dwelt(lines: &[Line], stays: Vec<(String, i64, Option<i64>)>, dwell: i64, phase: Phase) -> Vec<Happened> {
    let end = lines.last().map_or(0, |line| line.at.0);
    let long = stays.into_iter().filter(|(_, since, left)| left.unwrap_or(end) >= since + dwell);
    let happened = long.filter_map(|(device, since, left)| match phase {
        Phase::Began => Some((Instant(since + dwell), device)),
        Phase::Ended => Some((Instant(left?), device)),
    });
    happened.collect()
}

fn circle(lines: &[Line], dwell: i64, phase: Phase) -> Vec<Happened> {
    let stays = stays(lines, |place| metres(place, CIRCLE) <= 500.0, |place| metres(place, CIRCLE) > 550.0);
    dwelt(lines, stays, dwell, phase)
}

fn polygon(lines: &[Line], phase: Phase) -> Vec<Happened> {
    dwelt(lines, stays(lines, in_polygon, |place| !in_polygon(place)), 0, phase)
}

pub(crate) fn entered_circle(lines: &[Line]) -> Vec<Happened> {
    circle(lines, 0, Phase::Began)
}

pub(crate) fn left_circle(lines: &[Line]) -> Vec<Happened> {
    circle(lines, 0, Phase::Ended)
}

pub(crate) fn stayed(lines: &[Line]) -> Vec<Happened> {
    circle(lines, 2 * MINUTE, Phase::Began)
}

pub(crate) fn left_after_staying(lines: &[Line]) -> Vec<Happened> {
    circle(lines, 2 * MINUTE, Phase::Ended)
}

pub(crate) fn entered_polygon(lines: &[Line]) -> Vec<Happened> {
    polygon(lines, Phase::Began)
}

pub(crate) fn left_polygon(lines: &[Line]) -> Vec<Happened> {
    polygon(lines, Phase::Ended)
}
