//! The vocabulary of Pointsman: what an event, a value, a trigger, an effect and a verdict are.
//!
//! Every other crate speaks in these types. Nothing here does I/O, reads a clock, draws a random number, or knows a
//! wire format, the store or the sandbox. The words are those of the glossary in `host/ARCHITECTURE.md`.

pub mod area;
pub mod border;
pub mod capability;
pub mod configuration;
pub mod decision;
pub mod deployment;
pub mod device;
pub mod effect;
pub mod event;
pub mod guest;
pub mod id;
pub mod input;
pub mod limits;
pub mod notification;
pub mod outgoing;
pub mod selector;
pub mod time;
pub mod topic;
pub mod trigger;
pub mod unit;
pub mod value;
pub mod window;

use std::sync::Arc;

pub use capability::Capability;
pub use configuration::{Configuration, ConfigurationDigest};
pub use decision::{Decision, GateResult, Verdict};
pub use deployment::Deployment;
pub use device::{Device, DeviceNo};
pub use effect::{Effect, Proposal};
pub use event::{Cause, Event, Freshness, Phase, Quality, Reading};
pub use id::Id;
pub use input::Input;
pub use selector::Selector;
pub use time::{Instant, Span};
pub use trigger::Trigger;
pub use unit::Unit;
pub use value::{Attributes, Value};

/// A short text that many places hold: the name of a device, a deployment, a trigger, a role. Cheap to clone.
pub type Name = Arc<str>;
