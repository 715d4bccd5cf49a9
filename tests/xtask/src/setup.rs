//! Setting up: what a clean machine lacks is installed, and said; where it cannot be, what to install is said.

use std::path::Path;
use std::process::Command;

use crate::{Result, cargo, run, step};

const GUEST_TARGET: &str = "wasm32-unknown-unknown";

/// The Rust target of rules.
pub(crate) fn guest_target() -> Result {
    rust_target(GUEST_TARGET)
}

fn rust_target(target: &str) -> Result {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    match installed {
        Ok(output) if String::from_utf8_lossy(&output.stdout).lines().any(|line| line == target) => Ok(()),
        Ok(_) => {
            step(&format!("install the Rust target {target} (rustup)"));
            run(Command::new("rustup").args(["target", "add", target]))
        }
        // Without rustup the target may have come with the distribution; the build says if not.
        Err(_) => Ok(()),
    }
}

/// What builds and runs programs of another processor.
pub(crate) fn cross(target: &str) -> Result {
    rust_target(target)?;
    let there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    if ["aarch64-linux-gnu-gcc", "qemu-aarch64"].iter().all(there) {
        return Ok(());
    }
    install(&["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"])
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
    install(&["mosquitto"])
}

/// What plays a wrong system clock to the program under test.
pub(crate) fn faketime() -> Result {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let there = |folder: &str| Path::new(folder).join("faketime/libfaketimeMT.so.1").exists();
    if folders.iter().any(|folder| there(folder)) { Ok(()) } else { install(&["libfaketime"]) }
}

/// Says so where the test of a full disk cannot have a small one of its own. It then runs with one that is played.
pub(crate) fn small_disk() {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"));
    let mut unshare = Command::new("unshare");
    unshare.args(if root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    unshare.args(["sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]);
    if !unshare.output().is_ok_and(|output| output.status.success()) {
        step(
            "nobody may mount here, so a full disk is only played: for a real one run this as root with CAP_SYS_ADMIN \
             (docker run --privileged), or where user namespaces may mount",
        );
    }
}

/// Installs packages of the distribution, where it is one that we know.
fn install(packages: &[&str]) -> Result {
    let named = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("install {named}, then run this again"));
    }
    step(&format!("install {named} (apt-get)"));
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"));
    let apt = |arguments: &[&str]| {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.arg("apt-get");
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], packages].concat();
    apt(&["update", "-qq"])
        .and_then(|()| apt(&install))
        .map_err(|error| format!("{error}\ninstall {named} by hand, then run this again"))
}
