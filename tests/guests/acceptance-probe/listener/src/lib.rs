//! A rule that hears what another one publishes, whichever broker stands between them.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {}

struct Listener;

impl Rule for Listener {
    type Settings = Settings;

    fn on_message(ctx: &Context<'_, Settings>, _: &Event, message: &Message) -> Result<(), Failure> {
        ctx.propose(Publication::bytes("acceptance/heard", message.payload.clone()));
        Ok(())
    }
}

pointsman_sdk::rule!(Listener);
