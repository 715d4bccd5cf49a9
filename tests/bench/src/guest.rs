//! The guest that is called: the Rust probe of the sandbox's own tests, built when a benchmark starts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use model::event::{Cause, Observation};
use model::{Attributes, Capability, Event, Freshness, Instant, Name, Quality, Reading, Value};
use sandbox::package;

/// What the guest does with the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Answer {
    /// Looks at the trigger's name and proposes nothing.
    Nothing,
    /// Proposes one timer that carries all three readings.
    Timer,
}

impl Answer {
    pub const ALL: [Self; 2] = [Self::Nothing, Self::Timer];

    /// The trigger by whose name the guest knows what to do.
    #[must_use]
    pub fn trigger(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Timer => "echo",
        }
    }
}

/// Builds the guest and wraps it into a component.
///
/// # Errors
/// When it cannot be built: the target `wasm32-unknown-unknown` is missing.
pub fn component() -> anyhow::Result<Vec<u8>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/rust-probe/Cargo.toml");
    let target = std::env::temp_dir().join("pointsman-bench-guest");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-unknown-unknown", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        // Flags meant for the host's own code would not fit the guest.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .context("failed to start cargo")?;
    ensure!(built.success(), "failed to build {}: is wasm32-unknown-unknown installed?", manifest.display());
    let file: PathBuf = target.join("wasm32-unknown-unknown/release/rust_probe.wasm");
    let module = std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
    Ok(package::wrap(&module)?)
}

/// An observation of one device with three readings.
///
/// # Panics
/// Never: the names are well formed.
#[must_use]
pub fn event(answer: Answer) -> Event {
    let reading = |name: &str, value: Value, unit: Option<&str>| Reading {
        capability: Capability::named(name).expect("a well-formed name"),
        previous: Some(value.clone()),
        value,
        unit: unit.map(Name::from),
        quality: Quality::Good,
        attributes: Attributes::new(),
    };
    Event {
        id: Name::from("3f786850e387550fdab836ed7e6dc881"),
        trigger: Name::from(answer.trigger()),
        key: Name::from("fridge"),
        occurred_at: Instant(1_700_000_000_000_000),
        received_at: Instant(1_700_000_000_500_000),
        cause: Cause::Observation(Observation {
            device: Name::from("fridge"),
            role: Some(Name::from("probe")),
            freshness: Freshness::Live,
            readings: vec![
                reading("temperature", Value::Number(21.5), Some("Cel")),
                reading("humidity", Value::Number(48.0), Some("%")),
                reading("contact", Value::Boolean(false), None),
            ],
            attributes: Attributes::new(),
        }),
        attributes: Attributes::new(),
    }
}
