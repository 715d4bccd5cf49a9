//! Acceptance: recordings of real devices run through the real binary, and what comes out is compared with the known
//! answers, counts and instants, exactly.
//!
//! `pointsman-acceptance DATA [--pointsman PATH]` replays every recording that has known answers and plays two of them
//! live over a real broker. The data is read from where it is. Exit codes: 0 all equal, 1 something differs or failed,
//! 2 wrong usage.

mod answers;
mod broker;
mod computed;
mod converters;
mod installation;
mod live;
mod process;
mod recordings;
mod replay;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use crate::answers::KnownAnswers;
use crate::installation::Installation;
use crate::recordings::{ALL, Recording};
use crate::report::Report;

/// Compares what the engine makes of real recordings with the known answers.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of the recordings, with `known-answers.json`.
    data: PathBuf,
    /// The binary under test; without it the one beside this program.
    #[arg(long, value_name = "PATH")]
    pointsman: Option<PathBuf>,
    /// Leave out what needs a broker.
    #[arg(long)]
    no_live: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every answer came out as it is known.
fn run(arguments: &Arguments) -> Result<bool> {
    let data = &arguments.data;
    ensure!(data.is_dir(), "there is no folder `{}`: give the folder of the recordings", data.display());
    let pointsman = match &arguments.pointsman {
        Some(path) => path.clone(),
        None => sibling()?,
    };
    ensure!(pointsman.is_file(), "there is no binary `{}`: build it, or name it with --pointsman", pointsman.display());
    let pointsman = pointsman.canonicalize().context("failed to resolve the binary's path")?;
    let known = KnownAnswers::read(&data.join("known-answers.json"))?;
    known.check_all_are_asked(&ALL)?;

    let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
    let mut report = Report::default();
    for recording in &ALL {
        one(recording, arguments, &pointsman, &known, folder.path(), &mut report)
            .with_context(|| format!("recording `{}`", recording.name))?;
    }
    report.print();
    Ok(report.all_equal())
}

fn one(
    recording: &Recording,
    arguments: &Arguments,
    pointsman: &Path,
    known: &KnownAnswers,
    folder: &Path,
    report: &mut Report,
) -> Result<()> {
    report::say(&format!("{}: converting and building its rule", recording.name));
    let lines = recording.lines(&arguments.data)?;
    let package = folder.join(format!("{}.wasm", recording.name));
    installation::build_rule(pointsman, recording, &package)?;

    report::say(&format!("{}: replaying {} lines", recording.name, lines.len()));
    let installation = Installation::write(&folder.join(recording.name).join("replay"), recording, &package, None)?;
    let fired = replay::run(pointsman, &installation, &lines)?;
    report.compare(recording, "replay", known, &lines, &fired);

    if recording.live && !arguments.no_live {
        report::say(&format!("{}: playing {} lines live over a broker", recording.name, lines.len()));
        let fired = live::run(pointsman, recording, &package, &lines, &folder.join(recording.name).join("live"))?;
        report.compare(recording, "live", known, &lines, &fired);
    }
    Ok(())
}

/// The binary that was built into the same target folder.
fn sibling() -> Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find this program's own path")?;
    let folder = own.parent().context("this program's path has no folder")?;
    Ok(folder.join(format!("pointsman{}", std::env::consts::EXE_SUFFIX)))
}
