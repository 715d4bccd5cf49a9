//! Patterns over timers and state that rules need again and again. Each keeps its state per key, durably.

mod cool_down;
mod debounce;
mod hysteresis;
mod runs;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;

pub use cool_down::CoolDown;
pub use debounce::Debounce;
pub use hysteresis::{Edge, Hysteresis};
pub use runs::{Begun, Finished, Mode, Runs};
