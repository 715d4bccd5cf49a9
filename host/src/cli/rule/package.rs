//! A package with its manifest: made from a rule's project, or read from a file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use config::Manifest;
use model::guest::Program;
use sandbox::{Inspection, LoadOptions, Options, Pooling, Sandbox};

use super::cargo;
use crate::cli::Usage;

/// Bytes that a host can load, and what they say about themselves.
pub(crate) struct Package {
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) inspection: Inspection,
}

impl Package {
    /// Builds the rule in `folder`.
    ///
    /// # Errors
    /// Everything that is wrong with `rule.toml`; a crate that does not build; a component that is not what its
    /// manifest says.
    pub(crate) fn build(folder: &Path) -> Result<Self> {
        let (manifest, text) = read_manifest(folder)?;
        let path = cargo::build(folder)?;
        let module = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let component = sandbox::package::strip_debug(&sandbox::package::wrap(&module)?)?;
        let bytes = sandbox::package::with_manifest(&component, &text)?;
        let sandbox = sandbox()?;
        let inspection = sandbox::inspect(&bytes)?;
        let package = Self { bytes, manifest, inspection };
        // Whether it may import WASI its deployment says, which is not known here.
        package.load(&sandbox, true)?;
        Ok(package)
    }

    /// Reads the package in `file`.
    ///
    /// # Errors
    /// When it is no package that may run, or holds no manifest.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
        let inspection = sandbox::inspect(&bytes).with_context(|| format!("{} is no package", file.display()))?;
        let Some(text) = &inspection.manifest else {
            let message = format!("{} holds no manifest: build packages with `pointsman rule build`", file.display());
            return Err(Usage(message).into());
        };
        let manifest = Manifest::parse(text, &format!("{}: rule.toml", file.display()))?;
        Ok(Self { bytes, manifest, inspection })
    }

    /// Compiles and links it as a host would, with a virtual WASI only where its deployment allows the compatibility
    /// linker.
    ///
    /// # Errors
    /// When its world is not its manifest's, or it imports what the world does not have.
    pub(crate) fn load(&self, sandbox: &Sandbox, compatibility: bool) -> Result<Arc<dyn Program>> {
        let options = LoadOptions { world: self.manifest.world, compatibility, limits: self.manifest.limits };
        Ok(sandbox.load(&self.bytes, &options)?)
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> String {
        file_name(&self.manifest)
    }
}

/// The name of the file that a manifest's package is kept in.
pub(crate) fn file_name(manifest: &Manifest) -> String {
    format!("{}-{}.wasm", manifest.id, manifest.version)
}

/// The manifest beside a rule's source, and its text.
///
/// # Errors
/// When there is none; everything that is wrong with it.
pub(crate) fn read_manifest(folder: &Path) -> Result<(Manifest, String)> {
    let path = folder.join("rule.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Usage(format!("failed to read {}: {error}; name the folder of a rule", path.display())))?;
    let manifest = Manifest::parse(&text, &path.display().to_string())?;
    Ok((manifest, text))
}

/// A sandbox for one short run: a pool would only cost its reservation.
///
/// # Errors
/// When the WebAssembly engine cannot be set up.
pub(crate) fn sandbox() -> Result<Sandbox> {
    Ok(Sandbox::new(Options { cache: None, pooling: Pooling::Off })?)
}
