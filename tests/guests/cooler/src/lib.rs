//! The rule of the end-to-end benchmarks: looks at every reading and cools the room where it is above the limit.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {
    limit: Temperature,
}

struct Cooler;

impl Rule for Cooler {
    type Settings = Settings;

    fn on_observation(ctx: &Context<Settings>, _: &Event, observation: &Observation) -> Result<(), Failure> {
        if observation.number("temperature").is_some_and(|celsius| celsius > ctx.settings.limit.celsius()) {
            ctx.propose(Command::to_device(&observation.device, "cool").because("above the limit"));
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Cooler);
