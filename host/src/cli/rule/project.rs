//! The files of a new project: template, library and contract, all carried in the program.

use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

/// Files with their paths from the project's folder.
pub(crate) type Files = Vec<(PathBuf, Vec<u8>)>;

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust/template");
static SDK_SOURCE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust/src");
static CONTRACT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit/v1");
const SDK_MANIFEST: &str = include_str!("../../../../sdk/rust/Cargo.toml");

/// Where a project keeps the library that it is built with, so that it needs nothing but a registry.
const SDK: &str = ".pointsman/sdk";

/// A project in Rust for the rule `name`.
pub(crate) fn rust(name: &str) -> Files {
    let mut files = Files::new();
    collect(&TEMPLATE, Path::new(""), &mut files);
    for (_, content) in &mut files {
        fill(content, name);
    }
    let sdk = Path::new(SDK);
    files.push((sdk.join("Cargo.toml"), SDK_MANIFEST.into()));
    collect(&SDK_SOURCE, &sdk.join("src"), &mut files);
    collect(&CONTRACT, &sdk.join("wit"), &mut files);
    files
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
        *content = text.replace("{{name}}", name).replace("{{sdk}}", SDK).into_bytes();
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
        for path in ["Cargo.toml", "src/lib.rs", "wit/worlds.wit"] {
            assert!(files.iter().any(|(found, _)| *found == Path::new(SDK).join(path)), "{path}");
        }
        let of_template = files.iter().filter(|(path, _)| !path.starts_with(SDK));
        for (path, content) in of_template {
            let text = String::from_utf8_lossy(content);
            assert!(!text.contains("{{name}}") && !text.contains("{{sdk}}"), "{}", path.display());
        }
    }
}
