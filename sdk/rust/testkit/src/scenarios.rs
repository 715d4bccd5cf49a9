//! A rule's scenarios natively: the same files that `pointsman rule test` runs with the package.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pointsman_sdk::Rule;
use scenario::{Failure, Runner};

use crate::bench::{self, Error};

/// Runs every `scenarios/*.jsonl` of the project in `folder`; how many there are.
///
/// # Errors
/// Everything that is wrong with the project's files.
///
/// # Panics
/// At the first scenario that ends in something else than expected, with the difference.
#[track_caller]
pub fn scenarios<R: Rule + 'static>(folder: impl AsRef<Path>) -> Result<usize, Error> {
    let runner = bench::runner::<R>(folder.as_ref())?;
    let files = files(&folder.as_ref().join("scenarios"))?;
    for file in &files {
        if let Some(said) = run(&runner, file)? {
            panic!("{said}");
        }
    }
    Ok(files.len())
}

fn run(runner: &Runner, file: &Path) -> Result<Option<String>, Error> {
    let outcome = runner.run(file)?;
    Ok(outcome.failure.map(|failure| told(file, &failure)))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn told(file: &Path, failure: &Failure) -> String {
    let mut said = format!("{}:{}: {}", file.display(), failure.line, failure.what);
    for difference in &failure.differences {
        let got = difference.got.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        write!(said, "\n  {}: expected {}, got {got}", difference.path, difference.expected)
            .expect("a string takes all");
    }
    for line in &failure.logs {
        write!(said, "\n  log {line}").expect("a string takes all");
    }
    said
}
