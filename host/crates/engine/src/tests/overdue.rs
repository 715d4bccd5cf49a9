//! What became due while the host was down: what each policy does with it, and what the accounts say.

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
