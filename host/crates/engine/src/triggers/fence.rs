//! Areas ready to be asked whether a position is in them.
//!
//! A circle is measured along the great circle. A polygon is flat in degrees, as users draw it on a map; how far a
//! position is from its edge is measured on a flat map of the surroundings of that position. All of it is arithmetic and
//! `libm`, so that every machine gives the same answer.

use geo::{Coord, Intersects as _, LineString, Point, Polygon, Validation as _};
use model::area::{Area, Corner};
use model::value::Position;
use model::{Name, limits};

/// An area that cannot be watched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AreaError {
    #[error("expected a radius greater than nothing and at most {} m", limits::ZONE_METRES)]
    Radius,
    #[error("a margin is at most {} m", limits::ZONE_METRES)]
    Margin,
    #[error("{0} corners: a polygon has 3 to {most}", most = limits::ZONE_CORNERS)]
    Corners(usize),
    #[error("a corner is not on the Earth: latitude −90 to 90 and longitude −180 to 180, in degrees")]
    Corner,
    #[error("no polygon with one inside: {0}")]
    Shape(Name),
}

/// Metres: the mean radius of the Earth.
const EARTH: f64 = 6_371_008.8;

#[derive(Debug, Clone)]
pub(crate) enum Fence {
    Circle {
        centre: Corner,
        radius: f64,
    },
    /// `x` is the longitude, counted on from `west` so that no edge jumps at the date line.
    Polygon {
        outline: Polygon<f64>,
        first: f64,
    },
}

impl Fence {
    pub(crate) fn new(area: &Area) -> Result<Self, AreaError> {
        match area {
            Area::Circle { centre, radius } => {
                let possible = *radius > 0.0 && *radius <= limits::ZONE_METRES;
                if !possible {
                    return Err(AreaError::Radius);
                }
                on_earth(centre)?;
                Ok(Self::Circle { centre: *centre, radius: *radius })
            }
            Area::Polygon(corners) => {
                if !(3..=limits::ZONE_CORNERS).contains(&corners.len()) {
                    return Err(AreaError::Corners(corners.len()));
                }
                corners.iter().try_for_each(on_earth)?;
                let first = corners[0].longitude;
                let place = |corner: &Corner| Coord { x: beside(corner.longitude, first), y: corner.latitude };
                let outline = Polygon::new(LineString(corners.iter().map(place).collect()), Vec::new());
                match outline.check_validation() {
                    Ok(()) => Ok(Self::Polygon { outline, first }),
                    Err(problem) => Err(AreaError::Shape(Name::from(problem.to_string()))),
                }
            }
        }
    }

    /// Whether the position is in the area, or outside by at most `margin` metres.
    pub(crate) fn holds(&self, position: &Position, margin: f64) -> bool {
        match self {
            Self::Circle { centre, radius } => distance(centre, position) <= radius + margin,
            Self::Polygon { outline, first } => {
                let here = Point::new(beside(position.longitude, *first), position.latitude);
                outline.intersects(&here) || (margin > 0.0 && near_edge(outline, here, margin))
            }
        }
    }
}

fn on_earth(corner: &Corner) -> Result<(), AreaError> {
    let good = (-90.0..=90.0).contains(&corner.latitude) && (-180.0..=180.0).contains(&corner.longitude);
    if good { Ok(()) } else { Err(AreaError::Corner) }
}

/// The longitude that means the same and is at most half a turn away from `first`.
fn beside(longitude: f64, first: f64) -> f64 {
    if longitude - first > 180.0 {
        longitude - 360.0
    } else if longitude - first < -180.0 {
        longitude + 360.0
    } else {
        longitude
    }
}

/// Metres along the great circle.
fn distance(from: &Corner, to: &Position) -> f64 {
    let (north, east) = (to.latitude.to_radians(), to.longitude.to_radians());
    let (other_north, other_east) = (from.latitude.to_radians(), from.longitude.to_radians());
    let half = |angle: f64| {
        let sine = libm::sin(angle / 2.0);
        sine * sine
    };
    let chord = half(north - other_north) + libm::cos(north) * libm::cos(other_north) * half(east - other_east);
    2.0 * EARTH * libm::asin(libm::sqrt(chord.min(1.0)))
}

/// Whether an edge passes within `margin` metres of `here`.
fn near_edge(outline: &Polygon<f64>, here: Point<f64>, margin: f64) -> bool {
    let north = EARTH.to_radians();
    let east = north * libm::cos(here.y().to_radians());
    let metres = |corner: Coord<f64>| ((corner.x - here.x()) * east, (corner.y - here.y()) * north);
    outline.exterior().lines().any(|edge| {
        let ((x, y), end) = (metres(edge.start), metres(edge.end));
        let (along_x, along_y) = (end.0 - x, end.1 - y);
        let length = along_x * along_x + along_y * along_y;
        let nearest = if length > 0.0 { (-(x * along_x + y * along_y) / length).clamp(0.0, 1.0) } else { 0.0 };
        let (x, y) = (x + nearest * along_x, y + nearest * along_y);
        x * x + y * y <= margin * margin
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position { latitude, longitude, accuracy: None }
    }

    fn polygon(corners: &[(f64, f64)]) -> Result<Fence, AreaError> {
        let corners = corners.iter().map(|(latitude, longitude)| Corner { latitude: *latitude, longitude: *longitude });
        Fence::new(&Area::Polygon(corners.collect()))
    }

    fn circle(radius: f64) -> Result<Fence, AreaError> {
        Fence::new(&Area::Circle { centre: Corner { latitude: 53.4, longitude: -2.9 }, radius })
    }

    #[test]
    fn distances_are_those_of_the_great_circle() {
        // From the Brandenburg Gate to the Eiffel Tower: 878 km.
        let gate = Corner { latitude: 52.516_272, longitude: 13.377_722 };
        let metres = distance(&gate, &at(48.858_222, 2.2945));
        assert!((metres - 878_000.0).abs() < 2_000.0, "{metres}");
        assert!((distance(&gate, &at(52.517_272, 13.377_722)) - 111.195).abs() < 0.001);
    }

    #[test]
    fn a_margin_widens_a_circle_and_a_polygon_alike() {
        // 0.001° of latitude are 111.2 m.
        let fence = circle(100.0).expect("a circle");
        assert!(!fence.holds(&at(53.401, -2.9), 0.0));
        assert!(fence.holds(&at(53.401, -2.9), 12.0));
        let square = polygon(&[(53.4, -2.9), (53.5, -2.9), (53.5, -2.8), (53.4, -2.8)]).expect("a polygon");
        for (place, inside, within_112) in [
            (at(53.45, -2.85), true, true),
            (at(53.4, -2.85), true, true),
            (at(53.399, -2.85), false, true),
            (at(53.398, -2.85), false, false),
            (at(53.45, -2.9016), false, true),
            (at(53.45, -2.9018), false, false),
            (at(53.399, -2.9016), false, false),
        ] {
            assert_eq!((square.holds(&place, 0.0), square.holds(&place, 112.0)), (inside, within_112), "{place:?}");
        }
    }

    #[test]
    fn a_polygon_may_lie_across_the_date_line() {
        let fiji = polygon(&[(-20.0, 177.0), (-15.0, 177.0), (-15.0, -178.0), (-20.0, -178.0)]).expect("a polygon");
        assert!(fiji.holds(&at(-17.0, 179.9), 0.0));
        assert!(fiji.holds(&at(-17.0, -179.9), 0.0));
        assert!(!fiji.holds(&at(-17.0, 0.0), 0.0));
        assert!(!fiji.holds(&at(-17.0, -177.9), 0.0));
    }

    #[test]
    fn what_has_no_inside_is_refused() {
        assert!(matches!(polygon(&[(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0)]), Err(AreaError::Shape(_))));
        assert!(matches!(polygon(&[(0.0, 0.0), (1.0, 1.0), (91.0, 0.0)]), Err(AreaError::Corner)));
    }

    #[test]
    fn areas_have_corners_and_radius_up_to_their_limits() {
        let round = |corners: usize| {
            let angle = |n: usize| n as f64 / corners as f64 * std::f64::consts::TAU;
            let corners: Vec<_> = (0..corners).map(|n| (libm::sin(angle(n)), libm::cos(angle(n)))).collect();
            polygon(&corners).map(drop)
        };
        assert_eq!(round(2), Err(AreaError::Corners(2)));
        assert_eq!(round(3), Ok(()));
        assert_eq!(round(limits::ZONE_CORNERS), Ok(()));
        assert_eq!(round(limits::ZONE_CORNERS + 1), Err(AreaError::Corners(257)));
        assert!(circle(limits::ZONE_METRES).is_ok());
        assert!(matches!(circle(limits::ZONE_METRES + 1.0), Err(AreaError::Radius)));
        assert!(matches!(circle(0.0), Err(AreaError::Radius)));
    }
}
