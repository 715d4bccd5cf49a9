//! The guests, built once a run, and the usual way to load and call one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use model::deployment::{Limits, World};
use model::event::{Cause, Custom};
use model::guest::{Failure, Handled, Instance, Program};
use model::{Event, Instant, Name, Proposal, Value};
use sandbox::{LoadOptions, Options, Sandbox, package};

use crate::recorder::Recorder;

/// The guest that behaves as its trigger's name says.
pub(crate) static PROBE: LazyLock<Vec<u8>> = LazyLock::new(|| build("rust-probe"));
/// The guest that imports WASI.
pub(crate) static WASI: LazyLock<Vec<u8>> = LazyLock::new(|| build("rust-wasi"));

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(Options::default()).unwrap());
static LOADED: LazyLock<Arc<dyn Program>> = LazyLock::new(|| SANDBOX.load(&PROBE, &rule()).unwrap());

pub(crate) fn sandbox() -> &'static Sandbox {
    &SANDBOX
}

/// The loaded probe with the usual limits.
pub(crate) fn probe() -> &'static Arc<dyn Program> {
    &LOADED
}

pub(crate) fn rule() -> LoadOptions {
    LoadOptions { world: World::Rule, compatibility: false, limits: Limits::default() }
}

/// An event without content, for the guest to act on by its trigger's name.
pub(crate) fn event(trigger: &str) -> Event {
    Event {
        id: Name::from("event-1"),
        trigger: Name::from(trigger),
        key: Name::from("lamp"),
        occurred_at: Instant(1_700_000_000_000_000),
        received_at: Instant(1_700_000_000_500_000),
        cause: Cause::Custom(Custom { name: Name::from("go"), attributes: Vec::new() }),
        attributes: Vec::new(),
    }
}

/// One call with a fresh recorder: what the guest answered, and what it did to the host.
pub(crate) fn call(instance: &mut dyn Instance, event: &Event) -> (Result<Vec<Proposal>, Failure>, Recorder, u64) {
    let Handled { host, result, fuel } = instance.handle(event, Box::new(Recorder::default()));
    (result, *host.into_any().downcast::<Recorder>().unwrap(), fuel)
}

/// One call on a fresh instance of the probe.
pub(crate) fn call_probe(trigger: &str) -> (Result<Vec<Proposal>, Failure>, Recorder, u64) {
    call(probe().instantiate().unwrap().as_mut(), &event(trigger))
}

/// The attribute of the only proposal, an `other` effect.
pub(crate) fn seen(proposals: &[Proposal], name: &str) -> Value {
    let [Proposal { effect: model::Effect::Other(custom), attributes, .. }] = proposals else {
        panic!("expected one `other` effect, got {proposals:?}")
    };
    let mut all = custom.attributes.iter().chain(attributes);
    all.find(|(found, _)| &**found == name).unwrap_or_else(|| panic!("no `{name}` in {custom:?}")).1.clone()
}

fn build(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../guests");
    let manifest = root.join("tests/guests").join(name).join("Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-unknown-unknown", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        // Flags meant for the host's own code would not fit the guest.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    assert!(built.success(), "cannot build {}: is the target wasm32-unknown-unknown installed?", manifest.display());
    let file = target.join("wasm32-unknown-unknown/release").join(name.replace('-', "_")).with_extension("wasm");
    package::wrap(&std::fs::read(file).unwrap()).unwrap()
}
