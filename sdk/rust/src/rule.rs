//! The trait that a rule implements.

use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::event::{Cause, Completion, Condition, Custom, Event, Message, Observation, Tick};
use crate::failure::Failure;
use crate::host::Host;

/// A rule: a type without values, whose functions the host calls. State lives in [`crate::Slot`]s, never in memory.
///
/// Implement the functions for the causes that the manifest's triggers give; the others do nothing. One call handles
/// one event. An error rolls back all that the call wrote and proposed.
pub trait Rule {
    /// Read from the deployment's settings by serde. The manifest's schema has checked types and filled in defaults.
    type Settings: DeserializeOwned + 'static;

    /// Checks settings beyond their schema, at deploy, with no state and no devices.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn validate(settings: &Self::Settings) -> Result<(), String> {
        let _ = settings;
        Ok(())
    }

    /// Handles one event; by default hands it to the function of its cause.
    ///
    /// # Errors
    /// [`Failure`] says what becomes of the event.
    fn handle(ctx: &Context<'_, Self::Settings>, event: &Event) -> Result<(), Failure> {
        match &event.cause {
            Cause::Observation(observation) => Self::on_observation(ctx, event, observation),
            Cause::Condition(condition) => Self::on_condition(ctx, event, condition),
            Cause::Timer(tick) => Self::on_timer(ctx, event, tick),
            Cause::Schedule(tick) => Self::on_schedule(ctx, event, tick),
            Cause::Completion(completion) => Self::on_completion(ctx, event, completion),
            Cause::Message(message) => Self::on_message(ctx, event, message),
            Cause::Custom(custom) => Self::on_custom(ctx, event, custom),
        }
    }

    /// Triggers `reading` and `change`.
    ///
    /// # Errors
    /// As [`Rule::handle`].
    fn on_observation(
        ctx: &Context<'_, Self::Settings>,
        event: &Event,
        observation: &Observation,
    ) -> Result<(), Failure> {
        let _ = (ctx, event, observation);
        Ok(())
    }

    /// Triggers `threshold`, `held`, `silence`, `availability`, `zone` and `window`.
    ///
    /// # Errors
    /// As [`Rule::handle`].
    fn on_condition(ctx: &Context<'_, Self::Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        let _ = (ctx, event, condition);
        Ok(())
    }

    /// A timer that the rule has set.
    ///
    /// # Errors
    /// As [`Rule::handle`].
    fn on_timer(ctx: &Context<'_, Self::Settings>, event: &Event, tick: &Tick) -> Result<(), Failure> {
        let _ = (ctx, event, tick);
        Ok(())
    }

    /// Trigger `schedule`.
    ///
    /// # Errors
    /// As [`Rule::handle`].
    fn on_schedule(ctx: &Context<'_, Self::Settings>, event: &Event, tick: &Tick) -> Result<(), Failure> {
        let _ = (ctx, event, tick);
        Ok(())
    }

    /// What became of an effect, for the outcomes that the manifest lists.
    ///
    /// # Errors
    /// As [`Rule::handle`].
    fn on_completion(ctx: &Context<'_, Self::Settings>, event: &Event, completion: &Completion) -> Result<(), Failure> {
        let _ = (ctx, event, completion);
        Ok(())
    }

    /// Trigger `message`.
    ///
    /// # Errors
    /// As [`Rule::handle`].
    fn on_message(ctx: &Context<'_, Self::Settings>, event: &Event, message: &Message) -> Result<(), Failure> {
        let _ = (ctx, event, message);
        Ok(())
    }

    /// Trigger `custom`: another rule's emission.
    ///
    /// # Errors
    /// As [`Rule::handle`].
    fn on_custom(ctx: &Context<'_, Self::Settings>, event: &Event, custom: &Custom) -> Result<(), Failure> {
        let _ = (ctx, event, custom);
        Ok(())
    }
}

/// A rule that can take over the state of its older versions.
pub trait Migrate: Rule {
    /// Moves one key's state from an older `state-version`. The host does not call it yet: it refuses a package whose
    /// `state-version` is another than that of the stored state. Later it is called in the commit of that key's first
    /// event.
    ///
    /// # Errors
    /// A sentence for the operator; the deployment stops.
    fn upgrade(host: &Host<'_>, old_version: u32) -> Result<(), String>;
}
