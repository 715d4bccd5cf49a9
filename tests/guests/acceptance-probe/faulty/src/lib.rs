//! A rule that does what no rule should: it traps at 100 °C and above, computes for milliseconds below -100 °C, and
//! counts in its own memory.

use std::hint::black_box;
use std::sync::atomic::{AtomicI64, Ordering};

use pointsman_sdk::prelude::*;

/// Lost with the instance, and shared by all keys that it serves: state belongs into slots.
static SEEN: AtomicI64 = AtomicI64::new(0);

#[derive(Deserialize)]
struct Settings {}

/// Rounds of a loop that burn most of what one event may.
const LONG: u32 = 700_000;

struct Faulty;

impl Rule for Faulty {
    type Settings = Settings;

    fn on_observation(ctx: &Context<'_, Settings>, _: &Event, observation: &Observation) -> Result<(), Failure> {
        let temperature = observation.number("temperature").unwrap_or_default();
        assert!(temperature < 100.0, "the probe burns");
        if temperature < -100.0 {
            for round in 0..LONG {
                let _ = black_box(round);
            }
        }
        let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
        ctx.propose(Emission::new("counted").attribute("seen", seen));
        Ok(())
    }
}

pointsman_sdk::rule!(Faulty);
