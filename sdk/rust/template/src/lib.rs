//! Switches the alarm on while a probe is too warm.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {
    limit: Temperature,
}

struct Guard;

impl Rule for Guard {
    type Settings = Settings;

    fn on_condition(ctx: &Context<Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        let probe = ctx.name_of(&condition.device);
        if condition.began() {
            let why = format!("{probe} has been above {} since {}", ctx.settings.limit, condition.since);
            ctx.propose(Command::to_role("alarm", "on").because(why));
        } else {
            ctx.propose(Command::to_role("alarm", "off").because(format!("{probe} is cool again")));
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Guard);

#[cfg(test)]
mod tests;
