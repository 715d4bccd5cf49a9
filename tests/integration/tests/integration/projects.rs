//! Projects of rule authors, outside of the clone: made, tested natively and in the sandbox, built.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::host::program;

/// Runs a program in a folder; what it wrote to standard output.
fn run(folder: &Path, program: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    // Each project builds for itself, as on its author's machine.
    command.args(arguments).current_dir(folder).env_remove("CARGO_TARGET_DIR");
    let output = command.output().with_context(|| format!("failed to start {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?} ended with {}:\n{said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The digest of the package that a project gives.
fn digest(project: &Path) -> Result<String> {
    let built: serde_json::Value = serde_json::from_str(&run(project, &program()?, &["rule", "build", "--json"])?)?;
    Ok(built["digest"].as_str().context("a package has a digest")?.to_owned())
}

#[test]
fn a_new_project_passes_its_tests_and_gives_the_same_package_in_every_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (one, other) = (folder.path().join("here"), folder.path().join("some/where/else"));
    let projects = [&one, &other].map(|place| -> Result<_> {
        std::fs::create_dir_all(place)?;
        run(place, &program()?, &["rule", "new", "freezer-guard", "--lang", "rust"])?;
        Ok(place.join("freezer-guard"))
    });
    let [one, other] = projects;
    let (one, other) = (one?, other?);
    let natively = run(&one, Path::new("cargo"), &["test"])?;
    ensure!(natively.contains("2 passed"), "{natively}");
    run(&one, &program()?, &["rule", "test"])?;
    ensure!(digest(&one)? == digest(&other)?, "the package depends on the folder that it is built in");
    let bytes = std::fs::read(one.join("freezer-guard-0.1.0.wasm"))?;
    let place = folder.path().display().to_string();
    ensure!(!bytes.windows(place.len()).any(|window| window == place.as_bytes()), "the package names its folder");
    Ok(())
}
