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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Command, Effect};
    use crate::event::Tick;
    use crate::slot::Slot;
    use crate::time::Instant;

    const TIMES: Slot<u32> = Slot::new("times");

    #[derive(serde::Deserialize)]
    struct Settings {
        action: String,
    }

    struct Bell;

    impl Rule for Bell {
        type Settings = Settings;

        fn validate(settings: &Settings) -> Result<(), String> {
            if settings.action.is_empty() { Err("no action".into()) } else { Ok(()) }
        }

        fn on_timer(ctx: &Context<'_, Settings>, _: &Event, _: &Tick) -> Result<(), Failure> {
            TIMES.set(ctx, &(TIMES.get_or(ctx, 0)? + 1))?;
            ctx.propose(Command::to_role("bell", &*ctx.settings.action));
            Ok(())
        }
    }

    impl Migrate for Bell {
        fn upgrade(host: &Host<'_>, old_version: u32) -> Result<(), String> {
            TIMES.set(host, &(old_version * 100)).map_err(|problem| problem.to_string())
        }
    }

    crate::rule!(Bell, migrating);

    #[test]
    fn a_rule_runs_natively_with_its_state_where_the_platform_keeps_it() {
        let mut memory = Memory::default();
        let event = Memory::timer("noon", Instant::default(), None);
        for _ in 0..2 {
            let proposals = run_native::<Bell>(r#"{"action":"ring"}"#, &event, &mut memory).expect("the rule runs");
            assert_eq!(proposals[0].effect, Effect::Command(Command::to_role("bell", "ring")));
        }
        assert_eq!(memory.state["times"], 2.into());
    }

    #[test]
    fn settings_that_cannot_work_are_a_configuration_failure() {
        for (settings, says) in [("{}", "missing field `action`"), (r#"{"action":""}"#, "no action")] {
            match Program::<Bell>::new(settings).map(drop) {
                Err(Failure::Configuration(message)) => assert!(message.contains(says), "{message}"),
                other => panic!("{settings}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_migration_moves_the_state() {
        let mut memory = Memory::default();
        upgrade::<Bell>(3, &mut memory).expect("the rule migrates");
        assert_eq!(memory.state["times"], 300.into());
    }
}
