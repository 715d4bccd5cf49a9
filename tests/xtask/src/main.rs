//! The commands of this repository, `cargo xtask demo` and `cargo xtask test` first. Each installs what it needs and says
//! so.

#![expect(clippy::print_stderr, reason = "a task runner talks to the terminal")]

mod aarch64;
mod recording;
mod setup;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "usage: cargo xtask COMMAND
  demo [ARGUMENTS OF pointsman demo]   builds everything and runs the demo
  test                                 passes every test
  acceptance DATA [--no-live]          holds recordings of real devices against their known answers
  lint                                 rustfmt and clippy over every workspace
  packages                             builds the packages of the example rules
  sim [--seeds 1] [--from 0] [--jobs]  runs the simulator with as many seeds
  kills [--count 200]                  kills a host under load as often, and its broker too
  aarch64                              builds for aarch64, tests under qemu, compares a replay's digest
  soak [--minutes 30] [--reloads 30]   keeps a host under load and reloads it, and watches what grows";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some("demo") => demo(&arguments.collect::<Vec<_>>()),
        Some("test") => test(),
        Some("acceptance") => acceptance(&arguments.collect::<Vec<_>>()),
        Some("lint") => lint(),
        Some("sim") => sim(&arguments.collect::<Vec<_>>()),
        Some("kills") => kills(&arguments.collect::<Vec<_>>()),
        Some("aarch64") => aarch64::compare(),
        Some("soak") => soak(&arguments.collect::<Vec<_>>()),
        Some("packages") => setup::guest_target().and_then(|()| packages(&build_host()?, false)),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the program and the example rules, and runs the demo.
fn demo(arguments: &[String]) -> Result {
    setup::guest_target()?;
    let host = build_host()?;
    packages(&host, false)?;
    run(Command::new(&host).arg("demo").arg("--packages").arg(packages_folder()).args(arguments))
}

/// Keeps the program, built as it is shipped, under load against a real broker.
fn soak(arguments: &[String]) -> Result {
    setup::guest_target()?;
    setup::mosquitto()?;
    step("build the program with optimisation");
    run(cargo().args(["build", "--release", "--package", "pointsman"]))?;
    let host = target().join("release/pointsman");
    packages(&host, false)?;
    let soak = build("pointsman-soak")?;
    step("soak");
    let mut soak = Command::new(soak);
    run(soak.args(["run", "--pointsman"]).arg(&host).arg("--packages").arg(packages_folder()).args(arguments))
}

/// The workspaces: what `cargo` builds with each of these manifests.
const MANIFESTS: [&str; 7] = [
    "Cargo.toml",
    "sdk/rust/Cargo.toml",
    "rules-examples/Cargo.toml",
    "tests/guests/acceptance-probe/Cargo.toml",
    "tests/guests/cooler/Cargo.toml",
    "tests/guests/rust-probe/Cargo.toml",
    "tests/guests/rust-wasi/Cargo.toml",
];

/// Holds all Rust code against rustfmt and clippy, with the bans of `.clippy.toml`.
fn lint() -> Result {
    setup::components()?;
    for manifest in MANIFESTS {
        step(&format!("lint {manifest}"));
        run(cargo().args(["fmt", "--all", "--check", "--manifest-path", manifest]))?;
        let mut clippy = cargo();
        clippy.args(["clippy", "--quiet", "--workspace", "--all-targets", "--manifest-path", manifest]);
        run(clippy.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Passes every test: of the workspace, of the SDK, of every example rule, and against real brokers.
fn test() -> Result {
    setup::guest_target()?;
    setup::mosquitto()?;
    setup::faketime()?;
    setup::small_disk();
    lint()?;
    step("check the program by itself");
    // Built with the tests it has their features; what is shipped has its own.
    run(cargo().args(["check", "--quiet", "--package", "pointsman"]))?;
    let host = build_host()?;
    run(cargo().args(["test", "--workspace", "--exclude", "pointsman-integration"]))?;
    run(cargo().args(["test", "--manifest-path", "sdk/rust/Cargo.toml"]))?;
    packages(&host, true)?;
    recording::agree(&host)?;
    step("test example rules natively");
    run(cargo().args(["test", "--manifest-path", "rules-examples/Cargo.toml"]))?;
    guests(&host)?;
    run(cargo().args(["test", "--workspace", "--test", "integration"]).env("POINTSMAN", &host))
}

/// Holds recordings of real devices against their known answers.
fn acceptance(arguments: &[String]) -> Result {
    setup::guest_target()?;
    setup::mosquitto()?;
    build_host()?;
    run(Command::new(build("pointsman-acceptance")?).args(arguments))
}

/// Runs as many seeds of the simulator as asked.
fn sim(arguments: &[String]) -> Result {
    run(cargo().args(["run", "--quiet", "--package", "pointsman-sim", "--bin", "sim", "--"]).args(arguments))
}

/// Kills the program under load as often as asked, and the broker too.
fn kills(arguments: &[String]) -> Result {
    let count = match arguments {
        [] => "200",
        [name, count] if name == "--count" && count.parse::<u32>().is_ok_and(|count| count > 0) => count,
        _ => return Err(USAGE.to_owned()),
    };
    setup::guest_target()?;
    setup::mosquitto()?;
    let host = build_host()?;
    guests(&host)?;
    let mut test = cargo();
    test.args([
        "test",
        "--quiet",
        "--workspace",
        "--test",
        "integration",
        "--",
        "--nocapture",
        "--test-threads",
        "1",
        "kills::",
        "lasting::",
    ]);
    run(test.env("POINTSMAN", &host).env("POINTSMAN_KILLS", count))
}

/// Builds the packages of the integration tests, and the one of the benchmarks, so that it does not rot between them.
fn guests(host: &Path) -> Result {
    step("build the packages of the integration tests");
    let packages = packages_folder();
    std::fs::create_dir_all(&packages).map_err(|error| format!("failed to create {}: {error}", packages.display()))?;
    let guests = [
        ("acceptance-probe/fridge", "acceptance-fridge.wasm"),
        ("acceptance-probe/faulty", "faulty.wasm"),
        ("acceptance-probe/relay", "relay.wasm"),
        ("acceptance-probe/listener", "listener.wasm"),
        ("acceptance-probe/lasting", "lasting.wasm"),
        ("cooler", "cooler.wasm"),
        ("rust-wasi", "rust-wasi.wasm"),
    ];
    for (folder, package) in guests {
        let folder = Path::new("tests/guests").join(folder);
        run(Command::new(host).args(["rule", "build"]).arg(folder).arg("-o").arg(packages.join(package)))?;
    }
    Ok(())
}

fn build_host() -> Result<PathBuf> {
    step("build the program");
    build("pointsman")
}

/// Builds one program of the workspace as the tests are built: the features of what they share are then the same, and
/// nothing is compiled twice.
pub(crate) fn build(program: &str) -> Result<PathBuf> {
    run(cargo().args(["build", "--workspace", "--bin", program]))?;
    Ok(target().join("debug").join(program))
}

/// Builds the package of every example rule, and runs its scenarios when asked to.
fn packages(host: &Path, scenarios: bool) -> Result {
    let folder = packages_folder();
    std::fs::create_dir_all(&folder).map_err(|error| format!("failed to create {}: {error}", folder.display()))?;
    for example in examples()? {
        let name = example.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        step(&format!("build example {name}"));
        let package = folder.join(format!("{name}.wasm"));
        run(Command::new(host).args(["rule", "build"]).arg(&example).arg("-o").arg(&package))?;
        if scenarios {
            run(Command::new(host).args(["rule", "test"]).arg(&example))?;
        }
    }
    Ok(())
}

/// Folders of `rules-examples` that hold a manifest, in order.
fn examples() -> Result<Vec<PathBuf>> {
    let folder = root().join("rules-examples");
    let entries =
        std::fs::read_dir(&folder).map_err(|error| format!("failed to read {}: {error}", folder.display()))?;
    let mut examples: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join("rule.toml").is_file()).collect();
    examples.sort();
    Ok(examples)
}

fn packages_folder() -> PathBuf {
    target().join("packages")
}

fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).map(Path::to_path_buf).unwrap_or(manifest)
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

pub(crate) fn step(what: &str) {
    eprintln!("==> {what}");
}

pub(crate) fn run(command: &mut Command) -> Result {
    let shown = format!("{command:?}");
    let status = command.current_dir(root()).status().map_err(|error| format!("failed to run {shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown} ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Manifests under a folder that begin a workspace, as paths from the root.
    fn workspaces(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder that can be read") {
            let path = entry.expect("an entry that can be read").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                workspaces(&path, found);
            }
            if name == "Cargo.toml" {
                let text = std::fs::read_to_string(&path).expect("a manifest that can be read");
                if text.lines().any(|line| line.trim() == "[workspace]") {
                    let path = path.strip_prefix(root()).expect("a path under the root");
                    found.push(path.to_string_lossy().into_owned());
                }
            }
        }
    }

    #[test]
    fn every_workspace_is_held_against_the_style() {
        let mut found = Vec::new();
        workspaces(&root(), &mut found);
        // A text with holes, which tests fill and build.
        found.retain(|path| path != "sdk/rust/template/Cargo.toml");
        found.sort();
        let mut listed = MANIFESTS.map(str::to_owned);
        listed.sort();
        assert_eq!(found, listed);
    }
}
