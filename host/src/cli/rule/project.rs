//! The files of a new project: template, library and contract, all carried in the program.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

/// Files with their paths from the project's folder.
pub(crate) type Files = Vec<(PathBuf, Vec<u8>)>;

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust/template");
static CONTRACT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit/v1");

/// A crate that a project is built or tested with, under its path in this repository.
struct Crate {
    path: &'static str,
    manifest: &'static str,
    source: Dir<'static>,
}

/// The library, then the test kit with the engine that it runs.
static CRATES: [Crate; 8] = [
    Crate {
        path: "sdk/rust",
        manifest: include_str!("../../../../sdk/rust/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust/src"),
    },
    Crate {
        path: "sdk/rust/testkit",
        manifest: include_str!("../../../../sdk/rust/testkit/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust/testkit/src"),
    },
    Crate {
        path: "host/crates/model",
        manifest: include_str!("../../../../host/crates/model/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../host/crates/model/src"),
    },
    Crate {
        path: "host/crates/config",
        manifest: include_str!("../../../../host/crates/config/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../host/crates/config/src"),
    },
    Crate {
        path: "host/crates/ingest",
        manifest: include_str!("../../../../host/crates/ingest/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../host/crates/ingest/src"),
    },
    Crate {
        path: "host/crates/store",
        manifest: include_str!("../../../../host/crates/store/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../host/crates/store/src"),
    },
    Crate {
        path: "host/crates/engine",
        manifest: include_str!("../../../../host/crates/engine/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../host/crates/engine/src"),
    },
    Crate {
        path: "host/crates/scenario",
        manifest: include_str!("../../../../host/crates/scenario/Cargo.toml"),
        source: include_dir!("$CARGO_MANIFEST_DIR/../host/crates/scenario/src"),
    },
];
/// What the crates inherit.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
/// The versions that the crates were tested with. Cargo takes from it what a project needs.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// Where a project keeps what it is built and tested with, so that it needs nothing but a registry.
const CARRIED: &str = ".pointsman";
const SDK: &str = "sdk/rust";
const KIT: &str = "sdk/rust/testkit";

/// A project in Rust for the rule `name`.
pub(crate) fn rust(name: &str) -> Files {
    let mut files = Files::new();
    collect(&TEMPLATE, Path::new(""), &mut files);
    for (_, content) in &mut files {
        fill(content, name);
    }
    files.push(("Cargo.lock".into(), LOCK.into()));
    let carried = Path::new(CARRIED);
    files.push((carried.join("Cargo.toml"), workspace().into_bytes()));
    for part in &CRATES {
        let folder = carried.join(part.path);
        files.push((folder.join("Cargo.toml"), part.manifest.into()));
        collect(&part.source, &folder.join("src"), &mut files);
    }
    files.retain(|(path, _)| !path.starts_with(carried) || !is_test(path));
    collect(&CONTRACT, &carried.join(SDK).join("wit"), &mut files);
    files
}

/// The workspace that the carried crates are members of.
fn workspace() -> String {
    let mut manifest: toml::Table = WORKSPACE.parse().expect("the manifest that this program was built with");
    let inside = CRATES.iter().filter(|part| part.path != SDK).map(|part| toml::Value::from(part.path));
    let workspace = manifest["workspace"].as_table_mut().expect("the manifest is a workspace's");
    workspace.insert("members".to_owned(), inside.collect::<Vec<_>>().into());
    // The library stands on its own.
    workspace.insert("exclude".to_owned(), vec![SDK].into());
    // Profiles are the project's.
    manifest.remove("profile");
    manifest.to_string()
}

/// Whether only a crate's own tests need the file.
fn is_test(path: &Path) -> bool {
    let mut parts = path.iter().filter_map(|part| part.to_str());
    parts.any(|part| matches!(part, "tests" | "tests.rs" | "testing" | "testing.rs"))
}

fn collect(from: &Dir<'_>, into: &Path, files: &mut Files) {
    for entry in from.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, into, files),
            DirEntry::File(file) => files.push((into.join(file.path()), file.contents().to_vec())),
        }
    }
}

/// Replaces the placeholders of a template's file.
fn fill(content: &mut Vec<u8>, name: &str) {
    if let Ok(text) = std::str::from_utf8(content) {
        let sdk = format!("{CARRIED}/{SDK}");
        let kit = format!("{CARRIED}/{KIT}");
        *content = text.replace("{{name}}", name).replace("{{sdk}}", &sdk).replace("{{kit}}", &kit).into_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_carries_library_and_contract_and_no_placeholder_is_left() {
        let files = rust("freezer-guard");
        for path in ["Cargo.toml", "rule.toml", "src/lib.rs", "scenarios/basic.jsonl"] {
            assert!(files.iter().any(|(found, _)| found == Path::new(path)), "{path}");
        }
        for path in ["Cargo.toml", "sdk/rust/src/lib.rs", "sdk/rust/wit/worlds.wit", "sdk/rust/testkit/src/lib.rs"] {
            assert!(files.iter().any(|(found, _)| *found == Path::new(CARRIED).join(path)), "{path}");
        }
        let of_template = files.iter().filter(|(path, _)| !path.starts_with(CARRIED));
        for (path, content) in of_template {
            let text = String::from_utf8_lossy(content);
            assert!(!text.contains("{{"), "{}", path.display());
        }
    }
}
