//! Says where the road is jammed: on a topic for navigation, and on the signs in front of the segment.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    jam_speed: Speed,
    free_speed: Speed,
    warning: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Flow {
    Free,
    Jammed,
    /// The detector is silent: an old jam must not stay on the signs.
    Unknown,
}

const FLOW: Slot<Flow> = Slot::new("flow");

#[derive(Serialize)]
struct Report<'a> {
    segment: &'a str,
    flow: Flow,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    since: String,
}

struct Traffic;

impl Rule for Traffic {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if settings.jam_speed >= settings.free_speed {
            let (jam, free) = (settings.jam_speed, settings.free_speed);
            return Err(format!("jam-speed {jam} must be below free-speed {free}, or the signs flap"));
        }
        Ok(())
    }

    fn on_condition(ctx: &Context<Settings>, event: &Event, condition: &Condition) -> Result<(), Failure> {
        // Jammed and free have a band between them in which what was true stays true, so the end of either says nothing.
        if !condition.began() {
            return Ok(());
        }
        let (flow, why) = match event.trigger.as_str() {
            "jam" => {
                (Flow::Jammed, format!("slower than {} and full since {}", ctx.settings.jam_speed, condition.since))
            }
            "free" => (Flow::Free, format!("faster than {} since {}", ctx.settings.free_speed, condition.since)),
            _ => (Flow::Unknown, format!("nothing heard since {}", condition.since)),
        };
        let before = FLOW.get(ctx)?;
        if before == Some(flow) {
            return Ok(());
        }
        FLOW.set(ctx, &flow)?;
        Self::publish(ctx, &condition.device, flow, condition.since, &why)?;
        if flow == Flow::Jammed {
            Self::show(ctx, &condition.device, &ctx.settings.warning, &why);
        } else if before == Some(Flow::Jammed) {
            Self::show(ctx, &condition.device, "", &why);
        }
        Ok(())
    }
}

impl Traffic {
    /// The state stays on its topic for whoever subscribes later.
    fn publish(ctx: &Context<Settings>, segment: &str, flow: Flow, since: Instant, why: &str) -> Result<(), Failure> {
        let speed = if flow == Flow::Unknown { None } else { ctx.number(segment, "speed") };
        let report = Report { segment, flow, speed, since: since.to_string() };
        let topic = format!("pointsman/traffic/{}", segment.replace('/', "-"));
        ctx.propose(Publication::json(topic, &report)?.retained().because(why));
        Ok(())
    }

    /// The signs that stand in front of the segment, as the operator says in `about.segment`.
    fn show(ctx: &Context<Settings>, segment: &str, text: &str, why: &str) {
        let in_front = |sign: &String| {
            ctx.about(sign).iter().any(|(name, value)| name == "segment" && value.text() == Some(segment))
        };
        for sign in ctx.members("sign").into_iter().filter(in_front) {
            ctx.propose(Command::to_device(sign, "show").argument("value", text).because(why));
        }
    }
}

pointsman_sdk::rule!(Traffic);
