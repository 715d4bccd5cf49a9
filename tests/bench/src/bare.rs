//! The baseline of a call: wasmtime as its own documentation has it, with the sandbox's settings and nothing around it.
//!
//! No host is lent, no limit is renewed, the event's record is laid out beforehand, and the answer is dropped as the
//! generated types give it.

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

use crate::guest::Answer;

mod bindings {
    #![allow(unreachable_pub, elided_lifetimes_in_paths, missing_docs, reason = "generated code")]

    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        world: "rule",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

use bindings::pointsman::rules::types as wit;

/// Enough fuel for a benchmark: it is given once.
const FUEL: u64 = u64::MAX / 2;

/// A live instance without a sandbox.
pub struct Bare {
    store: Store<()>,
    guest: bindings::Rule,
    trigger: &'static str,
}

impl Bare {
    /// # Errors
    /// When the component cannot be compiled or started.
    pub fn new(component: &[u8], answer: Answer) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component)?;
        let mut store = Store::new(&engine, ());
        store.set_fuel(FUEL)?;
        let guest = bindings::Rule::instantiate(&mut store, &component, &linker)?;
        Ok(Self { store, guest, trigger: answer.trigger() })
    }

    /// One call. Returns how many effects came back.
    ///
    /// # Panics
    /// When the guest fails, which it does not.
    pub fn call(&mut self) -> usize {
        let readings = [
            reading("temperature", wit::ValueParam::Number(21.5), Some("Cel")),
            reading("humidity", wit::ValueParam::Number(48.0), Some("%")),
            reading("contact", wit::ValueParam::Boolean(false), None),
        ];
        let event = wit::Event {
            id: "3f786850e387550fdab836ed7e6dc881",
            trigger: self.trigger,
            key: "fridge",
            occurred_at: 1_700_000_000_000_000,
            received_at: 1_700_000_000_500_000,
            cause: wit::Cause::Observation(wit::Observation {
                device: "fridge",
                role: Some("probe"),
                freshness: wit::Freshness::Live,
                readings: &readings,
                attributes: &[],
            }),
            attributes: &[],
        };
        let answer = self.guest.pointsman_rules_handler().call_handle(&mut self.store, event);
        answer.expect("the guest does not trap").expect("the guest does not fail").len()
    }
}

fn reading<'a>(capability: &'a str, value: wit::ValueParam<'a>, unit: Option<&'a str>) -> wit::Reading<'a> {
    wit::Reading {
        capability,
        previous: Some(value.clone()),
        value,
        unit,
        quality: wit::Quality::Good,
        attributes: &[],
    }
}

/// The sandbox's settings that change what code is generated or how it is entered.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .consume_fuel(true)
        .concurrency_support(false)
        .max_wasm_stack(1024 * 1024)
        .memory_init_cow(true)
        .generate_address_map(false);
    config
}
