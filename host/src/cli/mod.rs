//! The command line: one file a command. Data goes to standard output, talk to standard error.

mod backtest;
mod backup;
mod check;
mod completions;
mod demo;
mod device;
mod doctor;
mod init;
mod journal;
pub(crate) mod output;
mod reach;
mod replay;
mod restore;
mod rule;
mod run;
mod sink;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// A rules engine for devices: sandboxed rules, device events in, commands and notifications out.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Check(check::Check),
    Run(run::Run),
    Doctor(doctor::Doctor),
    Device(device::Device),
    Sink(sink::Sink),
    Replay(replay::Replay),
    Backtest(backtest::Backtest),
    Why(why::Why),
    Journal(journal::Journal),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Completions(completions::Completions),
    Rule(rule::Rule),
}

/// Where the host's configuration is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgument {
    /// The host's configuration.
    #[arg(short, long, value_name = "FILE", default_value = "pointsman.toml", env = "POINTSMAN_CONFIG")]
    pub(crate) config: PathBuf,
}

/// What was asked cannot be: wrong usage or configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

impl Cli {
    /// Runs the command. 0 done, 1 failed, 2 wrong usage or configuration.
    pub(crate) fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Demo(demo) => demo.run(),
            Command::Init(init) => init.run(),
            Command::Check(check) => check.run(),
            Command::Run(run) => run.run(),
            Command::Doctor(doctor) => doctor.run(),
            Command::Device(device) => device.run(),
            Command::Sink(sink) => sink.run(),
            Command::Replay(replay) => replay.run(),
            Command::Backtest(backtest) => backtest.run(),
            Command::Why(why) => why.run(),
            Command::Journal(journal) => journal.run(),
            Command::Backup(backup) => backup.run(),
            Command::Restore(restore) => restore.run(),
            Command::Completions(completions) => completions.run(),
            Command::Rule(rule) => rule.run(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::error(&error);
                let usage =
                    error.downcast_ref::<Usage>().is_some() || error.downcast_ref::<config::Problems>().is_some();
                ExitCode::from(if usage { 2 } else { 1 })
            }
        }
    }
}

/// Reads the configuration and the packages.
pub(crate) fn read_installation(argument: &ConfigArgument) -> Result<crate::installation::Installation> {
    let host = config::Host::load(&argument.config)?;
    Ok(crate::installation::Installation::read(host)?)
}
