//! Finds stops of a truck where none is planned, and doors that open where they should not.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    crawl: Speed,
    places: Vec<Place>,
    escalate_after: Span,
    notify: String,
    on_call: String,
}

/// Where a stop is planned: depots, customers, truck stops, ferries.
#[derive(Deserialize)]
struct Place {
    name: String,
    latitude: f64,
    longitude: f64,
    radius: Length,
}

/// An unplanned stop; present while it lasts.
#[derive(Serialize, Deserialize)]
struct Stop {
    since: Instant,
    place: Option<Position>,
}

impl Stop {
    /// The truck was driven on while nothing was heard of it.
    fn is_elsewhere(&self, here: Option<Position>) -> bool {
        here.zip(self.place).is_some_and(|(here, there)| here.distance(there) >= ELSEWHERE_M)
    }
}

const STOP: Slot<Stop> = Slot::new("stop");
const LONG: &str = "long";
/// A fix wanders less than this; a truck that was driven while nothing was heard is farther away.
const ELSEWHERE_M: f64 = 500.0;

struct Stops;

impl Rule for Stops {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        let wrong = |place: &&Place| !(place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0);
        match settings.places.iter().find(wrong) {
            Some(place) => Err(format!("place {} is not on the Earth: latitude and longitude in degrees", place.name)),
            None => Ok(()),
        }
    }

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        match (event.trigger.as_str(), condition.began()) {
            ("stopped", true) => Self::stopped(ctx, condition),
            ("moving", true) => Self::moving(ctx, &condition.device),
            // Standing that is no longer known is not moving: a tracker sleeps, a host is down.
            _ => Ok(()),
        }
    }

    /// The cargo door opened. At a planned place that is what a stop is for.
    fn on_observation(ctx: &Context<Settings>, _: &Event, observation: &Observation) -> Result<(), Failure> {
        let truck = &observation.device;
        let here = ctx.position(truck, "position");
        let moving = ctx.number(truck, "speed").is_some_and(|speed| speed > ctx.settings.crawl.kilometres_per_hour());
        let unplanned = here.is_none_or(|here| Self::planned(&ctx.settings, here).is_none());
        let why = match (moving, Self::stop_at(ctx, here)?) {
            (true, _) => "the cargo door opened while the truck moves".to_owned(),
            (false, Some(stop)) => format!("the cargo door opened at an unplanned stop that began {}", stop.since),
            (false, None) if unplanned => "the cargo door opened where no stop is planned".to_owned(),
            (false, None) => return Ok(()),
        };
        let notification = Self::notify(ctx, "cargo-door-open", truck, here).urgent();
        ctx.propose(notification.because(why));
        Ok(())
    }

    fn on_timer(ctx: &Context<Settings>, event: &Event, tick: &Tick) -> Result<(), Failure> {
        // The truck may have moved while the host was down.
        if ctx.postponed(tick, Span::mins(1)) {
            return Ok(());
        }
        let here = ctx.position(&event.key, "position");
        if let Some(stop) = Self::stop_at(ctx, here)? {
            let notification = Self::addressed(ctx, "unplanned-stop", &ctx.settings.on_call, &event.key, stop.place);
            ctx.propose(notification.urgent().because(format!("still standing, since {}", stop.since)));
        }
        Ok(())
    }
}

impl Stops {
    fn stopped(ctx: &Context<Settings>, condition: &Condition) -> Result<(), Failure> {
        let truck = &condition.device;
        let here = ctx.position(truck, "position");
        // Heard again after a silence, where it was.
        if Self::stop_at(ctx, here)?.is_some() {
            return Ok(());
        }
        STOP.remove(ctx);
        ctx.cancel_timer(LONG);
        if let Some(place) = here.and_then(|here| Self::planned(&ctx.settings, here)) {
            ctx.info(&format!("{truck} stands at {}", place.name));
            return Ok(());
        }
        STOP.set(ctx, &Stop { since: condition.since, place: here })?;
        ctx.propose(Timer::at(LONG, ctx.now() + ctx.settings.escalate_after).overdue(Overdue::Fire));
        let why = format!("below {} since {}, and no planned place is near", ctx.settings.crawl, condition.since);
        ctx.propose(Self::notify(ctx, "unplanned-stop", truck, here).because(&why));
        ctx.propose(Emission::new("unplanned-stop").about(truck).because(why));
        Ok(())
    }

    fn moving(ctx: &Context<Settings>, truck: &str) -> Result<(), Failure> {
        let Some(stop) = STOP.take(ctx)? else { return Ok(()) };
        ctx.cancel_timer(LONG);
        let lasted = ctx.now().since(stop.since);
        let notification = Self::notify(ctx, "moving-again", truck, stop.place).background();
        ctx.propose(notification.because(format!("moving again after {lasted}")));
        Ok(())
    }

    /// The unplanned stop that the truck is still at, as far as is known.
    fn stop_at(ctx: &Context<Settings>, here: Option<Position>) -> Result<Option<Stop>, Failure> {
        Ok(STOP.get(ctx)?.filter(|stop| !stop.is_elsewhere(here)))
    }

    /// The planned place that `here` belongs to, allowing for the fix being as wrong as it says it may be.
    fn planned(settings: &Settings, here: Position) -> Option<&Place> {
        let slack = here.accuracy.unwrap_or(0.0);
        settings.places.iter().find(|place| {
            let distance = here.distance(Position::new(place.latitude, place.longitude));
            distance <= place.radius.metres() + slack
        })
    }

    fn notify(ctx: &Context<Settings>, template: &str, truck: &str, place: Option<Position>) -> Notification {
        Self::addressed(ctx, template, &ctx.settings.notify, truck, place)
    }

    fn addressed(
        ctx: &Context<Settings>,
        template: &str,
        group: &str,
        truck: &str,
        place: Option<Position>,
    ) -> Notification {
        let place = place.map_or("unknown".to_owned(), |place| Value::from(place).to_string());
        Notification::to_group(template, group).parameter("truck", ctx.name_of(truck)).parameter("place", place)
    }
}

pointsman_sdk::rule!(Stops);
