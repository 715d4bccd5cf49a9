//! `zone` triggers of a manifest: an area and what counts as being in it.

use model::area::{Area, Corner};
use model::trigger::Zone;
use model::{Unit, limits};
use serde_json::Value as Json;

use super::predicate::{Kept, in_unit};
use super::raw;
use crate::document::{Document, Path};
use crate::problem::Problem;

/// The zone at `path`; what is wrong becomes problems and the result is none.
pub(super) fn resolve(document: &Document, path: &Path, raw: raw::Zone, problems: &mut Vec<Problem>) -> Option<Zone> {
    let mut metres = |value: &Json, path: &Path, least: f64| match in_metres(value) {
        Ok(metres) if metres >= least && metres <= limits::ZONE_METRES => Some(metres),
        Ok(metres) => {
            let message = format!("{metres} m: expected {} and at most {} m", words(least), limits::ZONE_METRES);
            problems.push(document.problem(path, message));
            None
        }
        Err(message) => {
            problems.push(document.problem(path, message));
            None
        }
    };
    let accuracy_max = raw.accuracy_max.as_ref().map(|value| metres(value, &path.key("accuracy-max"), 0.0));
    let margin = metres(&raw.margin, &path.key("margin"), 0.0);
    let at = path.key("area");
    let area = match (raw.area.circle, raw.area.polygon) {
        (Some(circle), None) => {
            let centre = Corner { latitude: circle.latitude, longitude: circle.longitude };
            let radius = metres(&circle.radius, &at.key("circle").key("radius"), f64::MIN_POSITIVE);
            radius.map(|radius| Area::Circle { centre, radius })
        }
        (None, Some(corners)) => polygon(document, &at.key("polygon"), &corners, problems),
        (None, None) | (Some(_), Some(_)) => {
            problems.push(document.problem(&at, "expected a circle or a polygon"));
            None
        }
    };
    let accuracy_max = accuracy_max.map_or(Some(None), |metres| metres.map(Some));
    Some(Zone {
        capability: raw.capability,
        area: area?,
        dwell: raw.dwell,
        accuracy_max: accuracy_max?,
        margin: margin?,
        snapshot: raw.snapshot,
        keep: raw.keep,
    })
}

fn words(least: f64) -> &'static str {
    if least > 0.0 { "more than nothing" } else { "nothing or more" }
}

fn in_metres(value: &Json) -> Result<f64, String> {
    let metre = Unit::named("m").expect("the metre is a unit");
    in_unit(value, Kept::In(metre), Unit::convert)
}

fn polygon(document: &Document, path: &Path, raw: &[Vec<f64>], problems: &mut Vec<Problem>) -> Option<Area> {
    if !(3..=limits::ZONE_CORNERS).contains(&raw.len()) {
        let message = format!("{} corners: expected 3 to {}", raw.len(), limits::ZONE_CORNERS);
        problems.push(document.problem(path, message));
        return None;
    }
    let mut corners = Vec::with_capacity(raw.len());
    for (index, corner) in raw.iter().enumerate() {
        match corner[..] {
            [latitude, longitude] if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 => {
                corners.push(Corner { latitude, longitude });
            }
            _ => {
                let message = "expected latitude and longitude in degrees, such as [52.52, 13.40]";
                problems.push(document.problem(&path.item(index, &Json::Null), message));
            }
        }
    }
    (corners.len() == raw.len()).then_some(Area::Polygon(corners))
}
