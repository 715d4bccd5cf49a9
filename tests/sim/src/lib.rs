//! The simulator: the real pipeline, from the MQTT driver through engine and store to the dispatcher, on virtual time,
//! with faults at the seams that its parts are built from: clock, store medium, source, sinks, rule runtime, seed.
//!
//! One seed is one run, the same each time. What a run leaves behind is evidence; each file of [`checks`] holds one
//! promise against it.

mod broker;
mod chance;
pub mod checks;
pub mod evidence;
mod gate;
mod life;
mod plan;
mod rules;
pub mod scenario;
mod simulation;
mod sinks;
mod told;
mod world;

pub use checks::Violation;
pub use evidence::Evidence;
pub use plan::{Faults, Plan};
pub use simulation::{Sabotage, run};

/// Runs a plan and what is wrong with it: nothing, unless the product has a fault.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Violation> {
    let evidence = run(plan, None);
    let calm = run(&plan.calm(), None);
    checks::all(&evidence, &calm)
}
