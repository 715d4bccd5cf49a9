//! Another processor: the program for aarch64, its unit tests, a demo and a recording under qemu-user, and the digest of
//! that recording's decisions beside the one from here.

use std::path::Path;
use std::process::Command;

use crate::{Result, build_host, cargo, packages, packages_folder, recording, run, setup, step, target};

const TRIPLE: &str = "aarch64-unknown-linux-gnu";
/// Where Debian keeps the libraries of that processor.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
/// Address space of an emulated program. Without a bound the pool of instances reserves terabytes, for each page of which
/// the emulator keeps a note: it grows until the machine has no memory left. With one the program makes no pool.
const ADDRESS_SPACE: &str = "64G";
/// What computes: if these are right, so is what is built on them.
const CRATES: [&str; 4] = ["pointsman-model", "pointsman-engine", "pointsman-config", "pointsman-ingest"];
/// Long enough for a program that is emulated to compile eight rules and to play some of each story.
const DEMO: &str = "20s";
const LINES: u32 = 20_000;

/// Builds for aarch64 and compares. Needs no such machine.
pub(crate) fn compare() -> Result {
    setup::guest_target()?;
    setup::cross(TRIPLE)?;
    let host = build_host()?;
    packages(&host, false)?;
    step("build the program for aarch64");
    run(cross().args(["build", "--package", "pointsman", "--target", TRIPLE]))?;
    let other = target().join(TRIPLE).join("debug/pointsman");
    step("run the unit tests of the pure crates under qemu");
    let mut tests = cross();
    tests.args(["test", "--lib", "--target", TRIPLE]);
    run(tests.args(CRATES.iter().flat_map(|package| ["--package", package])))?;
    step("run the demo under qemu");
    let mut demo = emulated(&other);
    run(demo.arg("demo").arg("--packages").arg(packages_folder()).args(["--duration", DEMO]))?;
    digests(&host, &other)
}

/// Replays one recording with both programs.
fn digests(here: &Path, there: &Path) -> Result {
    step("replay a recording here and under qemu");
    let folder = recording::write("aarch64-recording", LINES)?;
    let ours = recording::replay(&mut Command::new(here), &folder, &[])?;
    let theirs = recording::replay(&mut emulated(there), &folder, &[])?;
    eprintln!("x86-64   {ours}\naarch64  {theirs}");
    if ours == theirs { Ok(()) } else { Err("the decisions differ between the processors".to_owned()) }
}

/// Cargo with the compiler and linker of the other processor, and what runs its programs here.
fn cross() -> Command {
    let mut cargo = cargo();
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
    cargo.env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc");
    cargo.env(
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
        format!("qemu-aarch64 -R {ADDRESS_SPACE} -L {LIBRARIES}"),
    );
    cargo
}

fn emulated(program: &Path) -> Command {
    let mut command = Command::new("qemu-aarch64");
    command.args(["-R", ADDRESS_SPACE, "-L", LIBRARIES]).arg(program);
    command
}
