//! Machines of the simulator: they live in steps of a quarter of a second, say what they measure, and do what they are told.

use std::time::Duration;

use serde_json::Value as Json;

/// One step of simulated life.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// The same in seconds.
pub(super) const STEP: f64 = 0.25;
const TICKS_PER_SECOND: f64 = 4.0;

/// What one device says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) topic: &'static str,
    pub(super) payload: Json,
    /// What a person would have seen, where there was something to see.
    pub(super) note: Option<&'static str>,
}

/// A place with devices. What it does follows from its seed, its steps and what it is told, and from nothing else.
pub(super) trait Machine: Send + 'static {
    /// Its name in the view, and its MQTT client's.
    fn name(&self) -> &'static str;

    /// The topics on which it is commanded.
    fn hears(&self) -> &'static [&'static str];

    /// A quarter of a second passes.
    fn step(&mut self, reports: &mut Vec<Report>);

    /// Does what a command says, and returns what a person would have seen.
    fn told(&mut self, topic: &str, payload: &Json, reports: &mut Vec<Report>) -> String;

    /// How things stand, in a few words.
    fn state(&self) -> String;
}

/// Where a machine is in its story, which begins again after its length.
#[derive(Debug, Clone)]
pub(super) struct Story {
    ticks: u64,
    length: u64,
}

impl Story {
    /// # Panics
    /// When the story has no length.
    pub(super) fn of_seconds(length: u64) -> Self {
        assert!(length > 0, "a story has a length");
        Self { ticks: 0, length: length * TICKS_PER_SECOND as u64 }
    }

    pub(super) fn step(&mut self) {
        self.ticks += 1;
    }

    /// Seconds since this round of the story began.
    pub(super) fn second(&self) -> f64 {
        (self.ticks % self.length) as f64 / TICKS_PER_SECOND
    }

    /// Whether this very step is at `second` of the story.
    pub(super) fn is_at(&self, second: f64) -> bool {
        self.ticks % self.length == (second * TICKS_PER_SECOND).round() as u64
    }

    pub(super) fn is_within(&self, seconds: std::ops::Range<f64>) -> bool {
        seconds.contains(&self.second())
    }

    /// Whether something that is done each `seconds` is done now; the first time in the first step.
    pub(super) fn is_every(&self, seconds: f64) -> bool {
        self.ticks % ((seconds * TICKS_PER_SECOND).round() as u64).max(1) == 1
    }

    /// The first step of all, in which every device says how it is.
    pub(super) fn is_first(&self) -> bool {
        self.ticks == 1
    }
}

/// A value on its way to `target`, of which it covers two thirds in `seconds`.
pub(super) fn approach(value: f64, target: f64, seconds: f64) -> f64 {
    value + (target - value) * (STEP / seconds).min(1.0)
}

/// As a sensor with so many decimals shows it.
pub(super) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
