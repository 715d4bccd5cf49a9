//! `pointsman journal dead-letters`: events that were given up, and their cases.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use clap::Subcommand;
use serde_json::Value as Json;

use super::table;
use crate::api;
use crate::cli::output;
use crate::cli::reach::{self, Reach};

/// Letters of one list; older ones are found by their number.
const LISTED: usize = 1_000;

/// Lists events that were given up, the newest first, or writes the case of one.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  pointsman journal dead-letters\n  pointsman journal dead-letters export 42 case.json && pointsman rule repro case.json"
)]
pub(super) struct Letters {
    #[command(subcommand)]
    action: Option<Action>,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=LISTED as u64))]
    limit: u64,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: crate::cli::ConfigArgument,
}

#[derive(Debug, Subcommand)]
enum Action {
    Export(Export),
}

/// Writes the case of one dead letter: all that is needed to run that event again.
#[derive(Debug, clap::Args)]
struct Export {
    /// The letter's number, as the list shows it.
    number: u64,
    /// The file to write; `-` for standard output.
    file: PathBuf,
    #[command(flatten)]
    config: crate::cli::ConfigArgument,
}

impl Letters {
    pub(super) async fn run(self) -> Result<()> {
        if let Some(Action::Export(export)) = self.action {
            return export.run().await;
        }
        let host = reach::read_host(&self.config)?;
        let letters: Vec<Json> = match Reach::of(&host).await? {
            Reach::Running(client) => client.get(&format!("/v1/journal/dead-letters?limit={}", self.limit)).await?,
            Reach::Stopped => api::dead_letters(&reach::reader(&host)?, usize::try_from(self.limit)?)?,
        };
        if self.json {
            output::print(Json::Array(letters));
        } else if letters.is_empty() {
            output::say("there is no dead letter");
        } else {
            output::print(table::dead_letters(&letters));
        }
        Ok(())
    }
}

impl Export {
    async fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        let number = self.number;
        let case: Json = match Reach::of(&host).await? {
            Reach::Running(client) => client.get(&format!("/v1/journal/dead-letters/{number}")).await?,
            Reach::Stopped => {
                let case = api::dead_letter(&reach::reader(&host)?, number)?;
                case.with_context(|| format!("there is no dead letter {number}"))?.map_err(|error| anyhow!(error))?
            }
        };
        let text = serde_json::to_string_pretty(&case).context("failed to write the case as JSON")?;
        let failed = || format!("failed to write {}", self.file.display());
        output::write_whole(&self.file, |to| writeln!(to, "{text}").with_context(failed))
    }
}
