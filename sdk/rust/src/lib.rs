//! Write rules for Pointsman in Rust: plain types, a handler trait, builders for effects, patterns over timers and state.
//!
//! A rule is a type that implements [`Rule`]; the macro [`rule!`] makes it the component's handler. It is built for
//! `wasm32-unknown-unknown` and wrapped by `pointsman rule build`. The same code runs natively through [`native`],
//! which is how tests and the test kit run it.
//!
//! ```
//! use pointsman_sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Settings {
//!     limit: Temperature,
//! }
//!
//! struct Guard;
//!
//! impl Rule for Guard {
//!     type Settings = Settings;
//!
//!     fn on_condition(ctx: &Context<Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
//!         let action = if condition.began() { "on" } else { "off" };
//!         let because = format!("{} against a limit of {}", condition.device, ctx.settings.limit);
//!         ctx.propose(Command::to_role("alarm", action).because(because));
//!         Ok(())
//!     }
//! }
//!
//! pointsman_sdk::rule!(Guard);
//! ```

pub mod context;
pub mod effect;
pub mod event;
pub mod failure;
pub mod host;
pub mod patterns;
#[cfg(feature = "engagement")]
pub mod people;
pub mod platform;
pub mod quantity;
pub mod rule;
pub mod slot;
pub mod time;
pub mod value;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod component;
mod macros;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;

pub use context::Context;
pub use event::Event;
pub use failure::Failure;
pub use host::Host;
pub use rule::{Migrate, Rule};
pub use slot::Slot;
pub use time::{Instant, Span};
pub use value::Value;

#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use serde_json;

/// What nearly every rule needs: `use pointsman_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::context::Context;
    pub use crate::effect::{
        Audience, Check, Command, Emission, Explain, Notification, Overdue, Proposal, Publication, Relinquishment,
        Target, Timer, Urgency,
    };
    pub use crate::event::{
        Cause, Completion, Condition, Custom, Event, Freshness, Message, Observation, Outcome, Phase, Quality, Reading,
        Tick,
    };
    pub use crate::failure::Failure;
    pub use crate::host::{Civil, Host, Known, Level, Pass, Summary};
    pub use crate::quantity::{
        Acceleration, Concentration, Energy, Flow, Illuminance, Length, MassConcentration, Power, Pressure, Rate,
        Share, Speed, Temperature, Voltage, Volume,
    };
    pub use crate::rule::{Migrate, Rule};
    pub use crate::slot::Slot;
    pub use crate::time::{Instant, Span, TimeOfDay};
    pub use crate::value::{Attributes, Position, Value};
    pub use serde::{Deserialize, Serialize};
}

/// Settings from their JSON text, with an error that an operator can act on.
pub(crate) fn rule_settings<S: serde::de::DeserializeOwned>(json: &str) -> Result<S, String> {
    serde_json::from_str(json).map_err(|problem| format!("the rule cannot read its settings: {problem}"))
}
