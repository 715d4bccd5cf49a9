//! One call repeated a given number of times, for a tool that counts instructions.
//!
//! The instructions of one call are those of a run with many calls less those of a run with few, by the difference.

use anyhow::anyhow;

use crate::bare::Bare;
use crate::guest::{self, Answer};
use crate::sandboxed::Caller;

/// What is called.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Variant {
    /// The guest behind the engine's seam.
    Sandboxed,
    /// The guest as wasmtime's documentation has it.
    Bare,
    /// Native code that does what the guest does.
    Native,
}

/// Calls a variant so often and returns how many effects came back.
///
/// # Errors
/// When the guest cannot be built or started.
pub fn repeat(variant: Variant, answer: Answer, calls: u32) -> anyhow::Result<usize> {
    let component = guest::component()?;
    let mut call: Box<dyn FnMut() -> usize> = match variant {
        Variant::Sandboxed => {
            let mut caller = Caller::sandboxed(&component, answer)?;
            Box::new(move || caller.call())
        }
        Variant::Bare => {
            let mut bare = Bare::new(&component, answer).map_err(|error| anyhow!("{error:#}"))?;
            Box::new(move || bare.call())
        }
        Variant::Native => {
            let mut caller = Caller::native(answer)?;
            Box::new(move || caller.call())
        }
    };
    Ok((0..calls).map(|_| call()).sum())
}
