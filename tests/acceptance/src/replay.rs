//! A recording through `pointsman replay`, and the decisions that it writes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use model::Instant;
use serde::Deserialize;
use serde_json::json;

use crate::answers::{Fired, phase};
use crate::converters::Line;
use crate::installation::Installation;
use crate::process;

/// The parts of a decision that are compared.
#[derive(Debug, Deserialize)]
struct Decision {
    at: Instant,
    cause: Cause,
    effect: Option<Effect>,
    verdict: String,
}

#[derive(Debug, Deserialize)]
struct Cause {
    device: Option<String>,
    name: String,
    phase: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Effect {
    kind: String,
    name: Option<String>,
}

/// What fired, as the decisions of a replay say.
pub(crate) fn run(pointsman: &Path, installation: &Installation, lines: &[Line]) -> Result<Vec<Fired>> {
    let recorded = installation.folder.join("recording.jsonl");
    let decisions = installation.folder.join("decisions.jsonl");
    write(&recorded, lines)?;
    process::run(
        Command::new(pointsman)
            .arg("replay")
            .arg(&recorded)
            .arg("-c")
            .arg(installation.config())
            .arg("--decisions")
            .arg(&decisions),
    )?;
    read(&decisions)
}

/// Writes the lines in the recording format. Time never goes back where they arrive: a row whose stamp does was received
/// with the newest one.
fn write(file: &Path, lines: &[Line]) -> Result<()> {
    let failed = || format!("failed to write {}", file.display());
    let mut out = BufWriter::new(File::create(file).with_context(failed)?);
    let mut received = Instant::MIN;
    for line in lines {
        received = received.max(line.at);
        let mut json = json!({ "at": line.at.to_string(), "device": line.device, "readings": line.readings });
        if received > line.at {
            json["received"] = json!(received.to_string());
        }
        writeln!(out, "{json}").with_context(failed)?;
    }
    out.flush().with_context(failed)
}

/// One for each `fired`; every decision must be allowed.
fn read(file: &Path) -> Result<Vec<Fired>> {
    let decisions = File::open(file).with_context(|| format!("there are no decisions in {}", file.display()))?;
    let mut fired = Vec::new();
    for (index, line) in BufReader::new(decisions).lines().enumerate() {
        let line = line.with_context(|| format!("failed to read {}", file.display()))?;
        let decision: Decision =
            serde_json::from_str(&line).with_context(|| format!("{}:{}: {line}", file.display(), index + 1))?;
        ensure!(decision.verdict == "allowed", "a decision was not allowed: {line}");
        let Some(effect) = decision.effect else { continue };
        if effect.kind == "emit" && effect.name.as_deref() == Some("fired") {
            let word = decision.cause.phase.with_context(|| format!("a condition without a phase: {line}"))?;
            let device = decision.cause.device.with_context(|| format!("a condition without a device: {line}"))?;
            fired.push(Fired { device, trigger: decision.cause.name, phase: phase(&word)?, at: decision.at });
        }
    }
    Ok(fired)
}
