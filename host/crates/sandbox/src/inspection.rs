//! What a file is, before anything of it runs: its world, what it imports, and why it may not be deployed.

use model::deployment::{PackageDigest, World};
use model::limits;
use wasmparser::{Encoding, Parser, Payload, Validator};

use crate::{CONTRACT, advice, linker, package};

/// What a package says about itself, read from its binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub digest: PackageDigest,
    /// Bytes.
    pub size: usize,
    pub world: World,
    /// Whether it can move its state from an older version.
    pub migrates: bool,
    /// Every interface that it imports, with version, in the order of the binary.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Text of the manifest that was packed into it, if one was.
    pub manifest: Option<String>,
    /// Languages and tools that made it, as they signed.
    pub producers: Vec<String>,
}

impl Inspection {
    /// The imports that are WASI.
    pub fn wasi(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str).filter(|name| name.starts_with("wasi:"))
    }
}

/// Why a file is no package that may run here, and what its author can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    #[error("a package of {size} bytes is larger than {} bytes", limits::PACKAGE_BYTES)]
    TooLarge { size: usize },
    #[error("not a WebAssembly file: it does not start with the bytes 00 61 73 6d")]
    NotWasm,
    #[error("a core module, not a component: wrap it with `pointsman rule build`")]
    CoreModule,
    #[error("damaged or truncated WebAssembly: {0}")]
    Damaged(String),
    #[error(
        "exports no interface that this host calls, but {}: a rule exports `pointsman:rules/handler@{CONTRACT}`",
        list(exports)
    )]
    ForeignWorld { exports: Vec<String> },
    #[error(
        "made for version {found} of the contract, this host speaks {CONTRACT}: build it against `wit/v1` of this host"
    )]
    Version { found: String },
    #[error("exports the interfaces of more than one world: {}", list(exports))]
    ManyWorlds { exports: Vec<String> },
    #[error("its world is `{}`, but its manifest says `{}`: change `world` in rule.toml or what it imports and exports", found.word(), wanted.word())]
    WrongWorld { found: World, wanted: World },
    #[error("the world `{}` is not run by this version of the host", world.word())]
    NotRunYet { world: World },
    #[error("imports `{import}`, which the world `{}` does not have", world.word())]
    UnknownImport { import: String, world: World },
    #[error("imports WASI ({}), which its deployment does not allow: {hint}", list(imports))]
    Wasi { imports: Vec<String>, hint: &'static str },
    #[error("imports `{import}`, which the compatibility linker does not have: {hint}")]
    ForeignWasi { import: String, hint: &'static str },
    #[error("does not fit the contract: {0}")]
    Mismatch(String),
    #[error("the sandbox cannot compile or link it: {0}")]
    Engine(String),
}

/// What a package is, without compiling or running any of it.
///
/// # Errors
/// When it is no valid component of one of our worlds.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, PackageError> {
    let inspection = read(bytes)?;
    Validator::new().validate_all(bytes).map_err(damaged)?;
    Ok(inspection)
}

/// Reads what `inspect` reports without validating every function, which the compiler does anyway.
pub(crate) fn read(bytes: &[u8]) -> Result<Inspection, PackageError> {
    if bytes.len() > limits::PACKAGE_BYTES {
        return Err(PackageError::TooLarge { size: bytes.len() });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(PackageError::NotWasm);
    }
    let names = Names::read(bytes)?;
    let world = world(&names)?;
    Ok(Inspection {
        digest: package::digest(bytes),
        size: bytes.len(),
        world,
        migrates: names.exports.iter().any(|name| ours(name).is_some_and(|(interface, _)| interface == "migration")),
        imports: names.imports,
        exports: names.exports,
        manifest: package::manifest(bytes),
        producers: names.producers,
    })
}

/// Whether a package that says this of itself may run as `wanted`.
pub(crate) fn admit(
    package: &[u8],
    inspection: &Inspection,
    wanted: World,
    compatibility: bool,
) -> Result<(), PackageError> {
    let found = inspection.world;
    if matches!(wanted, World::Codec | World::Interlock) || matches!(found, World::Codec | World::Interlock) {
        if found != wanted {
            return Err(PackageError::WrongWorld { found, wanted });
        }
        return Err(PackageError::NotRunYet { world: found });
    }
    // A rule that asks nothing about people fits both worlds.
    if found == World::Engagement && wanted == World::Rule {
        return Err(PackageError::WrongWorld { found, wanted });
    }
    for import in inspection.imports.iter().filter(|import| !import.starts_with("wasi:")) {
        let known = ours(import).is_some_and(|(interface, _)| linker::interfaces(wanted).contains(&interface));
        if !known {
            return Err(PackageError::UnknownImport { import: import.clone(), world: wanted });
        }
    }
    let wasi: Vec<String> = inspection.wasi().map(str::to_owned).collect();
    let hint = || advice::against_wasi(package, &inspection.producers);
    if !wasi.is_empty() && !compatibility {
        return Err(PackageError::Wasi { imports: wasi, hint: hint() });
    }
    match wasi.into_iter().find(|import| !crate::wasi::has(import)) {
        Some(import) => Err(PackageError::ForeignWasi { import, hint: hint() }),
        None => Ok(()),
    }
}

fn damaged(error: impl std::fmt::Display) -> PackageError {
    PackageError::Damaged(error.to_string())
}

/// The names at the outer level of a component.
#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
    producers: Vec<String>,
}

impl Names {
    fn read(bytes: &[u8]) -> Result<Self, PackageError> {
        let mut names = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(damaged)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(PackageError::CoreModule);
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        names.imports.push(import.map_err(damaged)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        names.exports.push(export.map_err(damaged)?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) if section.name() == "producers" => names.sign(&section),
                _ => {}
            }
        }
        Ok(names)
    }

    /// Takes the names of languages and tools; a section that cannot be read signs nothing.
    fn sign(&mut self, section: &wasmparser::CustomSectionReader<'_>) {
        let wasmparser::KnownCustom::Producers(fields) = section.as_known() else { return };
        for field in fields.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                let signed = if value.version.is_empty() {
                    value.name.to_owned()
                } else {
                    format!("{} {}", value.name, value.version)
                };
                if !self.producers.contains(&signed) {
                    self.producers.push(signed);
                }
            }
        }
    }
}

fn world(names: &Names) -> Result<World, PackageError> {
    let worlds: Vec<(World, &str)> = names.exports.iter().filter_map(|name| entry(name)).collect();
    let (world, version) = match worlds[..] {
        [] => return Err(PackageError::ForeignWorld { exports: names.exports.clone() }),
        [one] => one,
        _ => return Err(PackageError::ManyWorlds { exports: names.exports.clone() }),
    };
    if version != CONTRACT {
        return Err(PackageError::Version { found: version.to_owned() });
    }
    let people = names.imports.iter().any(|name| ours(name).is_some_and(|(interface, _)| interface == "people"));
    Ok(if world == World::Rule && people { World::Engagement } else { world })
}

/// The world whose entry point this export is, with the version of the contract.
fn entry(export: &str) -> Option<(World, &str)> {
    let (interface, version) = ours(export)?;
    let world = match interface {
        "handler" => World::Rule,
        "codec-handler" => World::Codec,
        "vetting" => World::Interlock,
        _ => return None,
    };
    Some((world, version))
}

/// Interface and version of a name of our contract.
fn ours(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("pointsman:rules/")?.split_once('@')
}

fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first, second] => format!("`{first}`, `{second}`"),
        [first, second, rest @ ..] => format!("`{first}`, `{second}` and {} more", rest.len()),
    }
}
