//! The soak: the real host under steady load against a real broker, for half an hour or as long as asked.
//!
//! `pointsman-soak run` watches memory and files, restarts the host with a changed deployment after a third of the time
//! and kills it after two thirds; then it changes the deployment again and again. It fails where memory or files grow
//! beyond their limits, or an input is not accounted for. `pointsman-soak record` writes the same devices as a recording
//! with the installation that it belongs to.

mod broker;
mod devices;
mod host;
mod installation;
mod reloads;
mod report;
mod run;
mod samples;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

/// Keeps a host under load and watches what grows.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the soak.
    Run(Soak),
    /// Writes an installation and a recording of its devices.
    Record(Record),
}

#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// The binary under test.
    #[arg(long, value_name = "PATH")]
    pointsman: PathBuf,
    /// Folder with the packages of the example rules.
    #[arg(long, value_name = "DIR")]
    packages: PathBuf,
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Messages a second: with fewer, what is bounded is still filling when a stretch is half over.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// How often the deployment is changed and reloaded at the end.
    #[arg(long, default_value_t = 30)]
    reloads: u32,
}

#[derive(Debug, Args)]
struct Record {
    /// Folder with the packages of the example rules.
    #[arg(long, value_name = "DIR")]
    packages: PathBuf,
    /// Lines of the recording.
    #[arg(long, default_value_t = 20_000)]
    lines: u64,
    /// The folder to write, with `pointsman.toml` and `recording.jsonl`.
    into: PathBuf,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(soak) => run::run(&soak),
        Command::Record(record) => write(&record).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn write(record: &Record) -> Result<()> {
    installation::write(&record.into, &record.packages, None)?;
    let file = record.into.join("recording.jsonl");
    let lines: String = devices::Devices::default().take_lines(record.lines).collect();
    std::fs::write(&file, lines).with_context(|| format!("failed to write {}", file.display()))
}
