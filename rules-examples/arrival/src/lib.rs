//! Tells the dock when a truck has arrived at a customer, and when it has left, with the time it stood there.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {
    customer: String,
    notify: String,
}

struct Arrival;

impl Rule for Arrival {
    type Settings = Settings;

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        let truck = &condition.device;
        let about = |template: &str| {
            Notification::to_group(template, &ctx.settings.notify)
                .parameter("truck", ctx.name_of(truck))
                .parameter("customer", ctx.settings.customer.as_str())
        };
        if condition.began() {
            let why = format!("in the yard of {} since {}", ctx.settings.customer, condition.since);
            ctx.propose(about("truck-arrived").because(&why));
            ctx.propose(Emission::new("arrived").about(truck).because(why));
            return Ok(());
        }
        // Counted by the truck's own time: a tracker that uploads an hour at once has not stood there for an hour less.
        let stood = condition.lasted(event.occurred_at);
        let why = format!("left {} after {stood}", ctx.settings.customer);
        ctx.propose(about("truck-left").parameter("minutes", stood.as_mins()).background().because(&why));
        ctx.propose(Emission::new("departed").about(truck).because(why));
        Ok(())
    }
}

pointsman_sdk::rule!(Arrival);
