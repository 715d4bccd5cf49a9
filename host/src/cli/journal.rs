//! `pointsman journal`: the record of everything observed, as a recording, in numbers, and checked.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use model::Instant;
use serde_json::{Value as Json, json};
use server::state::{Range, Verify};
use tokio::io::AsyncWriteExt as _;

use super::output;
use super::reach::{self, Reach};
use crate::api;

mod letters;
mod table;

/// Exports, counts and verifies the journal, and lists what was given up.
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
            Command::Export(export) => reach::block_on(export.run()),
            Command::Stat(stat) => reach::block_on(stat.run()),
            Command::Verify(verify) => reach::block_on(verify.run()),
            Command::DeadLetters(letters) => reach::block_on(letters.run()),
        }
    }
}

impl Export {
    async fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(super::Usage(format!("--from {from} is not before --to {to}")).into());
        }
        let range = Range { partition: self.partition, from: self.from, to: self.to, observed: self.observed };
        match Reach::of(&host).await? {
            Reach::Running(client) => {
                let path = export_path(&range);
                if is_standard_output(&self.file) {
                    client.download(&path, &mut tokio::io::stdout()).await?;
                } else {
                    let file = tokio::fs::File::create(&self.file).await;
                    let mut file = file.with_context(|| format!("failed to create {}", self.file.display()))?;
                    client.download(&path, &mut file).await?;
                    file.shutdown().await.with_context(|| format!("failed to write {}", self.file.display()))?;
                }
            }
            Reach::Stopped => self.write_from_store(&host, &range)?,
        }
        Ok(())
    }

    fn write_from_store(&self, host: &config::Host, range: &Range) -> Result<()> {
        let reader = reach::reader(host)?;
        check_partition(range.partition, &reader)?;
        crate::journal::refuse(&reader, range)?;
        let devices = reach::devices(host, Some(&reader))?;
        let mut to: Box<dyn std::io::Write> = if is_standard_output(&self.file) {
            Box::new(std::io::BufWriter::new(std::io::stdout()))
        } else {
            let file = std::fs::File::create(&self.file);
            Box::new(std::io::BufWriter::new(
                file.with_context(|| format!("failed to create {}", self.file.display()))?,
            ))
        };
        let mut written = Ok(());
        let losses = crate::journal::export(&reader, &devices, range, |line| {
            written = writeln!(to, "{line}");
            written.is_ok()
        })?;
        if let Some(told) = losses.told() {
            output::say(told);
        }
        written.and_then(|()| to.flush()).with_context(|| format!("failed to write {}", self.file.display()))
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
    async fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        let found: Json = match Reach::of(&host).await? {
            Reach::Running(client) => client.post("/v1/journal/verify", &Verify { partition: self.partition }).await?,
            Reach::Stopped => {
                let reader = reach::reader(&host)?;
                check_partition(self.partition, &reader)?;
                api::verify(&reader, self.partition)?
            }
        };
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

fn is_standard_output(file: &Path) -> bool {
    file.as_os_str() == "-"
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

/// The question with its bounds; instants hold nothing that a query would have to escape.
fn export_path(range: &Range) -> String {
    let bounds = json!(range);
    let bounds = bounds.as_object().into_iter().flatten();
    let bounds = bounds.map(|(name, bound)| match bound {
        Json::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    let bounds: Vec<_> = bounds.collect();
    if bounds.is_empty() { "/v1/journal/export".to_owned() } else { format!("/v1/journal/export?{}", bounds.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_asks_for_exactly_the_bounds_that_were_given() {
        assert_eq!(export_path(&Range::default()), "/v1/journal/export");
        let from = "2026-05-02T00:00:00Z".parse().expect("an instant");
        let range = Range { partition: Some(3), from: Some(from), to: None, observed: false };
        assert_eq!(export_path(&range), "/v1/journal/export?from=2026-05-02T00:00:00Z&partition=3");
    }
}
