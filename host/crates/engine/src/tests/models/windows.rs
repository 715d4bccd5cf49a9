//! `window` by definition. Values are whole numbers, so that no sum depends on the order of its parts.

use model::trigger::Test;
use model::window::{Aggregate, By, Frame, Window};

use super::*;

fn minutes(minutes: i64) -> Span {
    Span::from_mins(minutes as u64)
}

fn kind(frame: Frame, aggregate: Aggregate, lateness: i64) -> Kind {
    let when = Some(Test::Above(6.0));
    let capability = capability("temperature");
    let lateness = minutes(lateness);
    Kind::Window(Box::new(Window { capability, aggregate, frame, when, lateness, by: By::Device, snapshot: true }))
}

fn aggregate(aggregate: Aggregate, readings: &[Report]) -> Option<f64> {
    let values = || readings.iter().map(|reading| reading.value as f64);
    let by_time = |index: usize| {
        let mut sorted = readings.to_vec();
        sorted.sort_by_key(|reading| reading.occurred);
        sorted[index].value as f64
    };
    let some = !readings.is_empty();
    match aggregate {
        Aggregate::Count => Some(readings.len() as f64),
        Aggregate::Sum => Some(values().sum()),
        Aggregate::Mean => some.then(|| values().sum::<f64>() / readings.len() as f64),
        Aggregate::Min => values().reduce(f64::min),
        Aggregate::Max => values().reduce(f64::max),
        Aggregate::Range => Some(values().reduce(f64::max)? - values().reduce(f64::min)?),
        Aggregate::Change => some.then(|| by_time(readings.len() - 1) - by_time(0)),
    }
}

fn aggregates() -> impl Strategy<Value = Aggregate> {
    use Aggregate::{Change, Count, Max, Mean, Min, Range, Sum};
    prop::sample::select(vec![Count, Sum, Mean, Min, Max, Range, Change])
}

/// The condition that windows of these readings begin and end, each decided at its instant.
fn transitions(windows: impl Iterator<Item = (i64, Option<f64>)>) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for (at, value) in windows {
        let Some(value) = value else { continue };
        let holds = told.last().is_some_and(|(word, _)| *word == "began");
        match (holds, value > 6.0) {
            (false, true) => told.push(("began", at)),
            (true, false) => told.push(("ended", at)),
            _ => {}
        }
    }
    told
}

fn sliding(reports: &[Report], of: Aggregate, size: i64, advance: i64, lateness: i64) -> Vec<Told> {
    // A reading counts in a window that no reading before it has decided.
    let held = |end: i64| {
        let counts = |index: &usize| {
            let inside = (end - size..end).contains(&reports[*index].occurred);
            inside && reports[..*index].iter().all(|before| before.occurred < end + lateness)
        };
        (0..reports.len()).filter(counts).map(|index| reports[index]).collect::<Vec<_>>()
    };
    let ends = (0..(END / advance)).map(|number| number * advance).filter(|end| *end > 0 && *end < 1_000);
    // Windows are decided one after another; an empty one only where it follows one that is not.
    let decided = ends.filter(|end| !held(*end).is_empty() || !held(*end - advance).is_empty());
    transitions(decided.map(|end| (end + lateness, aggregate(of, &held(end)))))
}

fn sessions(reports: &[Report], of: Aggregate, idle: i64, lateness: i64) -> Vec<Told> {
    let starts = |index: &usize| *index == 0 || reports[*index].occurred >= reports[index - 1].occurred + idle;
    let starts: Vec<_> = (0..reports.len()).filter(starts).chain([reports.len()]).collect();
    let sessions = starts.windows(2).map(|pair| &reports[pair[0]..pair[1]]);
    transitions(sessions.map(|session| (session[session.len() - 1].occurred + idle + lateness, aggregate(of, session))))
}

fn counts(reports: &[Report], of: Aggregate, size: usize) -> Vec<Told> {
    let full = reports.chunks_exact(size);
    transitions(full.map(|window| (window[size - 1].occurred, aggregate(of, window))))
}

/// Watts say whether the state lasts, and are no reading of the window.
fn power_or_temperature(value: i64) -> Body {
    let watts = match value {
        0 | 1 => 0.0,
        2 | 3 => 50.0,
        _ => return temperature(value),
    };
    let Body::Observation { device, freshness, mut readings } = reading(DeviceNo(1), watts) else {
        unreachable!("a reading is an observation")
    };
    readings[0].capability = capability("power");
    Body::Observation { device, freshness, readings }
}

/// From a report that draws power until the next that does not: the temperatures between them.
fn states(reports: &[Report], of: Aggregate) -> Vec<Told> {
    let draws = |index: usize| reports[..index].iter().rev().find(|report| report.value < 4).map(|r| r.value >= 2);
    let ends = (0..reports.len()).filter(|index| reports[*index].value < 2 && draws(*index) == Some(true));
    transitions(ends.map(|end| {
        let begun = (0..end).rev().take_while(|index| reports[*index].value >= 2).map(|index| reports[index]);
        let mut during: Vec<_> = begun.collect();
        during.reverse();
        let start = during.iter().position(|report| report.value < 4).expect("it draws power");
        let inside: Vec<_> = during[start..].iter().filter(|report| report.value >= 4).copied().collect();
        (reports[end].occurred, aggregate(of, &inside))
    }))
}

/// What is told where two devices of a site share one window; a report's place in the list says which.
fn told_of_role(kind: Kind, reports: &[Report]) -> Vec<Told> {
    let Kind::Window(window) = kind else { unreachable!("a window") };
    let mut spec = deployment("d", vec![Kind::Window(Box::new(Window { by: By::Role, ..*window }))]);
    spec.key = KeyKind::Site;
    spec.roles[0].members = vec![DeviceNo(1), DeviceNo(3)];
    let mut bench = Bench::new(1, vec![(spec, tell)]);
    bench.advance(1);
    for (index, report) in reports.iter().enumerate() {
        let device = DeviceNo(if index % 3 == 0 { 3 } else { 1 });
        feed(&mut bench, report, |value| reading(device, value as f64));
    }
    bench.advance(END);
    words(&bench)
}

proptest! {
    #[test]
    fn state_windows_are_what_they_are_defined_to_be(reports in reports(0..1), of in aggregates()) {
        let during = Predicate::Test { role: None, capability: capability("power"), test: Test::Above(10.0) };
        prop_assert_eq!(
            told(kind(Frame::State { during }, of, 0), &reports, power_or_temperature),
            states(&reports, of)
        );
    }

    #[test]
    fn live_windows_of_a_role_are_those_of_all_its_readings(
        reports in reports(0..1),
        of in aggregates(),
        advance in 1..30_i64,
        panes in 1..6_i64,
    ) {
        let size = advance * panes;
        let frame = Frame::Sliding { size: minutes(size), advance: minutes(advance) };
        let reports: Vec<_> = reports.into_iter().filter(|report| report.occurred < 800).collect();
        prop_assert_eq!(told_of_role(kind(frame, of, 0), &reports), sliding(&reports, of, size, advance, 0));
    }

    #[test]
    fn sessions_of_a_role_are_those_of_all_its_readings(
        reports in reports(0..1),
        of in aggregates(),
        idle in 1..30_i64,
    ) {
        let frame = Frame::Session { idle: minutes(idle) };
        prop_assert_eq!(told_of_role(kind(frame, of, 0), &reports), sessions(&reports, of, idle, 0));
    }

    #[test]
    fn uploaded_windows_are_what_they_are_defined_to_be(
        reports in upload(),
        of in aggregates(),
        advance in 1..30_i64,
        panes in 1..6_i64,
        late in 0..3_i64,
    ) {
        let (size, lateness) = (advance * panes, advance * panes * late / 2);
        let frame = Frame::Sliding { size: minutes(size), advance: minutes(advance) };
        prop_assert_eq!(
            told(kind(frame, of, lateness), &reports, temperature),
            sliding(&reports, of, size, advance, lateness)
        );
    }

    #[test]
    fn live_windows_are_what_they_are_defined_to_be(
        reports in reports(0..1),
        of in aggregates(),
        advance in 1..30_i64,
        panes in 1..6_i64,
    ) {
        let size = advance * panes;
        let frame = Frame::Sliding { size: minutes(size), advance: minutes(advance) };
        let reports: Vec<_> = reports.into_iter().filter(|report| report.occurred < 800).collect();
        prop_assert_eq!(told(kind(frame, of, 0), &reports, temperature), sliding(&reports, of, size, advance, 0));
    }

    #[test]
    fn sessions_are_what_they_are_defined_to_be(
        reports in reports(0..1),
        of in aggregates(),
        idle in 1..30_i64,
        late in 0..3_i64,
    ) {
        let lateness = idle * late / 2;
        let frame = Frame::Session { idle: minutes(idle) };
        prop_assert_eq!(
            told(kind(frame, of, lateness), &reports, temperature),
            sessions(&reports, of, idle, lateness)
        );
    }

    #[test]
    fn count_windows_are_what_they_are_defined_to_be(reports in reports(0..1), of in aggregates(), size in 1..6_u32) {
        prop_assert_eq!(
            told(kind(Frame::Count { size }, of, 0), &reports, temperature),
            counts(&reports, of, size as usize)
        );
    }
}
