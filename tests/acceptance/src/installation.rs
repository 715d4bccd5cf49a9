//! The configuration under which a recording runs, written the way an operator writes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;
use crate::recordings::Recording;

/// The device whose numbers show how far a live run has come.
pub(crate) const MARKER_TOPIC: &str = "recorded/marker";

/// A folder with `pointsman.toml` and one deployment.
pub(crate) struct Installation {
    pub(crate) folder: PathBuf,
}

impl Installation {
    /// Writes the folder; with a broker's port for a live run.
    pub(crate) fn write(folder: &Path, recording: &Recording, package: &Path, broker: Option<u16>) -> Result<Self> {
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))
        };
        for part in ["deployments", "packages"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| format!("failed to make {}", part.display()))?;
        }
        let copy = folder.join("packages").join("probe.wasm");
        fs::copy(package, &copy).with_context(|| format!("failed to copy the package to {}", copy.display()))?;
        write("pointsman.toml", &host(recording, broker))?;
        write("deployments/probe.toml", &deployment(recording))?;
        Ok(Self { folder: folder.to_owned() })
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("pointsman.toml")
    }
}

/// Builds the rule of a recording into a package, with the manifest that holds its triggers.
pub(crate) fn build_rule(pointsman: &Path, recording: &Recording, package: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/acceptance-probe").join(recording.name);
    process::run(Command::new(pointsman).args(["rule", "build"]).arg(source).arg("-o").arg(package))
}

/// Where a recording's device publishes in a live run.
pub(crate) fn topic(recording: &Recording) -> String {
    format!("recorded/{}", recording.name)
}

fn host(recording: &Recording, broker: Option<u16>) -> String {
    let readings: Vec<_> = recording
        .capabilities
        .iter()
        .map(|capability| format!("{capability} = {{ path = \"/{capability}\" }}"))
        .collect();
    let readings = readings.join(", ");
    let device = |name: &str| {
        format!(
            "[[device]]\nid = \"{name}\"\nkind = \"recorder\"\n\
             source = {{ topic = \"recorded/{name}\", readings = {{ {readings} }}, time = \"/ts\" }}\n\n"
        )
    };
    let devices: String = recording.devices().into_iter().map(device).collect();
    let mqtt = broker.map_or_else(String::new, |port| {
        format!("[[mqtt]]\nname = \"mosquitto\"\nurl = \"mqtt://127.0.0.1:{port}\"\n\n")
    });
    format!(
        r#"[host]
name = "acceptance"
data = "data"
site = {{ zone = "UTC" }}
development = true

[api]
listen = "127.0.0.1:0"

{mqtt}{devices}[[device]]
id = "marker"
kind = "counter"
source = {{ topic = "{MARKER_TOPIC}", readings = {{ marker = {{ path = "/n" }} }} }}
"#
    )
}

fn deployment(recording: &Recording) -> String {
    let probes = format!("{:?}", recording.devices());
    format!(
        r#"[deployment]
package = "packages/probe.wasm"

[roles]
probe = {probes}
marker = ["marker"]

[grants]
emit = ["fired"]
publish = ["acceptance/fired"]
"#
    )
}
