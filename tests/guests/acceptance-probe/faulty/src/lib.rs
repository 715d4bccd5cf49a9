//! A rule that does what no rule should: it traps at 100 °C and above, and counts in its own memory.

use std::sync::atomic::{AtomicI64, Ordering};

use pointsman_sdk::prelude::*;

/// Lost with the instance, and shared by all keys that it serves: state belongs into slots.
static SEEN: AtomicI64 = AtomicI64::new(0);

#[derive(Deserialize)]
struct Settings {}

struct Faulty;

impl Rule for Faulty {
    type Settings = Settings;

    fn on_observation(ctx: &Context<'_, Settings>, _: &Event, observation: &Observation) -> Result<(), Failure> {
        let temperature = observation.number("temperature").unwrap_or_default();
        assert!(temperature < 100.0, "the probe burns");
        let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
        ctx.propose(Emission::new("counted").attribute("seen", seen));
        Ok(())
    }
}

pointsman_sdk::rule!(Faulty);
