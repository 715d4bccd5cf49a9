//! Grades a station's fine dust by its mean of 24 hours, warns when the grade is poor, and at once when the air is acute.

use pointsman_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    /// Lower ends of the grades above the first, ascending.
    grades: Vec<MassConcentration>,
    warn_grade: usize,
    margin: MassConcentration,
    min_readings: u64,
    notify: String,
}

const GRADE: Slot<usize> = Slot::new("grade");
const WINDOW: Span = Span::hours(24);

#[derive(Serialize)]
struct Report<'a> {
    station: &'a str,
    grade: usize,
    /// µg/m³, mean of 24 hours.
    pm25: f64,
    at: String,
}

struct Air;

impl Rule for Air {
    type Settings = Settings;

    fn validate(settings: &Settings) -> Result<(), String> {
        if !settings.grades.is_sorted_by(|a, b| a < b) {
            return Err("grades must ascend, each limit above the one before".into());
        }
        if !(1..=settings.grades.len()).contains(&settings.warn_grade) {
            return Err(format!(
                "warn-grade is {}: there are grades 1 to {}",
                settings.warn_grade,
                settings.grades.len()
            ));
        }
        Ok(())
    }

    /// Every hour, once for each station.
    fn on_schedule(ctx: &Context<Settings>, event: &Event, _: &Tick) -> Result<(), Failure> {
        let station = &event.key;
        let summary = ctx.summarise(station, "pm25", WINDOW).map_err(Failure::configuration)?;
        // A mean of a few readings after an outage would be a mean of nothing much: the old grade stands.
        let Some(summary) = summary.filter(|summary| summary.count >= ctx.settings.min_readings) else { return Ok(()) };
        // Stations report at even steps; weighting by time would let the last value before an outage fill it.
        let mean = summary.mean;
        let before = GRADE.get(ctx)?;
        let grade = Self::grade(&ctx.settings, mean, before);
        if before == Some(grade) {
            return Ok(());
        }
        GRADE.set(ctx, &grade)?;
        let why = format!("mean of 24 h is {mean:.1} µg/m³");
        let report = Report { station, grade, pm25: mean, at: event.received_at.to_string() };
        let topic = format!("pointsman/air/{}", station.replace('/', "-"));
        ctx.propose(Publication::json(topic, &report)?.retained().because(&why));
        let (was_poor, is_poor) =
            (before.is_some_and(|grade| grade >= ctx.settings.warn_grade), grade >= ctx.settings.warn_grade);
        if was_poor != is_poor {
            let template = if is_poor { "air-poor" } else { "air-better" };
            ctx.propose(
                Notification::to_group(template, &ctx.settings.notify)
                    .parameter("station", ctx.name_of(station))
                    .parameter("pm25", mean)
                    .because(why),
            );
        }
        Ok(())
    }

    fn on_condition(ctx: &Context<Settings>, _: &Event, condition: &Condition) -> Result<(), Failure> {
        // That nobody measures any more is no fresh air.
        if condition.is_unknown() {
            return Ok(());
        }
        let (template, lasted) =
            (if condition.began() { "air-acute" } else { "air-acute-over" }, condition.lasted(ctx.now()));
        let mut notification =
            Notification::to_group(template, &ctx.settings.notify).parameter("station", ctx.name_of(&condition.device));
        if condition.began() {
            notification = notification.urgent();
        }
        if let Some(value) = ctx.number(&condition.device, "pm25") {
            notification = notification.parameter("pm25", value);
        }
        ctx.propose(notification.because(format!("for {lasted}, since {}", condition.since)));
        Ok(())
    }
}

impl Air {
    /// Upwards at the limit; downwards only when the mean is clear of it by the margin, so that grades do not flap.
    fn grade(settings: &Settings, mean: f64, before: Option<usize>) -> usize {
        let reached =
            |value: f64| settings.grades.iter().take_while(|limit| value >= limit.micrograms_per_cubic_metre()).count();
        match before {
            Some(before) if reached(mean) < before => {
                reached(mean + settings.margin.micrograms_per_cubic_metre()).min(before)
            }
            _ => reached(mean),
        }
    }
}

pointsman_sdk::rule!(Air);
