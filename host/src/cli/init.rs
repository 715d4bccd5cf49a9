//! `pointsman init`: an installation to begin with, which `check` accepts as it is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{Usage, output};

/// The files of a new installation.
const FILES: [(&str, &str); 3] = [
    ("pointsman.toml", include_str!("init/pointsman.toml")),
    ("templates/too-warm.toml", include_str!("init/template.toml")),
    // Not `.toml`: it becomes a deployment once its package is there.
    ("deployments/fridge.toml.off", include_str!("init/deployment.toml")),
];
/// Folders that are there from the start, so that their places are seen.
const FOLDERS: [&str; 1] = ["packages"];

/// Writes a commented configuration with devices, a template and an example of a deployment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pointsman init\n  pointsman init hub && cd hub && pointsman check")]
pub(crate) struct Init {
    /// The folder; made when it is not there.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> Result<()> {
        write(&self.folder)?;
        for (file, _) in FILES {
            output::print(self.folder.join(file).display());
        }
        output::say(
            "next: `pointsman check`, then `pointsman run`; deployments/fridge.toml.off says how to give it a rule",
        );
        Ok(())
    }
}

/// A name that no other host has, so that several can share a broker: it is made from the machine and the folder.
fn name(folder: &Path) -> String {
    // Machines of one image may share either; a container has a host name of its own and often no machine id.
    let [machine, host] = ["/etc/machine-id", "/etc/hostname"].map(|file| std::fs::read(file).unwrap_or_default());
    let place = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let id = model::Id::of(&[&machine, &host, place.as_os_str().as_encoded_bytes()]).to_string();
    format!("hub-{}", &id[..8])
}

/// Writes all files or none: what is there is never replaced.
fn write(folder: &Path) -> Result<()> {
    if let Some((file, _)) = FILES.iter().find(|(file, _)| folder.join(file).exists()) {
        return Err(Usage(format!("{} exists already", folder.join(file).display())).into());
    }
    let files = FILES.map(|(file, _)| folder.join(file));
    let folders = files.iter().filter_map(|file| file.parent().map(Path::to_owned));
    for folder in folders.chain(FOLDERS.map(|name| folder.join(name))) {
        std::fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    }
    let name = name(folder);
    for (file, (_, text)) in files.iter().zip(FILES) {
        std::fs::write(file, text.replace("{{name}}", &name))
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_is_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder.path().join("hub")).expect("written");
        let host = config::Host::load(&folder.path().join("hub/pointsman.toml")).expect("a configuration");
        assert_eq!(host.device_ids().len(), 2);
        assert_eq!(host.templates.len(), 1);
        assert!(host.deployments.is_empty());
    }

    #[test]
    fn two_hosts_on_one_broker_have_names_of_their_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = |hub: &str| {
            let folder = folder.path().join(hub);
            write(&folder).expect("written");
            config::Host::load(&folder.join("pointsman.toml")).expect("a configuration").name
        };
        assert_ne!(name("hub"), name("other/hub"));
    }

    #[test]
    fn the_example_of_a_deployment_reads_once_it_is_switched_on() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path()).expect("written");
        let off = folder.path().join("deployments/fridge.toml.off");
        std::fs::rename(&off, folder.path().join("deployments/fridge.toml")).expect("renamed");
        let host = config::Host::load(&folder.path().join("pointsman.toml")).expect("a configuration");
        assert_eq!(host.deployments.len(), 1);
    }

    #[test]
    fn nothing_is_written_where_a_file_exists() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("templates")).expect("made");
        std::fs::write(folder.path().join("templates/too-warm.toml"), "mine").expect("written");
        let error = write(folder.path()).expect_err("a file is in the way");
        assert!(error.to_string().contains("too-warm.toml exists already"), "{error}");
        assert!(!folder.path().join("pointsman.toml").exists());
        let kept = std::fs::read_to_string(folder.path().join("templates/too-warm.toml")).expect("read");
        assert_eq!(kept, "mine");
    }
}
