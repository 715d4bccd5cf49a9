//! A crash between any two inputs changes nothing of what triggers tell, nor does a restart that misses nothing; and
//! no two events have one id.

use std::collections::BTreeSet;

use model::trigger::Test;
use model::window::{Aggregate, By, Frame, Window};

use super::*;

fn window(frame: Frame) -> Kind {
    let capability = capability("temperature");
    let lateness = if matches!(frame, Frame::Sliding { .. }) { Span::from_mins(10) } else { Span::ZERO };
    let aggregate = Aggregate::Mean;
    Kind::Window(Box::new(Window {
        capability,
        aggregate,
        frame,
        when: None,
        lateness,
        by: By::Device,
        snapshot: false,
    }))
}

fn kinds() -> Vec<Kind> {
    let deadband = Some(3.0);
    let during = Predicate::Test { role: None, capability: capability("temperature"), test: Test::AtLeast(6.0) };
    vec![
        Kind::Threshold { when: when(Test::AtLeast(8.0)), clear: None, snapshot: false, keep: false },
        super::held(Span::from_mins(9), None, Gap::Continue),
        super::held(Span::from_mins(9), Some(Span::from_mins(20)), Gap::Pause),
        super::held(Span::from_mins(9), None, Gap::Reset),
        super::held(Span::from_mins(9), Some(Span::from_mins(20)), Gap::Reset),
        Kind::Change { capability: capability("temperature"), from: None, to: None, deadband, snapshot: false },
        window(Frame::Sliding { size: Span::from_mins(30), advance: Span::from_mins(10) }),
        window(Frame::Session { idle: Span::from_mins(7) }),
        window(Frame::Count { size: 3 }),
        window(Frame::State { during }),
        Kind::Silence { duration: Span::from_mins(20) },
    ]
}

fn rules() -> Vec<(Deployment, Rule)> {
    vec![(deployment("d", kinds()), tell as Rule)]
}

/// Runs the reports, with a crash before each of those named; `restart` has the host say that it is up again.
fn run(reports: &[Report], crashes: &BTreeSet<usize>, restart: bool) -> Vec<(String, String, i64)> {
    let mut bench = Bench::new(1, rules());
    bench.take(started(), 1, None).take(Body::Host(HostEvent::CaughtUp), 1, None);
    for (index, report) in reports.iter().enumerate() {
        if crashes.contains(&index) {
            let now = index.checked_sub(1).map_or(1, |last| reports[last].received);
            bench.crash(1, rules());
            if restart {
                let number = bench.number;
                bench.take(started(), now, None).take(Body::Host(HostEvent::CaughtUp), now, None);
                // The reports keep their ids.
                bench.number = number;
            }
        }
        feed(&mut bench, report, temperature);
    }
    bench.advance(END);
    let told = bench
        .decisions
        .iter()
        .map(|decision| (decision.cause.name.to_string(), decision.cause.event.to_string(), decision.at.0));
    told.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crash_between_any_two_inputs_changes_nothing(
        reports in reports(0..15),
        crashes in prop::collection::btree_set(0..40_usize, 0..6),
    ) {
        prop_assert_eq!(run(&reports, &crashes, false), run(&reports, &BTreeSet::new(), false));
    }

    #[test]
    fn a_restart_that_misses_nothing_changes_nothing(
        mut reports in reports(0..15),
        crashes in prop::collection::btree_set(0..40_usize, 0..6),
    ) {
        // A retained value that begins nothing is what a hold begins with when it is looked at again after a start.
        reports.iter_mut().for_each(|report| report.live = true);
        prop_assert_eq!(run(&reports, &crashes, true), run(&reports, &BTreeSet::new(), false));
    }

    #[test]
    fn no_two_events_have_one_id(reports in reports(0..15)) {
        let told = run(&reports, &BTreeSet::new(), false);
        let ids: BTreeSet<_> = told.iter().map(|(_, id, _)| id).collect();
        prop_assert_eq!(ids.len(), told.len());
    }
}
