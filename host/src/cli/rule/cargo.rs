//! Cargo: builds a rule's core module and finds it, wherever a workspace or a setting makes Cargo put it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::flags;

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no {} here: `pointsman rule new` makes a project", path.display())]
    NoProject { path: PathBuf },
    #[error("failed to run `{program}`: install Rust from https://rustup.rs")]
    Start {
        program: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("Rust cannot build for {TARGET} yet: add it with `rustup target add {TARGET}`")]
    NoTarget,
    #[error("failed to read what `cargo build` says")]
    Read(#[source] std::io::Error),
    #[error("`cargo build` did not succeed in {}", folder.display())]
    Build { folder: PathBuf },
    #[error("{} builds no WebAssembly module: it needs `crate-type = [\"cdylib\"]` under `[lib]`", path.display())]
    NoModule { path: PathBuf },
}

/// A line of `cargo build --message-format json`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Builds the crate in `folder` in release mode; the path of its core module. Cargo speaks to standard error itself.
///
/// # Errors
/// When Rust or its target is missing, the crate does not build, or builds no module.
pub(crate) fn build(folder: &Path) -> Result<PathBuf, Error> {
    let manifest = folder.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|_| Error::NoProject { path: manifest.clone() })?;
    check_target(folder)?;
    let mut cargo = Command::new("cargo");
    flags::set(&mut cargo, folder);
    cargo.args(["build", "--release", "--lib", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    let start = |source| Error::Start { program: "cargo", source };
    let mut child = cargo.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(start)?;
    let output = child.stdout.take().expect("standard output is a pipe");
    let mut module = None;
    for line in BufReader::new(output).lines() {
        module = artifact(&line.map_err(Error::Read)?, &manifest).or(module);
    }
    if !child.wait().map_err(Error::Read)?.success() {
        return Err(Error::Build { folder: folder.to_owned() });
    }
    module.ok_or(Error::NoModule { path: manifest })
}

/// The module that this line says was built from the crate of `manifest`.
fn artifact(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let ours = message.reason == "compiler-artifact" && message.manifest_path == manifest;
    let mut files = message.filenames.into_iter().filter(|_| ours);
    files.find(|file| file.extension().is_some_and(|end| end == "wasm"))
}

/// Asks the compiler that the folder's own toolchain file chooses, before Cargo fails with a page of errors.
fn check_target(folder: &Path) -> Result<(), Error> {
    let start = |source| Error::Start { program: "rustc", source };
    let mut rustc = Command::new("rustc");
    let output =
        rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder).output().map_err(start)?;
    let libraries = String::from_utf8_lossy(&output.stdout);
    let there = output.status.success() && Path::new(libraries.trim()).is_dir();
    if there { Ok(()) } else { Err(Error::NoTarget) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_module_of_the_crate_itself_is_taken() {
        let line = |manifest: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","filenames":["{file}"],"fresh":true}}"#
            )
        };
        let ours = Path::new("/rules/guard/Cargo.toml");
        assert_eq!(artifact(&line("/rules/guard/Cargo.toml", "/t/guard.wasm"), ours), Some("/t/guard.wasm".into()));
        assert_eq!(artifact(&line("/rules/guard/Cargo.toml", "/t/libguard.rlib"), ours), None);
        assert_eq!(artifact(&line("/rules/other/Cargo.toml", "/t/other.wasm"), ours), None);
        assert_eq!(artifact(r#"{"reason":"build-finished","success":true}"#, ours), None);
        assert_eq!(artifact("no JSON", ours), None);
    }
}
