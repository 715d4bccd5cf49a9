//! Tests of the sandbox on real guests: one binary, a file for each thing it promises.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

// Under the name by which every other crate knows it.
extern crate pointsman_sandbox as sandbox;

mod caching;
mod contract;
mod determinism;
mod guests;
mod hostile;
mod packages;
mod recorder;
mod virtual_wasi;
