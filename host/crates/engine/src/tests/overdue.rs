//! What became due while the host was down: what each policy does with it, and what the accounts say.

use model::limits;
use model::trigger::{Sun, SunEvent};

use super::*;

const HALF_AN_HOUR: Span = Span::from_mins(30);
const POLICIES: [Overdue; 3] = [Overdue::Fire, Overdue::FireWithin(HALF_AN_HOUR), Overdue::Skip];

/// Sets a timer for ten minutes later, with the policy that the reading names.
fn sets_timer(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return tell(event, host) };
    let Value::Number(policy) = observation.readings[0].value else { return Ok(Vec::new()) };
    Ok(vec![propose(Effect::SetTimer(Timer {
        name: "later".into(),
        due: event.received_at + Span::from_mins(10),
        overdue: POLICIES[policy as usize],
        payload: None,
        attributes: Vec::new(),
    }))])
}

/// A host that is back so much later than something was due.
const LATE: [Span; 4] = [Span::ZERO, Span::from_mins(10), HALF_AN_HOUR, Span(HALF_AN_HOUR.0 + 1)];
/// Whether it then fires, by policy.
const FIRES: [[bool; 4]; 3] = [[true; 4], [true, true, true, false], [true, false, false, false]];

fn start(bench: &mut Bench, at: Instant) {
    let input = bench.input(started_after(Some(minute(5))), None);
    bench.engine.take(&input, at);
    bench.collect();
}

fn journalled(bench: &Bench, kind: &str) -> usize {
    let journal = bench.turns.iter().flat_map(|turn| &turn.commits).flat_map(|commit| &commit.journal);
    journal.filter(|row| row.kind == kind).count()
}

#[test]
fn an_overdue_timer_does_what_its_policy_says_and_is_accounted_for() {
    for (policy, by_lateness) in FIRES.iter().enumerate() {
        for (late, fires) in LATE.iter().zip(by_lateness) {
            let deployments = || vec![(deployment("d", vec![each_reading()]), sets_timer as Rule)];
            let mut bench = Bench::new(1, deployments());
            bench.live(1, policy as f64);
            bench.crash(1, deployments());
            start(&mut bench, minute(11) + *late);
            bench.advance(100);
            let case = format!("{:?}, {late} late", POLICIES[policy]);
            let told = bench.decisions.iter().filter(|d| &*d.cause.kind == "timer").map(|d| d.at).collect::<Vec<_>>();
            assert_eq!(told, if *fires { vec![minute(11)] } else { Vec::new() }, "{case}");
            assert_eq!(bench.engine.accounts().skipped_timers, u64::from(!fires), "{case}");
            assert_eq!(
                (journalled(&bench, "timer"), journalled(&bench, "skipped")),
                (told.len(), 1 - told.len()),
                "{case}"
            );
            assert_eq!(bench.engine.timers(), 0, "{case}");
        }
    }
}

/// Says how many firings were merged into this one.
fn says_missed(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Schedule(tick) = &event.cause else { return Ok(Vec::new()) };
    Ok(vec![propose(Effect::Publish(model::event::Message {
        topic: format!("out/{}", tick.missed).into(),
        payload: Box::default(),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    }))])
}

fn scheduled(cron: &str, overdue: Overdue) -> Vec<(Deployment, Rule)> {
    let schedule = Schedule { cron: cron.into(), zone: "UTC".into(), overdue, spring: Spring::After, autumn: None };
    vec![(deployment("d", vec![Kind::Schedule(schedule)]), says_missed as Rule)]
}

/// Each tick: when it was due, and how many it says were missed.
fn ticks(bench: &Bench) -> Vec<(Instant, u32)> {
    let topic = |decision: &Decision| match &decision.effect.as_ref()?.effect {
        Effect::Publish(message) => Some((decision.at, message.topic.strip_prefix("out/")?.parse().ok()?)),
        _ => None,
    };
    bench.decisions.iter().filter_map(topic).collect()
}

/// An hourly schedule on a host that is down from minute 5 until so much after minute `due`.
fn hourly(overdue: Overdue, due: i64, late: Span) -> Bench {
    let mut bench = Bench::new(1, scheduled("0 * * * *", overdue));
    bench.take(started(), 1, None);
    bench.crash(1, scheduled("0 * * * *", overdue));
    start(&mut bench, minute(due) + late);
    bench.advance(due + 60);
    bench
}

#[test]
fn an_overdue_schedule_does_what_its_policy_says_and_is_accounted_for() {
    for (overdue, by_lateness) in POLICIES.iter().zip(FIRES) {
        for (late, fires) in LATE.iter().zip(by_lateness) {
            // After one hour it is the only one; after three, two others are merged into it.
            for (due, merged) in [(60, 0), (180, 2)] {
                let bench = hourly(*overdue, due, *late);
                let case = format!("{overdue:?}, {late} late, {merged} merged");
                let next = (minute(due + 60), 0);
                let expected = if fires { vec![(minute(due), merged), next] } else { vec![next] };
                assert_eq!(ticks(&bench), expected, "{case}: what was skipped is not told of again");
                let missed = bench.engine.accounts().missed_schedules;
                assert_eq!(missed, u64::from(merged) + u64::from(!fires), "{case}");
                assert_eq!(journalled(&bench, "missed"), usize::from(!fires), "{case}");
            }
        }
    }
}

#[test]
fn missed_times_are_counted_up_to_the_limit_and_past_it() {
    let each = i64::from(limits::MISSED_EACH);
    for missed in [each - 1, each, each + 1, 3 * each] {
        let deployments = || scheduled("* * * * *", Overdue::Fire);
        let mut bench = Bench::new(1, deployments());
        bench.take(started(), 1, None);
        bench.crash(1, deployments());
        // Minute 2 is the first of them.
        start(&mut bench, minute(2 + missed) + Span::from_secs(30));
        let told = u32::try_from(missed).expect("small");
        assert_eq!(ticks(&bench), [(minute(2 + missed), told)]);
        bench.advance(3 + missed);
        assert_eq!(ticks(&bench)[1..], [(minute(3 + missed), 0)]);
    }
}

/// One by one it took longer than a watchdog waits.
#[test]
fn a_month_of_seconds_is_missed_at_once() {
    let deployments = || scheduled("* * * * * *", Overdue::Fire);
    let mut bench = Bench::new(1, deployments());
    bench.take(started(), 1, None);
    bench.crash(1, deployments());
    let month = 30 * 24 * 60;
    start(&mut bench, minute(1 + month));
    assert_eq!(ticks(&bench), [(minute(1 + month), 30 * 24 * 60 * 60 - 1)]);
}

#[test]
fn years_of_sunrises_are_missed_at_once() {
    let deployments = || {
        let sunrise = Kind::Sun(Sun {
            event: SunEvent::Sunrise,
            offset: 0,
            latitude: 0.0,
            longitude: 0.0,
            overdue: Overdue::Fire,
        });
        vec![(deployment("d", vec![sunrise]), says_missed as Rule)]
    };
    let mut bench = Bench::new(1, deployments());
    bench.take(started(), 1, None);
    bench.crash(1, deployments());
    let days = 10 * 365;
    start(&mut bench, minute(days * 24 * 60));
    let ticks = ticks(&bench);
    assert_eq!(ticks.len(), 1);
    assert_eq!(i64::from(ticks[0].1), days - 1);
    assert!(ticks[0].0 > minute((days - 1) * 24 * 60), "the last of them: {}", ticks[0].0);
}
