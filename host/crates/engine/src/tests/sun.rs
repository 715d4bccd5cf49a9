//! The sun as rules see it: once a day for each key, with its policy for downtime.

use model::trigger::{Sun, SunEvent};

use super::*;

/// Greenwich in January 1970, where the sun rises at eight and sets at four.
fn sun(event: SunEvent, latitude: f64) -> Kind {
    Kind::Sun(Sun { event, offset: 0, latitude, longitude: 0.0, overdue: Overdue::FireWithin(Span::from_hours(2)) })
}

/// Says on a topic what the sun did and how many days were missed.
fn says(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Schedule(tick) = &event.cause else { return Err(Failure::Permanent("no schedule".into())) };
    let word = tick.attributes.iter().find(|(name, _)| &**name == "sun").map(|(_, word)| word.to_string());
    Ok(vec![propose(Effect::Publish(model::event::Message {
        topic: format!("out/{}-{}", word.unwrap_or_default(), tick.missed).into(),
        payload: Box::default(),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    }))])
}

fn said(bench: &Bench) -> Vec<(String, i64)> {
    let topics = bench.decisions.iter().filter_map(|decision| match &decision.effect.as_ref()?.effect {
        Effect::Publish(message) => Some((message.topic.to_string(), decision.at.0 / 3_600_000_000)),
        _ => None,
    });
    topics.collect()
}

fn expected(words: &[(&str, i64)]) -> Vec<(String, i64)> {
    words.iter().map(|(word, hour)| (format!("out/{word}"), *hour)).collect()
}

#[test]
fn the_sun_wakes_a_rule_once_a_day() {
    let kinds = vec![sun(SunEvent::Sunrise, 51.5), sun(SunEvent::Sunset, 51.5), sun(SunEvent::Sunrise, 80.0)];
    let mut bench = Bench::new(1, vec![(deployment("d", kinds), says)]);
    bench.advance(1).advance(48 * 60);
    let day = [("sunrise-0", 8), ("polar-night-0", 12), ("sunset-0", 16)];
    let next = day.map(|(word, hour)| (word, hour + 24));
    assert_eq!(said(&bench), expected(&[day, next].concat()));
}

#[test]
fn days_that_were_missed_while_down_are_merged() {
    let deployments = || vec![(deployment("d", vec![sun(SunEvent::Sunset, 51.5)]), says as Rule)];
    let mut bench = Bench::new(1, deployments());
    bench.advance(1).advance(20 * 60);
    bench.crash(1, deployments());
    bench.take(started(), (3 * 24 + 17) * 60, None).advance((4 * 24 + 17) * 60);
    assert_eq!(said(&bench), expected(&[("sunset-0", 16), ("sunset-2", 3 * 24 + 16), ("sunset-0", 4 * 24 + 16)]));
    bench.crash(1, deployments());
    bench.take(started(), (5 * 24 + 20) * 60, None);
    assert_eq!(said(&bench).len(), 3, "it came more than two hours ago");
    assert_eq!(bench.engine.accounts().missed_schedules, 3);
}
