//! `pointsman restore`: a backup back into an empty data folder.

use std::path::PathBuf;

use anyhow::Result;

use super::{output, reach};

/// Puts a backup into an empty data folder.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman restore /backups/hub-monday.db\n  pointsman restore hub.db --into /tmp/look-at-it"
)]
pub(crate) struct Restore {
    /// What `pointsman backup` wrote.
    file: PathBuf,
    /// The folder; the host's data folder unless given. It must be empty or not there yet.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    config: super::ConfigArgument,
}

impl Restore {
    pub(crate) fn run(self) -> Result<()> {
        let folder = match self.into {
            Some(folder) => folder,
            None => reach::read_host(&self.config)?.data,
        };
        store::restore(&self.file, &folder)?;
        output::print(folder.display());
        Ok(())
    }
}
