//! Setting up: what a clean machine lacks is installed, and said; where it cannot be, what to install is said.

use std::path::Path;
use std::process::Command;

use crate::{Result, cargo, run, step};

const GUEST_TARGET: &str = "wasm32-unknown-unknown";

/// The Rust target of rules.
pub(crate) fn guest_target() -> Result {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    match installed {
        Ok(output) if String::from_utf8_lossy(&output.stdout).lines().any(|line| line == GUEST_TARGET) => Ok(()),
        Ok(_) => {
            step(&format!("install the Rust target {GUEST_TARGET} (rustup)"));
            run(Command::new("rustup").args(["target", "add", GUEST_TARGET]))
        }
        // Without rustup the target may have come with the distribution; the build says if not.
        Err(_) => Ok(()),
    }
}

/// What holds code against the style: parts of Rust that a minimal toolchain lacks.
pub(crate) fn components() -> Result {
    for (component, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let there = cargo().args([command, "--version"]).output().is_ok_and(|output| output.status.success());
        if !there {
            step(&format!("install {component} (rustup)"));
            run(Command::new("rustup").args(["component", "add", component]))
                .map_err(|error| format!("{error}\ninstall {component} by hand, then run this again"))?;
        }
    }
    Ok(())
}

/// The broker that integration tests talk to.
pub(crate) fn mosquitto() -> Result {
    let found =
        ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
    if found.iter().any(|path| Path::new(path).exists()) {
        return Ok(());
    }
    install("mosquitto")
}

/// What plays a wrong system clock to the program under test.
pub(crate) fn faketime() -> Result {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let there = |folder: &str| Path::new(folder).join("faketime/libfaketimeMT.so.1").exists();
    if folders.iter().any(|folder| there(folder)) { Ok(()) } else { install("libfaketime") }
}

/// Installs one package of the system.
fn install(package: &str) -> Result {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("install {package}, then run this again"));
    }
    step(&format!("install {package} (apt-get)"));
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"));
    let apt = |arguments: &[&str]| {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.arg("apt-get");
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    apt(&["update", "-qq"])
        .and_then(|()| apt(&["install", "-y", "-qq", "--no-install-recommends", package]))
        .map_err(|error| format!("{error}\ninstall {package} by hand, then run this again"))
}
