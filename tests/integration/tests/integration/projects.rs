//! Projects of rule authors, outside of the clone: made, tested natively and in the sandbox, built.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::broker::free_port;
use crate::client::wait_until;
use crate::host::{Host, program, request};

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

const README: &str = include_str!("../../../../README.md");

/// The lines of the README's block under "Use it" that begins like this.
fn block(begin: &str) -> Result<Vec<&'static str>> {
    let (_, section) = README.split_once("\n## Use it\n").context("the README says how it is used")?;
    let section = section.split("\n## ").next().unwrap_or(section);
    let mut blocks = section.split("```").skip(1).step_by(2).map(str::trim_start);
    let block = blocks.find(|block| block.starts_with(begin)).with_context(|| format!("no block begins {begin}"))?;
    Ok(block.lines().collect())
}

/// Types commands into a shell, as somebody would who has the program in the path.
fn type_in(folder: &Path, bin: &Path, commands: &str) -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path)))?;
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", commands]).current_dir(folder).env("PATH", path).env_remove("CARGO_TARGET_DIR");
    let output = shell.output().context("failed to start a shell")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{commands}\nended with {}:\n{said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What the README says, typed as it stands there, in an empty folder. Only ports are others: those of the README may be
/// taken on the machine of a test.
#[test]
fn what_the_readme_says_leads_to_a_rule_that_runs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (bin, home) = (folder.path().join("bin"), folder.path().join("home"));
    std::fs::create_dir(&bin)?;
    std::fs::create_dir(&home)?;
    std::os::unix::fs::symlink(program()?.canonicalize()?, bin.join("pointsman"))?;
    let (broker, api) = (free_port()?, free_port()?);

    let lines = block("pointsman init")?;
    let (run, lines) = lines.split_last().context("a block has lines")?;
    ensure!(run.starts_with("pointsman run"), "the last command is {run}");
    let (init, lines) = lines.split_first().context("a block has lines")?;
    let ports = format!("sed -i 's/:1883/:{broker}/; s/:8080/:{api}/' pointsman.toml");
    type_in(&home, &bin, &[init, &*ports, &lines.join("\n")].join("\n"))?;

    let mut host = Host::there(&home.join("hub"), api);
    host.start()?;
    // Not every machine of tests has curl.
    let lines = block("cd hub")?;
    let (curl, rest): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.starts_with("curl "));
    let [curl] = curl[..] else { anyhow::bail!("one event is sent: {curl:?}") };
    let event = curl.split_once("-d '").and_then(|(_, rest)| rest.strip_suffix('\'')).context("curl sends an event")?;
    let head = format!("POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:{api}\r\nConnection: close\r\n");
    let length = event.len();
    let request_text = format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{event}");
    let answer = request(api, &request_text)?;
    ensure!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    wait_until("the rule wants the siren on", || {
        let shown = host.command(&["device", "show", "siren", "--json"])?;
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout)?;
        Ok(shown["values"]["switch"]["desired"] == true)
    })?;
    let said = type_in(&home, &bin, &rest.join("\n"))?;
    ensure!(said.contains("siren") && said.contains("fridge"), "{said}");
    host.stop()
}
