//! A recording through reader and engine, as `pointsman replay` does it, beside reading its JSON alone.

use std::io::{BufRead as _, Cursor};

use bench::installation::{self, Size};
use divan::Bencher;
use divan::counter::ItemsCount;
use engine::digest::RunDigest;
use engine::{Engine, Persistence};
use ingest::DeviceMap;
use ingest::recorded::{BadLines, Entry, Reader, to_line};
use model::{Name, limits};

/// Lines of the recording: some hours of ten devices.
const LINES: u64 = 50_000;
const DEVICES: u32 = 10;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 20)]
fn through_the_engine(bencher: Bencher<'_, '_>) {
    let recording = recording();
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| replay(&recording));
}

/// Lines to inputs, without an engine.
#[divan::bench(sample_count = 20)]
fn reader_alone(bencher: Bencher<'_, '_>) {
    let recording = recording();
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
    let recording = recording();
    bencher.counter(ItemsCount::new(LINES)).bench_local(|| {
        let lines = Cursor::new(&recording).lines();
        let parsed = lines.map(|line| serde_json::from_str(&line.expect("text")).expect("JSON"));
        parsed.filter(|json: &serde_json::Value| json.is_object()).count()
    });
}

fn replay(recording: &[u8]) -> String {
    let size = Size { devices: DEVICES, persistence: Persistence::DecisionsOnly, ..Size::default() };
    let mut engine = Engine::new(installation::setup(size), size.persistence).expect("the installation is sound");
    let map = DeviceMap::new(installation::devices(DEVICES), []);
    let source = Name::from("recording");
    let mut reader = Reader::new(Cursor::new(recording), BadLines::Stop);
    let mut digest = RunDigest::default();
    let mut inputs = 0;
    while let Some(line) = reader.next_line().expect("the recording is sound") {
        let at = line.received();
        for input in line.into_inputs(&map, &source).expect("its devices are known") {
            engine.take(&input, at);
            inputs += 1;
        }
        if inputs >= limits::TURN_INPUTS {
            inputs = 0;
            engine.finish().decisions.iter().for_each(|decision| digest.add(decision));
        }
    }
    engine.finish().decisions.iter().for_each(|decision| digest.add(decision));
    digest.finish()
}

fn recording() -> Vec<u8> {
    let devices = installation::devices(DEVICES);
    let mut input = installation::input();
    let mut text = Vec::new();
    for number in 0..LINES {
        let (received, device, high) = installation::place(number, u64::from(DEVICES));
        installation::fill(&mut input, device, high);
        input.id = Name::from(format!("mqtt:home:1:{number}"));
        let entry = Entry { sequence: None, received, input: &input };
        text.extend_from_slice(to_line(&entry, &devices).as_bytes());
        text.push(b'\n');
    }
    text
}
