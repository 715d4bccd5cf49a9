//! Runs rules as WebAssembly components: checks, links, limits and calls them.
//!
//! [`Sandbox::load`] turns a package into a [`Program`](model::guest::Program) whose instances the engine calls on its
//! own threads. Nothing in here waits, reads a clock, or draws a random number: a guest sees the event, what the
//! engine's [`Host`](model::guest::Host) tells it, and nothing else. A guest's failure comes back as data.
//!
//! The calling thread needs [`THREAD_STACK`] bytes of stack.

mod advice;
mod bindings;
mod cache;
mod imports;
mod inspection;
mod lift;
mod limiter;
mod linker;
mod lower;
pub mod package;
mod program;
mod sandbox;
mod settings;
mod state;
mod stop;
mod wasi;

pub use inspection::{Inspection, PackageError, inspect};
pub use sandbox::{LoadOptions, NewError, Sandbox};
pub use settings::{Options, Pooling, THREAD_STACK};

/// The version of the contract in `wit/v1` that this sandbox speaks.
pub const CONTRACT: &str = "1.0.0-rc.1";
