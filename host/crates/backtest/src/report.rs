//! The report: what a backtest found, as a value that is printed, written as JSON and drawn.

use model::{Instant, Name};
use serde::Serialize;

use crate::difference::Difference;

/// What a backtest found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// What the old and the new set are called.
    pub old: String,
    pub new: String,
    /// The stream that both ran over.
    pub stream: String,
    /// The first instant that counts, and the last.
    pub from: Instant,
    pub to: Instant,
    /// Inputs of both runs, those before `from` among them.
    pub inputs: u64,
    /// Bad lines that were left out.
    pub skipped: u64,
    /// Lines of topics that no device and no rule of either set hears.
    pub unclaimed: u64,
    /// How far apart two decisions may be and still be one that moved, in seconds.
    pub window_seconds: f64,
    pub counts: Counts,
    pub deployments: Vec<Named>,
    pub devices: Vec<Named>,
    /// Persons and groups that are told something.
    pub people: Vec<Named>,
    /// The zone of `hours`.
    pub zone: Name,
    /// By hour of day, 0 to 23.
    pub hours: Vec<Counts>,
    pub timeline: Vec<Bar>,
    /// Length of one bar of the timeline.
    pub bar_seconds: i64,
    /// In order of time.
    pub differences: Vec<Difference>,
    /// What the stream cannot tell, in sentences.
    pub unknown: Vec<String>,
}

/// Decisions by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of the old run, and all of the new one.
    pub old: u64,
    pub new: u64,
    pub same: u64,
    pub removed: u64,
    pub added: u64,
    pub moved: u64,
    pub changed: u64,
}

impl Counts {
    /// Those that are not the same in both runs.
    #[must_use]
    pub fn differing(&self) -> u64 {
        self.removed + self.added + self.moved + self.changed
    }
}

/// The counts of one deployment, device or person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    pub name: Name,
    #[serde(flatten)]
    pub counts: Counts,
}

/// One stretch of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bar {
    pub at: Instant,
    pub old: u64,
    pub new: u64,
}

impl Report {
    /// The outcome in a sentence or two.
    #[must_use]
    pub fn sentence(&self) -> String {
        let counts = &self.counts;
        let (old, new) = (decisions(counts.old), counts.new);
        if counts.differing() == 0 {
            return format!("Nothing changes: the old set makes {old}, the new set the same.");
        }
        let classes = [
            (counts.removed, "only in the old"),
            (counts.added, "only in the new"),
            (counts.moved, "moved in time"),
            (counts.changed, "changed in content"),
        ];
        let told: Vec<String> =
            classes.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
        let same = match counts.same {
            0 => "none is the same".to_owned(),
            1 => "1 is the same".to_owned(),
            count => format!("{count} are the same"),
        };
        format!("The old set makes {old}, the new set {new}: {same}, {}.", told.join(", "))
    }
}

fn decisions(count: u64) -> String {
    if count == 1 { "1 decision".to_owned() } else { format!("{count} decisions") }
}
