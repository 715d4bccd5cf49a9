//! A home in winter: a window that is left open, somebody in the hall, water on the bathroom's floor, a washing machine.

use serde_json::{Value as Json, json};

use super::chance::Chance;
use super::machine::{Machine, Report, STEP, Story, rounded};

/// °C outside.
const OUTSIDE: f64 = 3.0;
/// Degrees a step that the radiator gives at full power, and the walls or an open window take for each degree.
const RADIATOR: f64 = 0.35 * STEP;
const WALLS: f64 = 0.012 * STEP;
const OPEN_WINDOW: f64 = 0.03 * STEP;
/// Below this the room is dark, lx.
const EVENING: f64 = 8.0;
const LAMP: f64 = 180.0;

pub(super) struct Home {
    story: Story,
    laundry: Story,
    chance: Chance,
    /// °C.
    room: f64,
    setpoint: f64,
    window: bool,
    motion: bool,
    lamp: bool,
    leak: bool,
    valve: bool,
    /// W.
    washer: f64,
}

impl Home {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            story: Story::of_seconds(60),
            laundry: Story::of_seconds(240),
            chance: Chance::new(seed ^ 0x686f_6d65),
            room: 20.4,
            setpoint: 21.0,
            window: false,
            motion: false,
            lamp: false,
            leak: false,
            valve: true,
            washer: 0.0,
        }
    }

    /// °C in the room.
    #[cfg(test)]
    pub(super) fn room(&self) -> f64 {
        self.room
    }

    fn physics(&mut self) {
        let heat = (self.setpoint - self.room).clamp(0.0, 1.0);
        let loss = if self.window { OPEN_WINDOW } else { WALLS };
        self.room += heat * RADIATOR - (self.room - OUTSIDE) * loss;
        self.washer = match self.laundry.second() {
            second if (5.0..30.0).contains(&second) => 2_050.0 + self.chance.noise(20.0),
            second if (30.0..135.0).contains(&second) => 260.0 + self.chance.noise(60.0),
            _ => 1.2,
        };
    }

    /// What people do at this second, and what is seen of it.
    fn people(&mut self, reports: &mut Vec<Report>) {
        let story = &self.story;
        let mut say = |report: Report| reports.push(report);
        if story.is_at(3.0) || story.is_at(16.0) {
            self.window = story.is_at(3.0);
            let note = if self.window { "somebody opens the kitchen window" } else { "the kitchen window is closed" };
            say(window(self.window, Some(note)));
        }
        if story.is_at(9.0) || story.is_at(12.0) {
            self.motion = story.is_at(9.0);
            let lux = self.lux();
            say(hall(self.motion, lux, if self.motion { Some("somebody walks through the dark hall") } else { None }));
        }
        if story.is_at(20.0) || story.is_at(32.0) {
            self.leak = story.is_at(20.0);
            let note = if self.leak { "water on the bathroom's floor" } else { "the bathroom's floor is dry again" };
            say(leak(self.leak, Some(note)));
        }
        if story.is_at(45.0) && !self.valve {
            self.valve = true;
            say(valve(self.valve, Some("somebody opens the main valve by hand")));
        }
        if self.laundry.is_at(5.0) || self.laundry.is_at(135.0) {
            let note =
                if self.laundry.is_at(5.0) { "the washing machine starts" } else { "the washing machine is done" };
            say(washer(self.washer, Some(note)));
        }
    }

    fn lux(&self) -> f64 {
        if self.lamp { LAMP } else { EVENING }
    }

    fn radiator(&self) -> Report {
        let payload = json!({"setpoint": self.setpoint, "temperature": rounded(self.room, 1)});
        Report { topic: "home/radiator", payload, note: None }
    }
}

impl Machine for Home {
    fn name(&self) -> &'static str {
        "home"
    }

    fn hears(&self) -> &'static [&'static str] {
        &["home/+/set"]
    }

    fn step(&mut self, reports: &mut Vec<Report>) {
        self.story.step();
        self.laundry.step();
        self.physics();
        if self.story.is_first() {
            reports.extend([
                window(self.window, None),
                leak(self.leak, None),
                valve(self.valve, None),
                lamp(self.lamp),
            ]);
            reports.push(hall(self.motion, self.lux(), None));
        }
        self.people(reports);
        if self.story.is_every(2.0) {
            reports.push(self.radiator());
        }
        if self.story.is_every(5.0) {
            reports.push(washer(self.washer, None));
        }
    }

    fn told(&mut self, topic: &str, payload: &Json, reports: &mut Vec<Report>) -> String {
        match topic {
            "home/radiator/set" => {
                self.setpoint = payload["setpoint"].as_f64().unwrap_or(self.setpoint);
                reports.push(self.radiator());
                format!("the radiator is set to {} °C", self.setpoint)
            }
            "home/hall-lamp/set" => {
                self.lamp = payload["state"] == "ON";
                reports.push(lamp(self.lamp));
                format!("the hall lamp goes {}", if self.lamp { "on" } else { "off" })
            }
            "home/main-valve/set" => {
                self.valve = payload["state"] != "CLOSE";
                reports.push(valve(self.valve, None));
                "the main valve shuts".to_owned()
            }
            other => format!("nothing listens to {other}"),
        }
    }

    fn state(&self) -> String {
        let window = if self.window { ", window open" } else { "" };
        let lamp = if self.lamp { ", lamp on" } else { "" };
        let valve = if self.valve { "" } else { ", water off" };
        format!("{:.1} °C{window}{lamp}{valve}", self.room)
    }
}

fn window(open: bool, note: Option<&'static str>) -> Report {
    Report { topic: "home/kitchen-window", payload: json!({"open": open}), note }
}

fn hall(motion: bool, lux: f64, note: Option<&'static str>) -> Report {
    Report { topic: "home/hall-motion", payload: json!({"occupancy": motion, "illuminance": lux}), note }
}

fn lamp(on: bool) -> Report {
    Report { topic: "home/hall-lamp", payload: json!({"state": if on { "ON" } else { "OFF" }}), note: None }
}

fn leak(wet: bool, note: Option<&'static str>) -> Report {
    Report { topic: "home/bath-leak", payload: json!({"water_leak": wet}), note }
}

fn valve(open: bool, note: Option<&'static str>) -> Report {
    Report { topic: "home/main-valve", payload: json!({"state": if open { "OPEN" } else { "CLOSE" }}), note }
}

fn washer(watts: f64, note: Option<&'static str>) -> Report {
    Report { topic: "home/washer", payload: json!({"power": rounded(watts, 1)}), note }
}
