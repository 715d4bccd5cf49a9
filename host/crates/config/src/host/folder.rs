//! The folders beside `pointsman.toml`: one `.toml` file for each thing, named by it.

use std::path::{Path as File, PathBuf};

use model::Name;
use model::capability::is_kebab;

use crate::problem::{Problem, Problems};

/// The text of `file`.
pub(super) fn read_text(file: &File) -> Result<String, Problem> {
    std::fs::read_to_string(file)
        .map_err(|error| Problem::of_file(&file.display().to_string(), format!("cannot read the file: {error}")))
}

/// What `parse` makes of every `.toml` file in `folder`, in order of their names. A folder that is not there is empty.
///
/// Other files are left alone: people keep notes and copies beside what counts.
pub(super) fn each<T>(
    folder: &File,
    problems: &mut Vec<Problem>,
    parse: impl Fn(&str, &str, Name) -> Result<T, Problems>,
) -> Vec<T> {
    let mut found = Vec::new();
    for file in files(folder, problems) {
        let shown = file.display().to_string();
        let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !is_kebab(name) {
            let message = "the file's name is no name: use lower-case letters, digits and `-`, starting with a letter";
            problems.push(Problem::of_file(&shown, message));
            continue;
        }
        match read_text(&file).map_err(Problems::from).and_then(|text| parse(&text, &shown, name.into())) {
            Ok(value) => found.push(value),
            Err(more) => problems.extend(more),
        }
    }
    found
}

/// Any file in `folder` is a problem: a host that ignored an interlock would be worse than one that does not start.
pub(super) fn refuse_interlocks(folder: &File, problems: &mut Vec<Problem>) {
    for file in entries(folder, problems) {
        let message = "interlocks are not enforced yet: the host does not start while one is there";
        problems.push(Problem::of_file(&file.display().to_string(), message));
    }
}

fn files(folder: &File, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = entries(folder, problems);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files
}

/// In order of their names.
fn entries(folder: &File, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let message = format!("cannot read the folder: {error}");
            problems.push(Problem::of_file(&folder.display().to_string(), message));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => files.push(entry.path()),
            Err(error) => {
                let message = format!("cannot read the folder: {error}");
                problems.push(Problem::of_file(&folder.display().to_string(), message));
            }
        }
    }
    files.sort();
    files
}
