//! A recording through reader and engine, as `pointsman replay` does it, beside reading its JSON alone; and a backtest
//! beside a replay.

use std::io::{BufRead as _, BufWriter, Cursor, Write as _};

use backtest::{Backtest, Options, Results};
use bench::installation::{self, Size, Wakes};
use bench::pairs;
use divan::Bencher;
use divan::counter::ItemsCount;
use engine::digest::RunDigest;
use engine::{Engine, Lines, Persistence, Setup, Versions};
use ingest::DeviceMap;
use ingest::recorded::{BadLines, Entry, Reader, to_line};
use model::trigger::{Kind, Predicate, Test};
use model::{Input, Instant, Name, limits};

/// Lines of the recording: some hours of ten devices.
const LINES: u64 = 50_000;
const DEVICES: u32 = 10;
/// Lines of one device that reports every five minutes for a year.
const YEAR: u64 = 365 * 288;
/// Lines of the recording that a backtest and a replay take in turn: both are measured dozens of times.
const COMPARED: u64 = 10_000;

fn main() {
    divan::main();
    if !pairs::wanted() {
        return;
    }
    for wakes in [Wakes::Seldom, Wakes::Always] {
        let recording = recording(DEVICES, COMPARED);
        let lines = usize::try_from(COMPARED).expect("a small number");
        pairs::print(
            &format!("backtest of two sets / replay of one, {wakes:?}"),
            (&mut || drop(backtest(&recording, wakes)), lines),
            (&mut || drop(replay(&recording, DEVICES, wakes)), lines),
        );
    }
}

/// Two sets over the recording, as `pointsman backtest` runs them: the page is drawn once, whatever the length.
fn backtest(recording: &[u8], wakes: Wakes) -> backtest::Report {
    let size = Size { devices: DEVICES, wakes, persistence: Persistence::DecisionsOnly, ..Size::default() };
    let options = Options {
        old: "old".into(),
        new: "new".into(),
        stream: "recording".into(),
        from: None,
        window: limits::BACKTEST_WINDOW,
        zone: "UTC".into(),
    };
    let (old, new) = (installation::setup(size), stricter(installation::setup(size)));
    let mut run = Backtest::new(old, new, Results::new(), options).expect("the installation is sound");
    for (at, input) in lines(recording, DEVICES) {
        run.take(input, at);
    }
    run.finish(None)
}

/// The same set with a threshold that nothing reaches.
fn stricter(mut setup: Setup) -> Setup {
    for (spec, _) in &mut setup.deployments {
        for trigger in &mut std::sync::Arc::make_mut(spec).triggers {
            if let Kind::Threshold { when: Predicate::Test { test, .. }, .. } = &mut trigger.kind {
                *test = Test::Above(100.0);
            }
        }
    }
    setup
}

/// With every decision written to a file, and the digest of all.
#[divan::bench(args = [Wakes::Seldom, Wakes::Always], sample_count = 20)]
fn with_decisions_and_digest(bencher: Bencher<'_, '_>, wakes: Wakes) {
    let recording = recording(DEVICES, LINES);
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| replay(&recording, DEVICES, wakes));
}

/// The same without reading: inputs are there as a journal gives them.
#[divan::bench(args = [Wakes::Seldom, Wakes::Always], sample_count = 20)]
fn engine_decisions_and_digest(bencher: Bencher<'_, '_>, wakes: Wakes) {
    let recording = recording(DEVICES, LINES);
    let inputs = read(&recording, DEVICES);
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| run(inputs.iter().cloned(), DEVICES, wakes));
}

/// One device, three rules, a report every five minutes.
#[divan::bench(args = [Wakes::Seldom, Wakes::Always], sample_count = 5)]
fn a_year(bencher: Bencher<'_, '_>, wakes: Wakes) {
    let recording = recording(1, YEAR);
    bencher.counter(ItemsCount::new(YEAR)).bench_local(|| replay(&recording, 1, wakes));
}

/// Lines to inputs, without an engine.
#[divan::bench(sample_count = 20)]
fn reader_alone(bencher: Bencher<'_, '_>) {
    let recording = recording(DEVICES, LINES);
    let map = DeviceMap::new(installation::devices(DEVICES), []);
    let source = Name::from("recording");
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| {
        let mut reader = Reader::new(Cursor::new(&recording), BadLines::Stop);
        let mut inputs = 0;
        while let Some(line) = reader.next_line().expect("the recording is sound") {
            inputs += line.into_inputs(&map, &source).expect("its devices are known").len();
        }
        inputs
    });
}

/// The baseline: the same text parsed by `serde_json` into its own tree, and nothing made of it.
#[divan::bench(sample_count = 20)]
fn json_alone(bencher: Bencher<'_, '_>) {
    let recording = recording(DEVICES, LINES);
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| {
        let lines = Cursor::new(&recording).lines();
        let parsed = lines.map(|line| serde_json::from_str(&line.expect("text")).expect("JSON"));
        parsed.filter(|json: &serde_json::Value| json.is_object()).count()
    });
}

/// A line of the recording as an input, and when it came.
type Taken = (Instant, Input);

fn read(recording: &[u8], devices: u32) -> Vec<Taken> {
    lines(recording, devices).collect()
}

fn lines(recording: &[u8], devices: u32) -> impl Iterator<Item = Taken> {
    let map = DeviceMap::new(installation::devices(devices), []);
    let source = Name::from("recording");
    let mut reader = Reader::new(Cursor::new(recording), BadLines::Stop);
    let next = move || {
        let line = reader.next_line().expect("the recording is sound")?;
        let at = line.received();
        Some(line.into_inputs(&map, &source).expect("its devices are known").into_iter().map(move |input| (at, input)))
    };
    std::iter::from_fn(next).flatten()
}

fn replay(recording: &[u8], devices: u32, wakes: Wakes) -> String {
    run(lines(recording, devices), devices, wakes)
}

fn run(inputs: impl Iterator<Item = Taken>, devices: u32, wakes: Wakes) -> String {
    let size = Size { devices, wakes, persistence: Persistence::DecisionsOnly, ..Size::default() };
    let mut engine = Engine::new(installation::setup(size), size.persistence).expect("the installation is sound");
    let mut digest = RunDigest::default();
    let mut lines = Lines::default();
    let mut file = BufWriter::new(tempfile::tempfile().expect("a temporary file"));
    let mut end = |engine: &mut Engine| {
        for decision in &engine.finish().decisions {
            digest.add(decision);
            file.write_all(lines.write(decision, Versions::Named).as_bytes()).expect("the disk has room");
            file.write_all(b"\n").expect("the disk has room");
        }
    };
    for (number, (at, input)) in (1_usize..).zip(inputs) {
        engine.take(&input, at);
        if number % limits::TURN_INPUTS == 0 {
            end(&mut engine);
        }
    }
    end(&mut engine);
    digest.finish()
}

fn recording(count: u32, lines: u64) -> Vec<u8> {
    let devices = installation::devices(count);
    let mut input = installation::input();
    let mut text = Vec::new();
    for number in 0..lines {
        let (received, device, high) = installation::place(number, u64::from(count));
        installation::fill(&mut input, device, high);
        input.id = Name::from(format!("mqtt:home:1:{number}"));
        let entry = Entry { sequence: None, received, input: &input };
        text.extend_from_slice(to_line(&entry, &devices).as_bytes());
        text.push(b'\n');
    }
    text
}
