//! Publishes each machine's mean vibration of every hour, and tells maintenance of hours that were rough.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
struct Settings {
    limit: Speed,
    fewest: f64,
    notify: String,
}

/// One hour of one machine, as it is published.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Hour {
    from: String,
    /// mm/s.
    mean: f64,
    readings: f64,
    /// Too few readings to go by.
    thin: bool,
}

struct Hours;

impl Rule for Hours {
    type Settings = Settings;

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        let Some(mean) = condition.value.as_ref().and_then(Value::number) else { return Ok(()) };
        match event.trigger.as_str() {
            "hour" => Self::publish(ctx, condition, mean),
            _ => {
                Self::tell(ctx, condition, mean);
                Ok(())
            }
        }
    }
}

impl Hours {
    fn publish(ctx: &Context<Settings>, condition: &Condition, mean: f64) -> Result<(), Failure> {
        let count = condition.attributes.iter().find(|(name, _)| name == "count");
        let readings = count.and_then(|(_, count)| count.number()).unwrap_or_default();
        let thin = readings < ctx.settings.fewest;
        let hour = Hour { from: condition.since.to_string(), mean, readings, thin };
        let topic = format!("plant/{}/vibration/hour", condition.device);
        ctx.propose(Publication::json(topic, &hour)?.retained().because("the hour is over"));
        Ok(())
    }

    /// The mean of four hours: a lorry that drives past, or a start against resistance, does not move it.
    fn tell(ctx: &Context<Settings>, condition: &Condition, mean: f64) {
        let (template, side) =
            if condition.began() { ("machine-rough", "above") } else { ("machine-smooth", "back below") };
        ctx.propose(
            Notification::to_group(template, &ctx.settings.notify)
                .parameter("machine", ctx.name_of(&condition.device))
                .parameter("mean", mean)
                .because(format!("the mean of four hours is {side} {}", ctx.settings.limit)),
        );
    }
}

pointsman_sdk::rule!(Hours);
