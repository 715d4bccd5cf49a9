//! Switches outside lamps on at dusk and off at dawn, also where the sun does not cross the horizon for weeks.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {}

struct Lights;

impl Rule for Lights {
    type Settings = Settings;

    fn on_schedule(ctx: &Context<Settings>, _: &Event, tick: &Tick) -> Result<(), Failure> {
        let word = tick.attributes.iter().find(|(name, _)| name == "sun");
        let (action, why) = match word.and_then(|(_, word)| word.text()) {
            Some("dusk") => ("on", "it is getting dark"),
            Some("polar-night") => ("on", "it stays dark all day"),
            Some("polar-day") => ("off", "it stays light all day"),
            _ => ("off", "it is getting light"),
        };
        for lamp in ctx.members("lamp") {
            // A lamp that has not reported is told all the same.
            if ctx.boolean(&lamp, "switch") != Some(action == "on") {
                ctx.propose(Command::to_device(lamp, action).because(why));
            }
        }
        Ok(())
    }
}

pointsman_sdk::rule!(Lights);
