//! What the time counts in which the host was down: to holds.

use model::limits;

use super::*;

/// Half an hour, of which at most one minute in a row may be unknown.
fn hold(gap: Gap) -> Kind {
    Kind::Held {
        when: when(Test::Above(8.0)),
        duration: Span::from_mins(30),
        stale: None,
        gap,
        gap_max: Span::from_mins(1),
        snapshot: false,
        keep: false,
    }
}

impl Bench {
    /// The host was down from `alive` on, comes back as `deployments`, and its sources catch up at once.
    fn down(&mut self, alive: Instant, back: Instant, deployments: Vec<(Deployment, Rule)>) -> &mut Self {
        self.crash(1, deployments);
        for body in [started_after(Some(alive)), Body::Host(HostEvent::CaughtUp)] {
            let input = self.input(body, None);
            self.engine.take(&input, back);
            self.collect();
        }
        self
    }
}

#[test]
fn a_downtime_that_is_no_longer_than_a_restart_is_no_unknown_time_and_a_longer_one_is() {
    let deployments = |gap| vec![(deployment("d", vec![hold(gap)]), tell as Rule)];
    let begins = |gap, down: Span| {
        let mut bench = Bench::new(1, deployments(gap));
        bench.live(10, 9.0).down(minute(20), minute(20) + down, deployments(gap)).advance(100);
        let began: Vec<_> = bench.decisions.iter().map(|decision| decision.at).collect();
        assert_eq!(began.len(), 1, "{gap:?} after {down}: {began:?}");
        began[0]
    };
    let half_an_hour = Span::from_mins(30);
    for down in [limits::RESTART, Span(limits::RESTART.0 + 1), half_an_hour] {
        let back = minute(20) + down;
        let restart = down <= limits::RESTART;
        for (gap, past) in [
            // The run ended a minute after the host did; another begins when it is back.
            (Gap::Continue, back + half_an_hour),
            (Gap::Pause, minute(40) + down),
            (Gap::Reset, back + half_an_hour),
        ] {
            assert_eq!(begins(gap, down), if restart { minute(40) } else { past }, "{gap:?} after {down}");
        }
    }
}

#[test]
fn a_short_downtime_counts_up_to_the_longest_gap() {
    let deployments = || vec![(deployment("d", vec![held(Span::from_mins(30), None, Gap::Continue)]), tell as Rule)];
    for (down, begins) in [(Span(limits::GAP_MAX.0 - 1), minute(40)), (limits::GAP_MAX, minute(55))] {
        let mut bench = Bench::new(1, deployments());
        bench.live(10, 9.0).down(minute(20), minute(20) + down, deployments()).advance(100);
        assert_eq!(bench.decisions[0].at, begins, "after {down}");
    }
}
