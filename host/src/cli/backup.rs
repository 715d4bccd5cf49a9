//! `pointsman backup`: one verified file of the store, taken while the host runs or from its data folder.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::reach::{self, Reach};
use super::{Usage, output};
use crate::installation;

/// Writes a verified copy of the store into a new file.
///
/// The store alone: configuration and packages are files that are copied as they lie.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman backup /backups/hub-monday.db\n  pointsman backup hub.db -c /etc/pointsman/pointsman.toml"
)]
pub(crate) struct Backup {
    /// The file to write; it must not exist yet.
    file: PathBuf,
    #[command(flatten)]
    config: super::ConfigArgument,
}

impl Backup {
    pub(crate) fn run(self) -> Result<()> {
        let host = reach::read_host(&self.config)?;
        // The host's working folder is not ours.
        let file =
            std::path::absolute(&self.file).with_context(|| format!("failed to find {}", self.file.display()))?;
        if file.exists() {
            return Err(Usage(format!("{} exists already", self.file.display())).into());
        }
        reach::block_on(async {
            match Reach::of(&host).await? {
                Reach::Running(client) => {
                    let _: serde_json::Value = client.post("/v1/backup", &json!({ "file": file })).await?;
                }
                Reach::Stopped => store::backup(&reach::reader(&host)?, &file)?,
            }
            Ok(())
        })?;
        let bytes = std::fs::metadata(&file).with_context(|| format!("failed to find {}", file.display()))?.len();
        output::say(format_args!("{bytes} bytes, checked"));
        let packages = host.data.join(installation::PACKAGES);
        output::say(format_args!("the configuration and the packages in {} are not in it", packages.display()));
        output::print(self.file.display());
        Ok(())
    }
}
