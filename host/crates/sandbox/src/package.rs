//! Makes packages: wraps core modules into components, packs the manifest in, and takes ballast out.

use std::borrow::Cow;

use model::deployment::PackageDigest;
use sha2::{Digest as _, Sha256};
use wasm_encoder::{Encode as _, Section as _};
use wasmparser::{BinaryReader, BinaryReaderError, Parser, Payload};

/// The custom section that holds the text of `rule.toml`.
pub const MANIFEST_SECTION: &str = "pointsman:manifest";

/// Bytes before the first section: magic, version and layer.
const PREAMBLE: usize = 8;
/// Section ids of a component that hold a whole core module or component.
const NESTED: [u8; 2] = [1, 4];
/// The core module's prefix of a component's preamble differs in the layer, its last two bytes.
const COMPONENT_LAYER: &[u8] = &[1, 0];

/// Why no component came of a core module, or no package of a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not a core WebAssembly module: {0}")]
    NotAModule(String),
    #[error("already a component: pack it as it is")]
    AlreadyComponent,
    #[error(
        "the module does not say which world it was built for: generate its bindings from `wit/v1` with wit-bindgen"
    )]
    NoWorld,
    #[error(
        "the module imports `{import}` from WASI preview 1: in Rust use the target wasm32-unknown-unknown, in C and C++ \
         avoid stdio, files and clocks"
    )]
    Wasi { import: String },
    #[error("cannot wrap the module into a component: {0}")]
    Wrap(String),
    #[error("damaged WebAssembly: {0}")]
    Damaged(String),
}

/// The digest by which deployments name a package.
#[must_use]
pub fn digest(package: &[u8]) -> PackageDigest {
    PackageDigest(Sha256::digest(package).into())
}

/// Wraps a core module, whose world its bindings have written into it, into a component.
///
/// # Errors
/// When it is no core module, names no world, imports WASI, or does not fit its world.
pub fn wrap(module: &[u8]) -> Result<Vec<u8>, Error> {
    let mut has_world = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| Error::NotAModule(error.to_string()))? {
            Payload::Version { encoding: wasmparser::Encoding::Component, .. } => return Err(Error::AlreadyComponent),
            Payload::CustomSection(section) => has_world |= section.name().starts_with("component-type"),
            Payload::ImportSection(section) => preview1(section)?,
            _ => {}
        }
    }
    if !has_world {
        return Err(Error::NoWorld);
    }
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| Error::Wrap(format!("{error:#}")))
}

/// Refuses the first import from WASI preview 1.
fn preview1(section: wasmparser::ImportSectionReader<'_>) -> Result<(), Error> {
    for import in section.into_imports() {
        let import = import.map_err(|error| Error::NotAModule(error.to_string()))?;
        if import.module.starts_with("wasi_") {
            return Err(Error::Wasi { import: import.name.to_owned() });
        }
    }
    Ok(())
}

/// The component with this manifest in it, in place of any that was there.
///
/// # Errors
/// When the bytes are no sequence of sections.
pub fn with_manifest(component: &[u8], manifest: &str) -> Result<Vec<u8>, Error> {
    let mut package = edit(component, &|name| name != MANIFEST_SECTION, false).map_err(damaged)?;
    let section =
        wasm_encoder::CustomSection { name: Cow::Borrowed(MANIFEST_SECTION), data: Cow::Borrowed(manifest.as_bytes()) };
    section.append_to(&mut package);
    Ok(package)
}

/// The text of the manifest that was packed in; none where there is none or it is no text.
#[must_use]
pub fn manifest(component: &[u8]) -> Option<String> {
    let mut sections = Sections::new(component).ok()?;
    while let Some(section) = sections.next().ok()? {
        if let Some((MANIFEST_SECTION, data)) = section.custom() {
            return String::from_utf8(data.to_vec()).ok();
        }
    }
    None
}

/// Without debug information, which no host reads. Function names stay: a trap's message shows them.
///
/// # Errors
/// When the bytes are no sequence of sections.
pub fn strip_debug(binary: &[u8]) -> Result<Vec<u8>, Error> {
    edit(binary, &|name| !is_debug(name), true).map_err(damaged)
}

/// Without debug information and names: the smallest package, whose traps say where only in numbers.
///
/// # Errors
/// When the bytes are no sequence of sections.
pub fn strip_names(binary: &[u8]) -> Result<Vec<u8>, Error> {
    edit(binary, &|name| !is_debug(name) && name != "name" && name != "component-name", true).map_err(damaged)
}

fn is_debug(name: &str) -> bool {
    name.starts_with(".debug")
        || name.starts_with("reloc.")
        || ["sourceMappingURL", "external_debug_info"].contains(&name)
}

fn damaged(error: BinaryReaderError) -> Error {
    Error::Damaged(error.to_string())
}

/// Copies a binary, keeping the custom sections that `keep` names; `deep` goes into nested modules and components.
fn edit(binary: &[u8], keep: &dyn Fn(&str) -> bool, deep: bool) -> Result<Vec<u8>, BinaryReaderError> {
    let mut sections = Sections::new(binary)?;
    let mut edited = Vec::with_capacity(binary.len());
    edited.extend_from_slice(sections.preamble);
    while let Some(section) = sections.next()? {
        if section.custom().is_some_and(|(name, _)| !keep(name)) {
            continue;
        }
        let nested = deep && sections.is_component() && NESTED.contains(&section.id);
        let data = if nested { Cow::Owned(edit(section.data, keep, deep)?) } else { Cow::Borrowed(section.data) };
        edited.push(section.id);
        data.len().encode(&mut edited);
        edited.extend_from_slice(&data);
    }
    Ok(edited)
}

/// The sections of one module or component, without looking into them.
struct Sections<'a> {
    preamble: &'a [u8],
    reader: BinaryReader<'a>,
}

struct Section<'a> {
    id: u8,
    data: &'a [u8],
}

impl<'a> Sections<'a> {
    fn new(binary: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut reader = BinaryReader::new(binary, 0);
        let preamble = reader.read_bytes(PREAMBLE)?;
        Ok(Self { preamble, reader })
    }

    fn is_component(&self) -> bool {
        self.preamble.ends_with(COMPONENT_LAYER)
    }

    fn next(&mut self) -> Result<Option<Section<'a>>, BinaryReaderError> {
        if self.reader.eof() {
            return Ok(None);
        }
        let id = self.reader.read_u8()?;
        let size = self.reader.read_var_u32()?;
        Ok(Some(Section { id, data: self.reader.read_bytes(size as usize)? }))
    }
}

impl<'a> Section<'a> {
    /// Name and content of a custom section.
    fn custom(&self) -> Option<(&'a str, &'a [u8])> {
        let mut reader = BinaryReader::new(self.data, 0);
        let name = (self.id == 0).then(|| reader.read_string().ok()).flatten()?;
        Some((name, reader.read_bytes(reader.bytes_remaining()).ok()?))
    }
}

#[cfg(test)]
mod tests;
