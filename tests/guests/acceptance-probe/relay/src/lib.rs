//! A rule whose effects cause each other: the report of a pressed button sets a timer, the timer emits, the emission
//! commands, and what became of the command is emitted.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {
    lives: Span,
}

struct Relay;

impl Rule for Relay {
    type Settings = Settings;

    fn on_observation(ctx: &Context<'_, Settings>, _: &Event, observation: &Observation) -> Result<(), Failure> {
        if observation.boolean("contact") == Some(true) {
            ctx.start_timer("soon", Span::secs(1));
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<'_, Settings>, _: &Event, _: &Tick) -> Result<(), Failure> {
        for desk in ctx.members("desk") {
            ctx.propose(Emission::new("asked").about(&desk));
        }
        Ok(())
    }

    fn on_custom(ctx: &Context<'_, Settings>, _: &Event, _: &Custom) -> Result<(), Failure> {
        ctx.propose(Command::to_role("lamp", "on").expires_at(ctx.now() + ctx.settings.lives));
        Ok(())
    }

    fn on_completion(ctx: &Context<'_, Settings>, _: &Event, completion: &Completion) -> Result<(), Failure> {
        ctx.propose(Emission::new("ended").attribute("outcome", format!("{:?}", completion.outcome)));
        Ok(())
    }
}

pointsman_sdk::rule!(Relay);
