//! Backtest: two sets of deployments over one stream of inputs in virtual time, and how their decisions differ.
//!
//! Nothing here knows a sink: what rules send is captured and answered in the sinks' place. The caller brings the
//! stream and the programs; each step runs on a fresh instance.

mod chart;
mod comparison;
mod difference;
mod html;
mod pairing;
mod report;
mod run;
mod side;
mod tally;
mod unknown;
mod warm_up;

pub use difference::{Class, Difference, Field};
pub use html::render;
pub use report::{Bar, Counts, Named, Report};
pub use run::{Backtest, Options, Part};
pub use side::{Results, is_final};
pub use warm_up::warm_up;

#[cfg(test)]
mod tests;
