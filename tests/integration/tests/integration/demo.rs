//! The demo: it plays, shows what is decided and done, ends by itself or when told to, and leaves nothing behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::client::now;
use crate::host::program;

/// The demo as people call it, in a folder of its own: it finds the packages that were built with it.
fn demo(folder: &Path, duration: &str) -> Result<Command> {
    let mut demo = Command::new(program()?);
    demo.args(["demo", "--duration", duration]);
    demo.env("TMPDIR", folder).env("NO_COLOR", "1").current_dir(folder).stdin(Stdio::null());
    Ok(demo)
}

#[track_caller]
fn is_empty(folder: &Path) -> Result<()> {
    let left: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn the_demo_ends_when_its_time_is_up_and_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let began = now();
    let output = demo(folder.path(), "5s")?.output().context("failed to run the demo")?;
    let took = began.elapsed();
    let (told, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(60), "{took:?}");
    assert!(told.contains("the truck leaves its depot"), "{told}");
    assert!(talk.contains("broker   mqtt://") && talk.contains("nothing is left of it"), "{talk}");
    is_empty(folder.path())
}

#[test]
fn the_demo_shows_events_decisions_and_effects_until_it_is_told_to_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut demo = demo(folder.path(), "2m")?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(demo.stdout.take().context("standard output is a pipe")?).lines();
    let mut awaited = vec!["event ", "decision ", "effect "];
    let mut told = String::new();
    while let (false, Some(line)) = (awaited.is_empty(), lines.next()) {
        let line = line?;
        awaited.retain(|kind| !line.contains(kind));
        told += &line;
        told.push('\n');
    }
    assert!(awaited.is_empty(), "no {awaited:?} in:\n{told}");
    assert!(std::fs::read_dir(folder.path())?.next().is_some(), "it plays in a folder of its own");
    Command::new("kill").arg(demo.id().to_string()).status().context("failed to signal the demo")?;
    // Whatever it still says must find a reader.
    lines.for_each(drop);
    let mut talk = String::new();
    demo.stderr.take().context("standard error is a pipe")?.read_to_string(&mut talk)?;
    assert_eq!(demo.wait()?.code(), Some(0), "{talk}");
    assert!(talk.contains("1 allowed") || talk.contains(" allowed,"), "the sum names verdicts: {talk}");
    is_empty(folder.path())
}

#[test]
fn the_demo_names_the_package_that_is_not_built() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut demo = Command::new(program()?);
    demo.args(["demo", "--duration", "5s", "--packages"]).arg(folder.path()).env("TMPDIR", folder.path());
    let output = demo.stdin(Stdio::null()).output().context("failed to run the demo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cargo xtask demo"), "{said}");
    is_empty(folder.path())
}
