//! The report: what was found, with the limit beside each figure.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to the terminal")]

use serde_json::Value as Json;

use crate::reloads::Reloads;
use crate::samples::{FILES_PER_MESSAGE, MEMORY_PER_HOUR, Stretch};

/// Memory of a run that is too short for a slope may differ by this much between begin and end.
const SHORT_RUN_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
/// Seconds of a stretch from which on its slope says something.
const LONG: f64 = 300.0;

/// Everything that a soak has found.
pub(crate) struct Found {
    pub(crate) sent: u64,
    pub(crate) seconds: f64,
    pub(crate) stretches: Vec<Stretch>,
    /// Bytes of the host's files at the begin and at the end.
    pub(crate) files: (u64, u64),
    pub(crate) reloads: Reloads,
    pub(crate) stat: Json,
}

/// Talks while the soak runs.
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

impl Found {
    /// Prints it; whether everything is within its limit.
    pub(crate) fn print(&self) -> bool {
        let mib = |bytes: f64| bytes / 1024.0 / 1024.0;
        println!("soak: {} messages in {:.0} s", self.sent, self.seconds);
        let mut good = true;
        for (stretch, name) in self.stretches.iter().zip(["begin", "after the redeploy", "after the kill"]) {
            let Some((first, last)) = stretch.memory() else { continue };
            let seconds = stretch.samples.last().map_or(0.0, |last| last.0) - stretch.samples[0].0;
            let within = match stretch.memory_per_hour().filter(|_| seconds >= LONG) {
                Some(growth) => {
                    println!(
                        "memory, {name}: {:.1} to {:.1} MiB, {:+.2} MiB/h (at most {:.0})",
                        mib(first as f64),
                        mib(last as f64),
                        mib(growth),
                        mib(MEMORY_PER_HOUR)
                    );
                    growth <= MEMORY_PER_HOUR
                }
                None => {
                    println!(
                        "memory, {name}: {:.1} to {:.1} MiB in {seconds:.0} s, too short for a slope (at most {:+.0})",
                        mib(first as f64),
                        mib(last as f64),
                        mib(SHORT_RUN_BYTES)
                    );
                    last as f64 - first as f64 <= SHORT_RUN_BYTES
                }
            };
            good &= within;
        }
        let (first, last) = self.files;
        let each = last.saturating_sub(first) as f64 / self.sent.max(1) as f64;
        println!(
            "files: {:.1} to {:.1} MiB, {each:.0} bytes a message (at most {FILES_PER_MESSAGE:.0})",
            mib(first as f64),
            mib(last as f64)
        );
        good &= each <= FILES_PER_MESSAGE;
        good &= self.reloads.print();
        let accounts = &self.stat["accounts"];
        let journalled = accounts["journalled"].as_u64().unwrap_or(0);
        let sent = self.sent + self.reloads.sent;
        println!("inputs: {journalled} journalled of {sent} sent, imbalance {}", self.stat["imbalance"]);
        println!(
            "steps done {}, dead-lettered {}, effects {}",
            accounts["done"], accounts["dead-lettered"], accounts["proposed"]
        );
        good &= journalled >= sent && self.stat["imbalance"].is_null();
        println!("{}", if good { "everything is within its limits" } else { "something is BEYOND its limit" });
        good
    }
}
