//! Which interfaces a package finds: ours alone, or a virtual WASI beside them.

use model::deployment::World;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::pointsman::rules::{calendar, chance, devices, people, settings, state, telemetry, types};
use crate::inspection::PackageError;
use crate::state::State;
use crate::wasi;

/// Names of the interfaces that a package of `world` may import.
pub(crate) fn interfaces(world: World) -> &'static [&'static str] {
    match world {
        World::Rule => &["types", "settings", "devices", "state", "calendar", "chance", "telemetry"],
        World::Engagement => &["types", "settings", "devices", "state", "calendar", "chance", "telemetry", "people"],
        World::Codec => &["types", "actuating", "settings", "calendar", "telemetry"],
        World::Interlock => &["types", "actuating", "settings", "devices", "calendar", "telemetry"],
    }
}

/// The linker for packages of `world`, which is one that this sandbox runs.
pub(crate) fn linker(engine: &Engine, world: World, compatibility: bool) -> Result<Linker<State>, PackageError> {
    link(engine, world, compatibility).map_err(|error| PackageError::Engine(format!("{error:#}")))
}

fn link(engine: &Engine, world: World, compatibility: bool) -> wasmtime::Result<Linker<State>> {
    fn own(state: &mut State) -> &mut State {
        state
    }
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    settings::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    devices::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    state::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    calendar::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    chance::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    telemetry::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    if world == World::Engagement {
        people::add_to_linker::<_, HasSelf<State>>(&mut linker, own)?;
    }
    if compatibility {
        wasi::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}
