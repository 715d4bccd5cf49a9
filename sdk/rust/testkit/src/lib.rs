//! Test rules natively: the engine itself in virtual time, with the rule as ordinary Rust code in place of a package.
//!
//! Triggers, guards, timers, state and the order of things are the host's own; only the sandbox is missing, and with it
//! the limits of fuel and memory, which `pointsman rule test` shows. A test feeds what devices report, moves time, and
//! looks at what came of it:
//!
//! ```no_run
//! use pointsman_sdk::prelude::*;
//! use pointsman_testkit::Bench;
//!
//! # struct Guard;
//! # impl Rule for Guard { type Settings = (); }
//! let mut bench = Bench::project::<Guard>(env!("CARGO_MANIFEST_DIR")).expect("a rule that can be deployed");
//! bench.report("fridge", "temperature", 8.4);
//! assert_eq!(bench.advance(Span::mins(10)).lines(), ["siren on"]);
//! ```

mod bench;
mod came;
mod lift;
mod lower;
mod platform;
mod program;
mod scenarios;

pub use bench::{Bench, Error};
pub use came::Came;
pub use program::native;
pub use scenarios::scenarios;

pub use engine::LogLine;
pub use model::{Decision, Verdict};
