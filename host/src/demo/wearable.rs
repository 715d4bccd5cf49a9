//! Anna's watch: a heart at rest, one that races while she sits, and one that beats fast because she runs.

use serde_json::{Value as Json, json};

use super::chance::Chance;
use super::machine::{Machine, Report, Story, approach};

/// Beats a minute.
const AT_REST: f64 = 64.0;
const RACING: f64 = 134.0;
const RUNNING: f64 = 152.0;
/// Seconds in which a heart follows what is asked of it; minutes in life.
const FOLLOWS: f64 = 1.5;

pub(super) struct Wearable {
    story: Story,
    chance: Chance,
    rate: f64,
}

impl Wearable {
    pub(super) fn new(seed: u64) -> Self {
        Self { story: Story::of_seconds(60), chance: Chance::new(seed ^ 0x0077_6174_6368), rate: AT_REST }
    }

    fn runs(&self) -> bool {
        self.story.is_within(34.0..50.0)
    }

    fn races(&self) -> bool {
        self.story.is_within(10.0..22.0)
    }

    fn activity(&self) -> &'static str {
        if self.runs() { "running" } else { "still" }
    }

    fn note(&self) -> Option<&'static str> {
        match () {
            () if self.story.is_at(10.0) => Some("Anna sits, and her heart begins to race"),
            () if self.story.is_at(22.0) => Some("Anna's heart calms down"),
            () if self.story.is_at(34.0) => Some("Anna goes for a run: a fast heart means nothing now"),
            () if self.story.is_at(50.0) => Some("Anna is back from her run"),
            () => None,
        }
    }
}

impl Machine for Wearable {
    fn name(&self) -> &'static str {
        "wearable"
    }

    fn hears(&self) -> &'static [&'static str] {
        &[]
    }

    fn step(&mut self, reports: &mut Vec<Report>) {
        self.story.step();
        let target = match (self.runs(), self.races()) {
            (true, _) => RUNNING,
            (false, true) => RACING,
            (false, false) => AT_REST,
        };
        self.rate = approach(self.rate, target, FOLLOWS);
        let note = self.note();
        if note.is_some() || self.story.is_every(1.0) {
            let rate = (self.rate + self.chance.noise(1.2)).round();
            reports.push(Report {
                topic: "wearables/watch",
                payload: json!({"hr": rate, "activity": self.activity()}),
                note,
            });
        }
    }

    fn told(&mut self, topic: &str, _: &Json, _: &mut Vec<Report>) -> String {
        format!("nothing listens to {topic}")
    }

    fn state(&self) -> String {
        format!("{:.0} beats/min, {}", self.rate, self.activity())
    }
}
