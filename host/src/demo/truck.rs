//! A truck with cold goods: it leaves its depot, brakes hard, stands where no stop is planned with its door open, and
//! drives home.

use serde_json::{Value as Json, json};

use super::chance::Chance;
use super::machine::{Machine, Report, STEP, Story, approach, rounded};

/// Degrees, WGS 84.
const DEPOT: (f64, f64) = (52.52, 13.40);
/// Degrees of longitude in a metre, at this latitude.
const DEGREES_PER_METRE: f64 = 1.0 / 67_700.0;
/// Metres of road for each metre at the speed that is shown: minutes are seconds here.
const COMPRESSION: f64 = 20.0;
/// °C of the cold machine's air, and of the air outside.
const COOLED: f64 = 3.5;
const SUMMER: f64 = 24.0;
/// When it turns home, and when it is there.
const HOMEWARD: f64 = 38.0;
const LENGTH: f64 = 60.0;

/// Speed over the story, in km/h: straight lines between these points.
const DRIVE: [(f64, f64); 10] = [
    (0.0, 0.0),
    (2.0, 0.0),
    (9.0, 80.0),
    (10.0, 80.0),
    (12.0, 28.0),
    (14.5, 0.0),
    (HOMEWARD, 0.0),
    (46.0, 70.0),
    (52.0, 70.0),
    (LENGTH - 1.0, 0.0),
];

pub(super) struct Truck {
    story: Story,
    chance: Chance,
    /// km/h.
    speed: f64,
    /// Metres from the depot.
    distance: f64,
    /// Metres at which it turned home.
    farthest: f64,
    door: bool,
    siren: bool,
    /// °C at the front and at the rear, which is nearer to the door.
    probes: [f64; 2],
}

impl Truck {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            story: Story::of_seconds(LENGTH as u64),
            chance: Chance::new(seed ^ 0x0074_7275_636b),
            speed: 0.0,
            distance: 0.0,
            farthest: 0.0,
            door: false,
            siren: false,
            probes: [4.2, 4.6],
        }
    }

    /// °C at the rear.
    #[cfg(test)]
    pub(super) fn rear(&self) -> f64 {
        self.probes[1]
    }

    fn physics(&mut self) {
        let second = self.story.second();
        self.speed = along(&DRIVE, second);
        if second < HOMEWARD {
            self.distance += self.speed / 3.6 * STEP * COMPRESSION;
            self.farthest = self.distance;
        } else {
            // The way back is as long as the way out, whatever the speed on it.
            self.distance = self.farthest * (LENGTH - second) / (LENGTH - HOMEWARD);
        }
        if self.story.is_at(0.0) {
            self.distance = 0.0;
        }
        for (probe, (warms, cools)) in self.probes.iter_mut().zip([(16.0, 6.0), (10.0, 5.0)]) {
            *probe = if self.door { approach(*probe, SUMMER, warms) } else { approach(*probe, COOLED, cools) };
        }
    }

    fn note(&self) -> Option<&'static str> {
        let story = &self.story;
        match () {
            () if story.is_at(2.25) => Some("the truck leaves its depot"),
            () if story.is_at(11.0) => Some("the truck brakes hard"),
            () if story.is_at(14.5) => Some("the truck stands at the roadside"),
            () if story.is_at(19.0) => Some("the cargo door opens"),
            () if story.is_at(30.0) => Some("the cargo door closes"),
            () if story.is_at(HOMEWARD + 0.5) => Some("the truck drives on"),
            () if story.is_at(LENGTH - 1.0) => Some("the truck is back at its depot"),
            () => None,
        }
    }

    fn siren(&self) -> Report {
        Report { topic: "trucks/truck-7/siren", payload: json!({"on": self.siren}), note: None }
    }
}

impl Machine for Truck {
    fn name(&self) -> &'static str {
        "truck"
    }

    fn hears(&self) -> &'static [&'static str] {
        &["trucks/truck-7/siren/set"]
    }

    fn step(&mut self, reports: &mut Vec<Report>) {
        self.story.step();
        self.door = self.story.is_within(19.0..30.0);
        self.physics();
        if self.story.is_first() {
            reports.push(self.siren());
        }
        let note = self.note();
        if note.is_some() || self.story.is_every(1.0) {
            let position = json!({
                "latitude": rounded(DEPOT.0 + self.chance.noise(2.0) * DEGREES_PER_METRE, 6),
                "longitude": rounded(DEPOT.1 + (self.distance + self.chance.noise(2.0)) * DEGREES_PER_METRE, 6),
                "accuracy": 5,
            });
            let payload = json!({"speed": rounded(self.speed, 1), "gps": position, "door": self.door});
            reports.push(Report { topic: "trucks/truck-7", payload, note });
        }
        if self.story.is_every(1.0) {
            let topics = ["trucks/truck-7/front-probe", "trucks/truck-7/rear-probe"];
            for (topic, probe) in topics.into_iter().zip(self.probes) {
                let temp = rounded(probe + self.chance.noise(0.05), 1);
                reports.push(Report { topic, payload: json!({"temp": temp}), note: None });
            }
        }
    }

    fn told(&mut self, _: &str, payload: &Json, reports: &mut Vec<Report>) -> String {
        self.siren = payload["on"] == true;
        reports.push(self.siren());
        format!("the truck's siren goes {}", if self.siren { "on" } else { "off" })
    }

    fn state(&self) -> String {
        let door = if self.door { ", door open" } else { "" };
        let siren = if self.siren { ", siren" } else { "" };
        format!("{:.0} km/h, cargo {:.1} °C{door}{siren}", self.speed, self.probes[1])
    }
}

/// The height of a line through `points` at `x`; beyond its ends, as at them.
fn along(points: &[(f64, f64)], x: f64) -> f64 {
    let Some(next) = points.iter().position(|(at, _)| *at > x) else {
        return points.last().map_or(0.0, |(_, height)| *height);
    };
    let Some(((from, low), (to, high))) = next.checked_sub(1).map(|before| (points[before], points[next])) else {
        return points[next].1;
    };
    low + (high - low) * (x - from) / (to - from)
}
