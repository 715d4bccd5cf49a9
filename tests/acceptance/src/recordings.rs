//! The recordings that have known answers: where they lie, what they hold, and which trigger gives which answer.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::answers::Answer;
use crate::computed::{self, Computed};
use crate::converters::{self, Line};

#[derive(Debug)]
pub(crate) struct Recording {
    /// Also the folder of its rule and the name of its device.
    pub(crate) name: &'static str,
    /// Relative to the data folder.
    pub(crate) file: &'static str,
    /// None: one device with the recording's name.
    pub(crate) devices: &'static [&'static str],
    /// What its devices report.
    pub(crate) capabilities: &'static [&'static str],
    pub(crate) convert: fn(&str) -> Result<Vec<Line>>,
    /// How many rows the file has: a converter that leaves some out must be noticed.
    pub(crate) rows: usize,
    pub(crate) answers: &'static [Answer],
    /// What this program computes itself, in the plainest way, to compare with.
    pub(crate) computed: &'static [Computed],
    /// Whether it is also played over a broker.
    pub(crate) live: bool,
}

impl Recording {
    /// The names of its devices.
    pub(crate) fn devices(&self) -> Vec<&'static str> {
        if self.devices.is_empty() { vec![self.name] } else { self.devices.to_vec() }
    }

    /// All its rows, in the order of the file.
    pub(crate) fn lines(&self, data: &Path) -> Result<Vec<Line>> {
        let file = data.join(self.file);
        let bytes = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        // Only the prose at the head of the logger's file may be in another encoding; stamps and numbers are ASCII.
        let mut lines = (self.convert)(&String::from_utf8_lossy(&bytes))
            .with_context(|| format!("failed to convert {}", file.display()))?;
        for line in lines.iter_mut().filter(|line| line.device.is_empty()) {
            self.name.clone_into(&mut line.device);
        }
        let known = self.devices();
        ensure!(lines.iter().all(|line| known.contains(&&*line.device)), "{} has another device", file.display());
        ensure!(lines.len() == self.rows, "{} has {} rows, expected {}", file.display(), lines.len(), self.rows);
        Ok(lines)
    }
}

pub(crate) static ALL: [Recording; 5] = [
    Recording {
        name: "fridge",
        file: "cold_chain/fridgetag2L_130500109088_202206081014.txt",
        devices: &[],
        capabilities: &["temperature"],
        convert: converters::logger,
        rows: 10_653,
        answers: &[
            Answer::began("fridge: temperature above 8 held 30m", "above-8-30m"),
            Answer::began("fridge: temperature above 8 held 30m, stale 15m, gap reset", "above-8-30m-stale"),
            Answer::began("fridge: temperature above 8 held 60m", "above-8-60m"),
            Answer::began("fridge: temperature above 8 held 60m, stale 15m, gap reset", "above-8-60m-stale"),
            Answer::began("fridge: temperature below 2 held 60m, stale 15m, gap reset", "below-2-60m-stale"),
            Answer::began("fridge: silence 15m", "silent-15m"),
        ],
        computed: &[
            Computed { rule: "mean of an hour above 8: began", trigger: "warm-hour", expected: computed::warm_hours },
            Computed { rule: "mean of an hour above 8: ended", trigger: "warm-hour", expected: computed::cool_hours },
            Computed { rule: "range of 6 h, each 30 min, at least 10", trigger: "swing", expected: computed::swings },
        ],
        live: true,
    },
    Recording {
        name: "bathroom",
        file: "smart_home/opensmarthome/Bathroom_Humidity.csv",
        devices: &[],
        capabilities: &["humidity"],
        convert: converters::humidity,
        rows: 10_651,
        answers: &[
            Answer::began("bathroom: humidity at-least 70, clear at-most 60: began", "humid"),
            Answer::ended("bathroom: humidity at-least 70, clear at-most 60: ended", "humid"),
            Answer::began("bathroom: humidity at-least 75 held 30m", "at-least-75-30m"),
        ],
        computed: &[],
        live: true,
    },
    Recording {
        name: "machine",
        file: "industrial/nab_machine_temperature_system_failure.csv",
        devices: &[],
        capabilities: &["temperature"],
        convert: converters::machine,
        rows: 22_695,
        answers: &[
            Answer::began("machine: temperature below 60 held 30m", "below-60-30m"),
            Answer::began("machine: temperature above 105 held 10m", "above-105-10m"),
        ],
        computed: &[],
        live: false,
    },
    Recording {
        name: "room",
        file: "smart_home/room_occupancy_estimation.csv",
        devices: &[],
        capabilities: &["illuminance", "motion-s6", "motion-s7"],
        convert: converters::room,
        rows: 10_129,
        answers: &[Answer::began("room: S1_Light above 50 and S6_PIR and S7_PIR zero, held 5m", "lit-and-empty-5m")],
        computed: &[],
        live: false,
    },
    Recording {
        name: "bus",
        file: "cold_chain/liverpool_bus_route14_outbound.csv",
        devices: &["bus-4716", "bus-4720", "bus-4722", "bus-4733", "bus-4803", "bus-4836", "bus-4841", "bus-4842"],
        capabilities: &["position"],
        convert: converters::buses,
        rows: 1_533,
        answers: &[],
        computed: &[
            Computed { rule: "in a circle: entered", trigger: "near-the-depot", expected: computed::entered_circle },
            Computed { rule: "in a circle: left", trigger: "near-the-depot", expected: computed::left_circle },
            Computed { rule: "in a circle for 2 min: entered", trigger: "stays", expected: computed::stayed },
            Computed { rule: "in a circle for 2 min: left", trigger: "stays", expected: computed::left_after_staying },
            Computed { rule: "in a polygon: entered", trigger: "in-the-quarter", expected: computed::entered_polygon },
            Computed { rule: "in a polygon: left", trigger: "in-the-quarter", expected: computed::left_polygon },
        ],
        live: false,
    },
];
