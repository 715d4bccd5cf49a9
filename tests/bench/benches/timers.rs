//! Timers of rules: what setting, cancelling and firing cost beside few and beside many that wait, and how long a start
//! with many takes.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::collections::BTreeMap;
use std::time::Instant as Clock;

use bench::installation::{self, Size, Wakes};
use bench::{native, pairs};
use engine::{Engine, Persistence, Setup};
use model::effect::{Overdue, Timer};
use model::event::Cause;
use model::guest::{Failure, Host};
use model::input::{Body, HostEvent};
use model::{DeviceNo, Effect, Event, Input, Instant, Name, Proposal, Span, Value, limits};
use store::{Options, Store, Table};

const FEW: u32 = 1_000;
const MANY: u32 = 100_000;
/// Between two events: below what a deployment may propose in a minute.
const PERIOD: Span = Span::from_millis(20);
const START: Instant = Instant(1_700_000_000_000_000);

fn main() {
    divan::main();
    if !pairs::wanted() {
        return;
    }
    for (label, persistence) in [("", Persistence::Store), (", no rows", Persistence::DecisionsOnly)] {
        let (mut many, mut few) = (Timers::new(MANY, persistence), Timers::new(FEW, persistence));
        pairs::print(
            &format!("set, and fire or cancel: {MANY} timers / {FEW}{label}"),
            (&mut || many.turn(), limits::TURN_INPUTS),
            (&mut || few.turn(), limits::TURN_INPUTS),
        );
    }
    start();
}

#[divan::bench(args = [FEW, MANY], sample_count = 50)]
fn set_and_fire_or_cancel(bencher: divan::Bencher<'_, '_>, waiting: u32) {
    let mut timers = Timers::new(waiting, Persistence::Store);
    let events = divan::counter::ItemsCount::new(limits::TURN_INPUTS);
    bencher.counter(events).bench_local(|| timers.turn());
}

/// The rows of timers that a store would hold.
type Rows = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// An engine with one rule that sets a timer at each event, and either lets it fire or cancels it.
struct Timers {
    engine: Engine,
    input: Input,
    number: u32,
    waiting: u32,
    rows: Option<Rows>,
}

impl Timers {
    /// With about three quarters of `waiting` timers set, and some of each kind of end behind it.
    fn new(waiting: u32, persistence: Persistence) -> Self {
        let engine = Engine::new(setup(), persistence).expect("the installation is sound");
        let mut timers = Self { engine, input: installation::input(), number: 0, waiting, rows: None };
        while timers.number < 2 * waiting {
            timers.turn();
        }
        timers
    }

    fn turn(&mut self) {
        for _ in 0..limits::TURN_INPUTS {
            let at = START + Span(u64::from(self.number) * PERIOD.0);
            installation::fill(&mut self.input, DeviceNo(1), false);
            let Body::Observation { readings, .. } = &mut self.input.body else { return };
            readings[0].value = Value::Number(f64::from(self.number));
            readings[1].value = Value::Number(f64::from(self.waiting));
            self.engine.take(&self.input, at);
            self.number += 1;
        }
        let turn = self.engine.finish();
        let Some(rows) = &mut self.rows else { return };
        for change in turn.commits.into_iter().flat_map(|commit| commit.changes) {
            if change.table == Table::Timer {
                match change.value {
                    Some(value) => _ = rows.insert(change.key, value),
                    None => _ = rows.remove(&change.key),
                }
            }
        }
    }
}

fn setup() -> Setup {
    let mut setup = installation::setup(Size { wakes: Wakes::Always, ..Size::default() });
    setup.deployments.truncate(1);
    setup.deployments.iter_mut().for_each(|(_, program)| *program = native::program(rule));
    setup
}

/// Sets a timer; of those set half a round before, cancels every second one.
fn rule(event: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    let number = |index: usize| observation.readings[index].value.as_f64().unwrap_or_default();
    let (number, waiting) = (number(0), number(1));
    let name = |number: f64| Name::from(format!("timer-{number}"));
    let propose = |effect| Proposal { effect, tag: None, because: None, attributes: Vec::new() };
    let mut proposals = vec![propose(Effect::SetTimer(Timer {
        name: name(number),
        due: event.received_at + Span(waiting as u64 * PERIOD.0),
        overdue: Overdue::Fire,
        payload: None,
        attributes: Vec::new(),
    }))];
    let before = number - waiting / 2.0;
    if before >= 0.0 && before % 2.0 == 1.0 {
        proposals.push(propose(Effect::CancelTimer(name(before))));
    }
    Ok(proposals)
}

/// How long it takes from the store's file to an engine that has taken the record of its start.
fn start() {
    let engine = Engine::new(setup(), Persistence::Store).expect("the installation is sound");
    let mut timers =
        Timers { engine, input: installation::input(), number: 0, waiting: 2 * MANY, rows: Some(BTreeMap::new()) };
    // None comes due and none is cancelled before so many are set.
    while timers.number < MANY {
        timers.turn();
    }
    let rows = timers.rows.take().unwrap_or_default();
    let count = rows.len();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), &Options::default()).expect("a new store");
    let changes = rows.into_iter().map(|(key, value)| store::Change { table: Table::Timer, key, value: Some(value) });
    let commit = store::Commit { changes: changes.collect(), ..store::Commit::default() };
    let (writer, _) = store.into_writer();
    writer.submit(vec![commit], Box::new(|| ())).expect("the store runs");
    writer.stop().expect("all is written");

    let begun = Clock::now();
    let store = Store::open(folder.path(), &Options::default()).expect("the store is there");
    let mut engine = Engine::new(setup(), Persistence::Store).expect("the installation is sound");
    let mut rows = Vec::new();
    let keep = &mut |table: Table, key: &[u8], value: &[u8]| rows.push((table, Box::from(key), Box::from(value)));
    let loaded = store.load(0, keep).expect("the store can be read");
    let rows = rows.iter().map(|(table, key, value): &(Table, Box<[u8]>, Box<[u8]>)| (*table, &**key, &**value));
    engine.restore(0, loaded.sequence, rows).expect("the rows are sound");
    let mut input = installation::input();
    input.body = Body::Host(HostEvent::Started {
        engine: "bench".into(),
        zones: "none".into(),
        configuration: None,
        doubted: false,
        alive: None,
    });
    engine.take(&input, START);
    let taken = begun.elapsed();
    assert_eq!(engine.timers(), count, "every timer is there again");
    println!("start with {count} timers: {:.0} ms", taken.as_secs_f64() * 1e3);
}
