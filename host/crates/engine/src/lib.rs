//! The deterministic core: triggers, steps, guards, effects, and the commit that holds what they did.
//!
//! No clock, no randomness, no I/O: inputs come with the instant at which they were taken, and each turn leaves as one
//! value. The same inputs, packages and configuration give the same decisions, whatever the batches and however many
//! partitions there are.

mod accounts;
mod actuate;
mod bindings;
mod branch;
mod budget;
pub mod calendar;
mod case;
mod checkpoint;
mod clock;
pub mod configuration;
mod contain;
mod cycles;
pub mod digest;
mod effects;
mod engine;
mod exact;
mod explain;
mod flight;
mod guard;
mod hidden;
mod histories;
mod history;
mod line;
mod messages;
mod notified;
mod nowhere;
mod observe;
mod partition;
mod pending;
mod plan;
mod published;
pub mod quarantine;
mod restore;
mod resume;
pub mod rows;
mod seen;
mod slots;
mod state;
mod step;
mod timers;
pub mod trace;
mod triggers;
mod turn;
mod twin;
mod undeploy;
mod waiting;
pub mod wakes;
mod wall;
mod why_not;
mod world;

pub use accounts::Accounts;
pub use branch::Branch;
pub use budget::Meter;
pub use case::{CASE_VERSION, Case, CaseDevice, CaseError, CaseFailure, CaseHistory, Rerun};
pub use contain::{Transition, TransitionKind};
pub use cycles::Cycle;
pub use engine::Engine;
pub use exact::{Difference, Exact, Recorded};
pub use explain::Explained;
pub use guard::actuator::preconditions_hold;
pub use hidden::{Answer, Divergence, Sampler};
pub use line::{Lines, Versions};
pub use nowhere::{Nowhere, validate};
pub use plan::{Setup, SetupError, partition_of_one, partition_of_site};
pub use seen::OwnIds;
pub use store::Table;
pub use triggers::fence::AreaError;
pub use triggers::schedule::{Calendar, ScheduleError};
pub use triggers::sun::SunError;
pub use triggers::times::TimesError;
pub use turn::{Persistence, Turn};
pub use twin::{LastKnown, Twin};
pub use wall::Wall;
pub use why_not::WhyNot;
pub use world::LogLine;

#[cfg(test)]
mod tests;
