//! Runs rules natively: the same code as in a component, over any [`Platform`].
//!
//! The test kit connects the engine here. [`Memory`] is enough for a unit test of a pattern or of a rule's arithmetic;
//! it evaluates no trigger and no guard.

mod memory;

use std::marker::PhantomData;
use std::rc::Rc;

pub use crate::platform::Platform;
pub use memory::Memory;

use crate::context::Context;
use crate::effect::Proposal;
use crate::event::Event;
use crate::failure::Failure;
use crate::host::Host;
use crate::rule::{Migrate, Rule};

/// A rule with the settings of one deployment, ready for events.
pub struct Program<R: Rule> {
    settings: Rc<R::Settings>,
    rule: PhantomData<R>,
}

impl<R: Rule> Program<R> {
    /// # Errors
    /// [`Failure::Configuration`] when the settings are not of the rule's shape, or its own check refuses them.
    pub fn new(settings: &str) -> Result<Self, Failure> {
        let settings: R::Settings = crate::rule_settings(settings).map_err(Failure::Configuration)?;
        R::validate(&settings).map_err(Failure::Configuration)?;
        Ok(Self { settings: Rc::new(settings), rule: PhantomData })
    }

    /// Handles one event. On an error the caller rolls back what was written through `platform`.
    ///
    /// # Errors
    /// The rule's own failure.
    pub fn handle(&self, event: &Event, platform: &mut dyn Platform) -> Result<Vec<Proposal>, Failure> {
        let context = Context::new(Rc::clone(&self.settings), event, platform);
        R::handle(&context, event)?;
        Ok(context.into_proposals())
    }
}

/// Handles one event with settings given as JSON text.
///
/// # Errors
/// As [`Program::new`] and [`Program::handle`].
pub fn run_native<R: Rule>(
    settings: &str,
    event: &Event,
    platform: &mut dyn Platform,
) -> Result<Vec<Proposal>, Failure> {
    Program::<R>::new(settings)?.handle(event, platform)
}

/// Moves one key's state from an older version.
///
/// # Errors
/// The rule's own sentence.
pub fn upgrade<R: Migrate>(old_version: u32, platform: &mut dyn Platform) -> Result<(), String> {
    R::upgrade(&Host::new(platform), old_version)
}
