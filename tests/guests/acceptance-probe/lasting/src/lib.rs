//! A rule of what lasts: a hold sets a timer, the timer commands, and the confirmed command tells people.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {}

struct Lasting;

impl Rule for Lasting {
    type Settings = Settings;

    fn on_condition(ctx: &Context<'_, Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        if condition.began() {
            ctx.propose(Timer::at("later", ctx.now() + Span::secs(1)).overdue(Overdue::Fire));
        }
        Ok(())
    }

    fn on_timer(ctx: &Context<'_, Settings>, event: &Event, _: &Tick) -> Result<(), Failure> {
        ctx.propose(Command::to_device(&event.key, "lock"));
        Ok(())
    }

    fn on_completion(ctx: &Context<'_, Settings>, event: &Event, _: &Completion) -> Result<(), Failure> {
        ctx.propose(Notification::to_group("locked", "household").parameter("door", event.key.as_str()));
        Ok(())
    }
}

pointsman_sdk::rule!(Lasting);
