//! `threshold`, `held`, `silence`, `change` and `availability` by definition.

use super::*;

/// On from a live report of 8 or more until one below 6.
fn threshold(reports: &[Report]) -> Vec<Told> {
    let ordered = in_order(reports);
    let on = |index: usize| {
        let began = |from: &usize| {
            ordered[*from].live && ordered[*from].value >= 8 && ordered[*from..=index].iter().all(|r| r.value >= 6)
        };
        (0..=index).any(|from| began(&from))
    };
    let mut told = Vec::new();
    for (index, report) in ordered.iter().enumerate() {
        match (index > 0 && on(index - 1), on(index)) {
            (false, true) => told.push(("began", report.occurred)),
            (true, false) => told.push(("ended", report.occurred)),
            _ => {}
        }
    }
    told
}

/// A run is a live start and all that follows until the value falls; it fires if its deadline is decided before that.
fn held(reports: &[Report], duration: i64) -> Vec<Told> {
    let ordered = in_order(reports);
    let mut told = Vec::new();
    for start in 0..ordered.len() {
        let begins = ordered[start].live && ordered[start].value > 8;
        let runs_already = (0..start).rev().take_while(|before| ordered[*before].value > 8).any(|b| ordered[b].live);
        if !begins || runs_already {
            continue;
        }
        let deadline = ordered[start].occurred + duration;
        let end = (start..ordered.len()).find(|index| ordered[*index].value <= 8);
        let last = end.unwrap_or(ordered.len() - 1);
        if end.is_none() || (start + 1..=last).any(|index| decided(&ordered, index, deadline)) {
            told.push(("began", deadline));
            told.extend(end.map(|end| ("ended", ordered[end].occurred)));
        }
    }
    told
}

/// Known time of a run: each report holds for `stale`. What comes by itself is told a microsecond after it, which the
/// minute does not show.
fn held_with_gaps(reports: &[Report], duration: i64, stale: i64, gap: Gap, gap_max: i64) -> Vec<Told> {
    let mut told = Vec::new();
    let mut start = 0;
    while start < reports.len() {
        if !(reports[start].live && reports[start].value > 8) {
            start += 1;
            continue;
        }
        // The first report that does not carry the run on.
        let breaks = |index: &usize| {
            let last = reports[index - 1].occurred;
            let broken = match gap {
                Gap::Reset => reports[*index].occurred > last + stale,
                Gap::Continue => {
                    reports[*index].occurred > last + stale && reports[*index].occurred >= last + stale + gap_max
                }
                Gap::Pause => false,
            };
            broken || reports[*index].value <= 8
        };
        let end = (start + 1..reports.len()).find(breaks).unwrap_or(reports.len());
        let last = reports[end - 1].occurred;
        let next = reports.get(end).map_or(END, |report| report.occurred);
        let over = match gap {
            Gap::Reset if next > last + stale => last + stale,
            Gap::Continue if next > last + stale && next >= last + stale + gap_max => last + stale + gap_max,
            _ => next,
        };
        let deadline = match gap {
            Gap::Pause => {
                let known = |at: i64| {
                    let each = reports[start..end].iter().enumerate().map(|(offset, report)| {
                        let next = reports.get(start + offset + 1).map_or(END, |next| next.occurred);
                        (next.min(at) - report.occurred).clamp(0, stale)
                    });
                    each.sum::<i64>()
                };
                (reports[start].occurred..=over).find(|at| known(*at) >= duration)
            }
            _ => Some(reports[start].occurred + duration).filter(|deadline| *deadline <= over),
        };
        if let Some(deadline) = deadline.filter(|at| *at < END) {
            told.push(("began", deadline));
            if over < END {
                told.push(("ended", over));
            }
        }
        start = end;
    }
    told
}

fn silence(reports: &[Report], duration: i64) -> Vec<Told> {
    let ordered = in_order(reports);
    let mut told = Vec::new();
    for index in 0..=ordered.len() {
        let base = index.checked_sub(1).map_or(1, |last| ordered[last].occurred);
        let deadline = base + duration;
        if index == ordered.len() {
            told.push(("began", deadline));
        } else if decided(&ordered, index, deadline) {
            told.push(("began", deadline));
            told.push(("ended", ordered[index].occurred));
        }
    }
    told
}

fn change(reports: &[Report], deadband: Option<i64>) -> Vec<Told> {
    let ordered = in_order(reports);
    // What was reported last before `index`, computed from the start each time.
    let reported = |index: usize| {
        let mut base = ordered[0].value;
        for report in &ordered[1..index] {
            match deadband {
                Some(deadband) if (report.value - base).abs() < deadband => {}
                _ => base = report.value,
            }
        }
        base
    };
    let moved = |index: &usize| (ordered[*index].value - reported(*index)).abs() >= deadband.unwrap_or(1);
    let live = |index: &usize| ordered[*index].live;
    (1..ordered.len()).filter(moved).filter(live).map(|index| ("observation", ordered[index].occurred)).collect()
}

proptest! {
    #[test]
    fn thresholds_are_what_they_are_defined_to_be(reports in reports(0..15)) {
        let clear = Some(when(Test::Below(6.0)));
        let kind = Kind::Threshold { when: when(Test::AtLeast(8.0)), clear, snapshot: false, keep: false };
        prop_assert_eq!(told(kind, &reports, temperature), threshold(&reports));
    }

    #[test]
    fn holds_are_what_they_are_defined_to_be(reports in reports(0..15), duration in 1..60_i64) {
        let kind = super::held(Span::from_mins(duration as u64), None, Gap::Continue);
        prop_assert_eq!(told(kind, &reports, temperature), held(&reports, duration));
    }

    #[test]
    fn holds_with_gaps_are_what_they_are_defined_to_be(
        reports in reports(0..1),
        duration in 1..60_i64,
        stale in 2..30_i64,
        gap_max in 1..30_i64,
        gap in prop_oneof![Just(Gap::Continue), Just(Gap::Pause), Just(Gap::Reset)],
    ) {
        let minutes = |minutes: i64| Span::from_mins(minutes as u64);
        let kind = Kind::Held {
            when: when(Test::Above(8.0)),
            duration: minutes(duration),
            stale: Some(minutes(stale)),
            gap,
            gap_max: minutes(gap_max),
            snapshot: false,
            keep: false,
        };
        prop_assert_eq!(told(kind, &reports, temperature), held_with_gaps(&reports, duration, stale, gap, gap_max));
    }

    #[test]
    fn silences_are_what_they_are_defined_to_be(mut reports in reports(0..15), duration in 1..60_i64) {
        reports.iter_mut().for_each(|report| report.live = true);
        // What is out of order is heard at the host's time: a test of its own says how.
        let reports = in_order(&reports);
        let kind = Kind::Silence { duration: Span::from_mins(duration as u64) };
        prop_assert_eq!(told(kind, &reports, temperature), silence(&reports, duration));
    }

    #[test]
    fn changes_are_what_they_are_defined_to_be(reports in reports(0..15), deadband in prop::option::of(1..6_i64)) {
        let kind = Kind::Change {
            capability: capability("temperature"),
            from: None,
            to: None,
            deadband: deadband.map(|deadband| deadband as f64),
            snapshot: false,
        };
        prop_assert_eq!(told(kind, &reports, temperature), change(&reports, deadband));
    }

    #[test]
    fn outages_are_what_they_are_defined_to_be(reports in reports(0..1), least in 1..30_i64) {
        let kind = Kind::Availability { outage_min: Span::from_mins(least as u64) };
        let body = |value| Body::Availability { device: DeviceNo(1), available: value < 6 };
        let gone = |report: &Report| report.value >= 6;
        let mut expected = Vec::new();
        for (index, report) in reports.iter().enumerate() {
            if !gone(report) || index > 0 && gone(&reports[index - 1]) {
                continue;
            }
            let back = reports[index..].iter().find(|later| !gone(later)).map(|later| later.received);
            if back.is_none_or(|back| back >= report.received + least) {
                expected.push(("began", report.received + least));
                expected.extend(back.map(|back| ("ended", back)));
            }
        }
        prop_assert_eq!(told(kind, &reports, body), expected);
    }
}
