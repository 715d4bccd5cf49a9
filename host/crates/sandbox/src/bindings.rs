//! The contract as Rust types, generated from `wit/v1`.
//!
//! The world `engagement` holds every interface that a rule may import. A package of world `rule` exports the same
//! handler, so one set of types serves both; which interfaces a package finds is the linker's decision.

#![allow(unreachable_pub, elided_lifetimes_in_paths, missing_docs, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../../../wit/v1",
    world: "engagement",
    imports: { default: trappable },
    ownership: Borrowing { duplicate_if_necessary: true },
});
