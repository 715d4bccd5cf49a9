//! Areas: the places that `zone` triggers watch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place on Earth with an inside. Its edge belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Circle {
        centre: Corner,
        /// Metres.
        radius: f64,
    },
    /// At least three corners in order; the last is joined to the first. Edges are straight in degrees, as in GeoJSON.
    Polygon(Vec<Corner>),
}

/// Degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Corner {
    /// −90 to 90.
    pub latitude: f64,
    /// −180 to 180.
    pub longitude: f64,
}

/// The area in words for people: "150 m around 52.52,13.4".
impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Circle { centre, radius } => write!(f, "{radius} m around {},{}", centre.latitude, centre.longitude),
            Self::Polygon(corners) => write!(f, "a polygon of {} corners", corners.len()),
        }
    }
}
