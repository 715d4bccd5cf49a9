//! `pointsman journal`: the record of everything observed, as a recording, in numbers, and checked.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use model::Instant;
use serde_json::Value as Json;
use server::state::Range;

use super::output;
use super::reach::{self, Reach};
use crate::api;

mod letters;
mod table;

/// Exports, counts and verifies the journal, and lists what was given up.
///
/// An export and a verification read the store beside a host that runs, as `why` and `replay` do.
#[derive(Debug, clap::Args)]
pub(crate) struct Journal {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Export(Export),
    Stat(Stat),
    Verify(Check),
    DeadLetters(letters::Letters),
}

/// Writes the journal as a recording that `replay` reads: with decisions, state and configuration, for an exact replay.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman journal export yesterday.jsonl --from 2026-05-02T00:00:00Z --to 2026-05-03T00:00:00Z\n  pointsman journal export - | zstd > all.jsonl.zst"
)]
struct Export {
    /// The file to write; `-` for standard output.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// From the newest checkpoint before this instant; with `--observed`, only what was received at it or later.
    #[arg(long, value_name = "INSTANT")]
    from: Option<Instant>,
    /// Only what was received before this instant.
    #[arg(long, value_name = "INSTANT")]
    to: Option<Instant>,
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<u16>,
    /// Only what was observed, each input once: for a replay in virtual time or a backtest.
    #[arg(long)]
    observed: bool,
    #[command(flatten)]
    config: super::ConfigArgument,
}

/// Shows counts and sizes of the store, and whether its accounts add up.
#[derive(Debug, clap::Args)]
struct Stat {
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: super::ConfigArgument,
}

/// Computes every digest of the journal again and reads its checkpoints back; 1 when one is damaged.
#[derive(Debug, clap::Args)]
struct Check {
    /// Only this partition.
    #[arg(long, value_name = "N")]
    partition: Option<u16>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: super::ConfigArgument,
}

impl Journal {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Export(export) => export.run(),
            Command::Stat(stat) => reach::block_on(stat.run()),
            Command::Verify(verify) => verify.run(),
            Command::DeadLetters(letters) => reach::block_on(letters.run()),
        }
    }
}

impl Export {
    fn run(&self) -> Result<()> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(super::Usage(format!("--from {from} is not before --to {to}")).into());
        }
        let host = reach::read_host(&self.config)?;
        let reader = reach::reader(&host)?;
        check_partition(self.partition, &reader)?;
        let range = Range { partition: self.partition, from: self.from, to: self.to, observed: self.observed };
        crate::journal::refuse(&reader, &range)?;
        let devices = reach::devices(&host, Some(&reader))?;
        let losses = output::write_whole(&self.file, |to| {
            let mut written = Ok(());
            let losses = crate::journal::export(&reader, &devices, &range, |line| {
                written = writeln!(to, "{line}");
                written.is_ok()
            })?;
            written.and(Ok(losses)).with_context(|| format!("failed to write {}", self.file.display()))
        })?;
        if let Some(told) = losses.told() {
            output::say(told);
        }
        Ok(())
    }
}

impl Stat {
    async fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        let stat: Json = match Reach::of(&host).await? {
            Reach::Running(client) => client.get("/v1/journal/stat").await?,
            Reach::Stopped => api::stat(&reach::reader(&host)?, &[])?,
        };
        if self.json {
            output::print(stat)
        } else {
            output::print(table::stat(&stat))
        }
        Ok(())
    }
}

impl Check {
    fn run(&self) -> Result<()> {
        let reader = reach::reader(&reach::read_host(&self.config)?)?;
        check_partition(self.partition, &reader)?;
        let found = api::verify(&reader, self.partition)?;
        if self.json {
            output::print(&found)
        } else {
            output::print(table::verified(&found))
        }
        match table::sum(&found, "damaged") {
            0 => Ok(()),
            damaged => bail!("{damaged} rows of the journal or checkpoints are damaged"),
        }
    }
}

fn check_partition(partition: Option<u16>, reader: &store::Reader) -> Result<()> {
    match partition.filter(|partition| *partition >= reader.partitions()) {
        Some(partition) => {
            let count = reader.partitions();
            Err(super::Usage(format!("there is no partition {partition}: the store has {count}, counted from 0"))
                .into())
        }
        None => Ok(()),
    }
}
