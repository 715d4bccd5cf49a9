//! Scenarios: recordings of a rule with what is expected of it, run through the engine in virtual time.

mod agreement;
mod expectation;
mod installed;
mod run;
mod runner;
mod stage;

pub use expectation::{Difference, Expectation, differences};
pub use installed::Installed;
pub use runner::{Error, Failure, Outcome, Runner, SINK};
pub use stage::Stage;

#[cfg(test)]
mod tests;
