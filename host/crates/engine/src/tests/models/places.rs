//! `zone` by definition.

use model::area::{Area, Corner};
use model::trigger::Zone;
use model::value::Position;

use super::*;

/// North of the centre in steps of 25 m; a circle of 100 m with a margin of 50 m.
fn fix(value: i64) -> Body {
    let position = Position { latitude: 52.0 + value as f64 * 25.0 / 111_195.0, longitude: 13.0, accuracy: None };
    let reading = Reading {
        capability: capability("position"),
        value: Value::Position(position),
        unit: None,
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    Body::Observation { device: DeviceNo(1), freshness: Freshness::Live, readings: vec![reading] }
}

/// A visit is a live fix inside and all that follows until one is beyond the margin.
fn visits(reports: &[Report], dwell: i64) -> Vec<Told> {
    let ordered = in_order(reports);
    let mut told = Vec::new();
    let mut start = 0;
    while start < ordered.len() {
        if !(ordered[start].live && ordered[start].value <= 4) {
            start += 1;
            continue;
        }
        let left = (start..ordered.len()).find(|index| ordered[*index].value > 6);
        let last = left.unwrap_or(ordered.len() - 1);
        let deadline = ordered[start].occurred + dwell;
        if dwell == 0 || left.is_none() || (start + 1..=last).any(|index| decided(&ordered, index, deadline)) {
            told.push(("began", deadline));
            told.extend(left.map(|left| ("ended", ordered[left].occurred)));
        }
        start = left.unwrap_or(ordered.len());
    }
    told
}

proptest! {
    #[test]
    fn visits_are_what_they_are_defined_to_be(reports in reports(0..15), dwell in 0..40_i64) {
        let kind = Kind::Zone(Zone {
            capability: capability("position"),
            area: Area::Circle { centre: Corner { latitude: 52.0, longitude: 13.0 }, radius: 101.0 },
            dwell: Span::from_mins(dwell as u64),
            accuracy_max: None,
            margin: 50.0,
            snapshot: false,
            keep: false,
        });
        prop_assert_eq!(told(kind, &reports, fix), visits(&reports, dwell));
    }
}
