//! The installation: the demo's own configuration, in a folder of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Writes `pointsman.toml` and what belongs to it, with the packages that its deployments name; with a broker's port for
/// a live run.
pub(crate) fn write(folder: &Path, packages: &Path, broker: Option<u16>) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/src/demo/installation");
    for part in ["deployments", "templates"] {
        copy(&source.join(part), &folder.join(part))?;
    }
    fs::create_dir_all(folder.join("packages")).context("failed to create the folder of packages")?;
    for entry in fs::read_dir(folder.join("deployments")).context("failed to read the deployments")? {
        let name = entry.context("failed to read the deployments")?.path().with_extension("wasm");
        let name = name.file_name().context("a deployment has a name")?;
        let package = packages.join(name);
        fs::copy(&package, folder.join("packages").join(name))
            .with_context(|| format!("failed to copy {}", package.display()))?;
    }
    let text = fs::read_to_string(source.join("pointsman.toml")).context("failed to read the demo's configuration")?;
    let text = match broker {
        Some(port) => with_broker(&text, port)?,
        None => text,
    };
    fs::write(folder.join("pointsman.toml"), text).context("failed to write pointsman.toml")
}

/// Puts a broker outside in place of the embedded one, and lets the disk keep little.
fn with_broker(text: &str, port: u16) -> Result<String> {
    const EMBEDDED: &str = "[broker]\nlisten = \"127.0.0.1:0\"\n";
    ensure!(text.contains(EMBEDDED), "the demo's configuration has no embedded broker any more");
    Ok(text.replace(EMBEDDED, &format!("[[mqtt]]\nname = \"mosquitto\"\nurl = \"mqtt://127.0.0.1:{port}\"\n")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("failed to read {}", from.display()))? {
        let entry = entry.with_context(|| format!("failed to read {}", from.display()))?;
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target).with_context(|| format!("failed to write {}", target.display()))?;
    }
    Ok(())
}
