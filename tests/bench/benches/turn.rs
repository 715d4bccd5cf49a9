//! Turns without I/O: routing, twins, triggers, three rules in native code, and the commit as a value.

use std::collections::HashMap;

use bench::installation::{Feed, Size, Wakes};
use bench::pairs;
use divan::Bencher;
use divan::counter::ItemsCount;
use engine::Persistence;
use model::input::Body;
use model::{DeviceNo, Input, Instant, Span, Value, limits};

fn main() {
    divan::main();
    if !pairs::wanted() {
        return;
    }
    for devices in [1_000, 10_000] {
        // Without rows: in a large turn few devices share the rows of their twins, and many do not.
        let bare = |devices| Size { devices, persistence: Persistence::DecisionsOnly, ..TEN };
        compare(&format!("{devices} devices / 10, no rows"), limits::TURN_INPUTS, bare(devices), bare(10));
    }
    for events in [limits::TURN_INPUTS, 1] {
        for devices in [1_000, 10_000] {
            compare(&format!("{devices} devices / 10"), events, Size { devices, ..TEN }, TEN);
        }
        for unconcerned in [100, 1_000] {
            let label = format!("{unconcerned} deployments not concerned / 1");
            compare(&label, events, Size { unconcerned, ..ONE }, ONE);
        }
    }
}

const TEN: Size = Size { devices: 10, unconcerned: 0, wakes: Wakes::Seldom, persistence: Persistence::Store };
const ONE: Size = Size { devices: 1, unconcerned: 1, ..TEN };

fn compare(label: &str, events: usize, size: Size, base: Size) {
    let (mut feed, mut small) = (Feed::new(size), Feed::new(base));
    let label = format!("{label}, turns of {events}");
    pairs::print(
        &label,
        (&mut || drop(divan::black_box(feed.turn(events))), events),
        (&mut || drop(divan::black_box(small.turn(events))), events),
    );
}

#[divan::bench(args = [Wakes::Seldom, Wakes::Always])]
fn decisions_only(bencher: Bencher<'_, '_>, wakes: Wakes) {
    turns(bencher, Size { wakes, persistence: Persistence::DecisionsOnly, ..Size::default() });
}

/// With the rows that a store would take.
#[divan::bench(args = [Wakes::Seldom, Wakes::Always])]
fn with_commit(bencher: Bencher<'_, '_>, wakes: Wakes) {
    turns(bencher, Size { wakes, persistence: Persistence::Store, ..Size::default() });
}

#[divan::bench(args = [10, 1_000, 10_000])]
fn devices(bencher: Bencher<'_, '_>, devices: u32) {
    turns(bencher, Size { devices, ..TEN });
}

#[divan::bench(args = [1, 100, 1_000])]
fn unconcerned(bencher: Bencher<'_, '_>, unconcerned: u32) {
    turns(bencher, Size { unconcerned, ..ONE });
}

fn turns(bencher: Bencher<'_, '_>, size: Size) {
    let mut feed = Feed::new(size);
    bencher.counter(ItemsCount::new(limits::TURN_INPUTS)).bench_local(|| feed.turn(limits::TURN_INPUTS));
}

/// The baseline: the same three conditions over a hash map, with nothing recorded and nothing that could be restored.
#[divan::bench(args = [Wakes::Seldom, Wakes::Always])]
fn by_hand(bencher: Bencher<'_, '_>, wakes: Wakes) {
    let mut feed = Feed::new(Size { wakes, ..Size::default() });
    let mut rules = ByHand { wakes, ..ByHand::default() };
    bencher.counter(ItemsCount::new(limits::TURN_INPUTS)).bench_local(|| {
        for _ in 0..limits::TURN_INPUTS {
            let at = feed.make_event();
            rules.take(feed.input(), at);
        }
        rules.woken
    });
}

#[derive(Default)]
struct ByHand {
    wakes: Wakes,
    devices: HashMap<DeviceNo, Known>,
    woken: u64,
}

#[derive(Default)]
struct Known {
    warm: bool,
    open: Option<bool>,
    /// Since when it is humid, and whether that was told.
    humid: Option<(Instant, bool)>,
}

impl ByHand {
    fn take(&mut self, input: &Input, at: Instant) {
        let Body::Observation { device, readings, .. } = &input.body else { return };
        if self.wakes == Wakes::Always {
            self.woken += 3;
            return;
        }
        let known = self.devices.entry(*device).or_default();
        for reading in readings {
            match (reading.capability.name(), &reading.value) {
                ("temperature", Value::Number(value)) => {
                    let warm = if known.warm { *value >= 23.0 } else { *value > 25.0 };
                    self.woken += u64::from(warm != std::mem::replace(&mut known.warm, warm));
                }
                ("humidity", Value::Number(value)) if *value > 60.0 => {
                    let (since, told) = known.humid.get_or_insert((at, false));
                    if !*told && *since + Span::from_secs(5) <= at {
                        *told = true;
                        self.woken += 1;
                    }
                }
                ("humidity", _) => self.woken += u64::from(known.humid.take().is_some_and(|(_, told)| told)),
                ("contact", Value::Boolean(open)) => {
                    self.woken += u64::from(known.open.replace(*open).is_some_and(|before| before != *open));
                }
                _ => {}
            }
        }
    }
}
