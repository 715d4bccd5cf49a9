//! Recordings read and written.

use model::device::Devices;
use model::event::{Freshness, Message, Outcome, Quality, Reading};
use model::input::{Body, HostEvent, Settled};
use model::value::Position;
use model::{Capability, DeviceNo, Id, Input, Instant, Value};
use proptest::prelude::*;

use super::*;
use crate::DeviceMap;
use crate::testing::{map, probe};

fn read(text: &str) -> Vec<Result<Line, String>> {
    Reader::new(text.as_bytes(), BadLines::Stop).map(|line| line.map_err(|error| error.to_string())).collect()
}

/// Leaves bad lines out without a word.
const SKIP: BadLines = BadLines::Skip(|_, _| ());

fn devices() -> DeviceMap {
    map([probe(1, "fridge-1", "fridges/1"), probe(2, "door", "doors/1")], &["#"])
}

fn inputs(text: &str) -> Vec<Input> {
    let map = devices();
    read(text)
        .into_iter()
        .flat_map(|line| line.expect("a good line").into_inputs(&map, &"recording".into()).expect("known devices"))
        .collect()
}

fn error(line: &str) -> String {
    match read(line).remove(0) {
        Ok(line) => line.into_inputs(&devices(), &"recording".into()).expect_err("a bad line").to_string(),
        Err(error) => error,
    }
}

#[test]
fn the_published_examples_read_as_they_are_meant() {
    let text = r#"{"at":"2022-05-02T05:14:00Z","device":"fridge-1","readings":{"temperature":8.3}}
{"at":"2022-05-02T05:14:00Z","device":"fridge-1","readings":{"temperature":{"value":46.4,"unit":"[degF]"}},"received":"2022-05-02T05:14:02Z"}

{"at":"2022-05-02T05:15:00Z","topic":"doors/1","payload":{"temp":false},"retained":false}
{"at":"2022-05-02T05:16:00Z","advance":true}
"#;
    let lines: Vec<Line> = read(text).into_iter().map(|line| line.expect("a good line")).collect();
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert_eq!(lines[1].received() - lines[1].at, 2_000_000);
    let inputs = inputs(text);
    let Body::Observation { device: DeviceNo(1), readings, .. } = &inputs[1].body else { panic!("{inputs:?}") };
    assert!(readings[0].value.as_f64().is_some_and(|celsius| (celsius - 8.0).abs() < 1e-9));
    assert_eq!(readings[0].unit.as_deref(), Some("Cel"));
    assert_eq!(inputs.iter().map(|i| &*i.id).collect::<Vec<_>>(), ["line:1", "line:2", "line:4", "line:4.1", "line:5"]);
    assert!(inputs.iter().all(|input| !input.own_id));
    assert!(matches!(&inputs[3].body, Body::Message(message) if &*message.payload == br#"{"temp":false}"#));
}

#[test]
fn the_examples_of_the_documentation_read() {
    let page = include_str!("../../../../docs/recordings.md");
    let (_, block) = page.split_once("```json\n").expect("a block of examples");
    let (lines, _) = block.split_once("```").expect("it ends");
    assert_eq!(inputs(lines).len(), 5, "each line is one input here");
    for key in ["started", "stopped", "caught-up", "session-lost", "clock-stepped", "joined"] {
        assert!(page.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn a_reading_without_a_value_is_bad_and_keeps_what_else_is_said_of_it() {
    let text = r#"{"at":"2022-05-02T05:14:00Z","device":"fridge-1","readings":{"temperature":null,"humidity":{"value":null,"quality":"good","attributes":{"why":"dry"}},"count":3}}"#;
    assert_eq!(read(text).remove(0).expect("a good line").bad_values, 2);
    let Body::Observation { readings, .. } = &inputs(text)[0].body else { panic!("no observation") };
    let [temperature, humidity, count] = &readings[..] else { panic!("{readings:?}") };
    for unread in [temperature, humidity] {
        assert_eq!((&unread.value, unread.quality), (&Value::nothing(), Quality::Bad));
    }
    assert_eq!(humidity.attributes, [("why".into(), Value::text("dry"))]);
    assert_eq!((&count.value, count.quality), (&Value::Integer(3), Quality::Good));
}

#[test]
fn a_bad_line_is_named_by_number_and_reason() {
    for (line, expected) in [
        (r#"{"at":"2022-05-02T05:14:00Z","redings":{}}"#, "line 1: unknown field `redings`: did you mean `readings`?"),
        (r#"{"device":"fridge-1","readings":{}}"#, "line 1: no `at`"),
        (r#"{"at":"noon","advance":true}"#, "line 1: `noon` is not an instant"),
        (r#"{"at":"2022-05-02T05:14:00Z"}"#, "line 1: says nothing"),
        (r#"{"at":"2022-05-02T05:14:00Z","advance":true,"topic":"a"}"#, "line 1: has both `topic` and `advance`"),
        (r#"{"at":"2022-05-02T05:14:00Z","topic":"a"}"#, "line 1: no `payload`"),
        (r#"{"at":"2022-05-02T05:14:00Z","topic":"a/+","payload":1}"#, "line 1: `a/+` is no topic"),
        (r#"{"at":"2022-05-02T05:14:00Z","readings":{"temperature":1}}"#, "line 1: no `device`"),
        (r#"{"at":"2022-05-02T05:14:00Z","advance":true,"payload":1}"#, "line 1: `payload` does not belong"),
        (
            r#"{"at":"2022-05-02T05:14:00Z","device":"f","readings":{"temperature":"warm"}}"#,
            "line 1: reading `temperature`",
        ),
        (
            r#"{"at":"2022-05-02T05:14:00Z","device":"f","readings":{"temperature":{"value":1,"unt":"K"}}}"#,
            "line 1: reading `temperature`: unknown field `unt`: did you mean `unit`?",
        ),
        (
            r#"{"at":"2022-05-02T05:14:00Z","device":"f","readings":{"temperature":{"value":1,"unit":"W"}}}"#,
            "line 1: reading `temperature`: cannot convert W to Cel",
        ),
        (r#"{"at":"2022-05-02T05:14:00Z","at":"2022-05-02T05:14:00Z"}"#, "line 1: duplicate field `at`"),
        (
            r#"{"at":"2022-05-02T05:14:00Z","device":"fridge-l","readings":{}}"#,
            "unknown device `fridge-l`: did you mean `fridge-1`?",
        ),
        ("nonsense", "line 1: expected"),
    ] {
        let error = error(line);
        assert!(error.starts_with(expected), "{line}\n{error}");
    }
}

#[test]
fn bad_lines_are_skipped_only_where_asked_and_counted() {
    let good = r#"{"at":"2022-05-02T05:16:00Z","advance":true}"#;
    let text = format!("{good}\nbad\n\u{fffd}\n{good}\n");
    let mut reader = Reader::new(text.as_bytes(), SKIP);
    assert_eq!(reader.by_ref().filter(Result::is_ok).count(), 2);
    assert_eq!(reader.skipped(), 2);
    assert!(Reader::new(text.as_bytes(), BadLines::Stop).any(|line| line.is_err()));
}

#[test]
fn a_line_is_read_up_to_its_limit_and_the_next_one_after_a_longer() {
    let line = |bytes: usize| {
        let frame = r#"{"at":"2022-05-02T05:16:00Z","advance":true,"note":""}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - frame.len())))
    };
    let text = format!("{}\n{}\n{}", line(LINE_BYTES), line(LINE_BYTES + 1), line(100));
    let read: Vec<_> = read(&text).into_iter().map(|line| line.map(|line| line.number)).collect();
    assert_eq!(read, [Ok(1), Err(format!("line 2: longer than {LINE_BYTES} bytes")), Ok(3)]);
}

#[test]
fn an_expectation_passes_through_and_needs_no_time_of_its_own() {
    let text = "{\"at\":\"2022-05-02T05:16:00Z\",\"advance\":true}\n{\"expect\":{\"effect\":{\"kind\":\"command\"}}}";
    let lines = read(text);
    let line = lines[1].as_ref().expect("a good line");
    assert_eq!(Some(line.at), "2022-05-02T05:16:00Z".parse().ok());
    assert!(matches!(&line.kind, Kind::Expect(raw) if raw.get() == r#"{"effect":{"kind":"command"}}"#));
}

#[test]
fn a_compressed_recording_reads_like_a_plain_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "{\"at\":\"2022-05-02T05:16:00Z\",\"advance\":true}\n".repeat(100);
    let (plain, packed) = (folder.path().join("a.jsonl"), folder.path().join("a.jsonl.zst"));
    std::fs::write(&plain, &text).expect("a file");
    std::fs::write(&packed, zstd::encode_all(text.as_bytes(), 1).expect("compressed")).expect("a file");
    for path in [plain, packed] {
        let reader = FileReader::open(&path, BadLines::Stop).expect("it opens");
        assert_eq!(reader.map(|line| line.is_ok()).collect::<Vec<_>>(), [true; 100]);
    }
    let missing = FileReader::open(&folder.path().join("none.jsonl"), BadLines::Stop);
    assert!(matches!(missing, Err(Error::Open { .. })));
}

/// A compressed recording in two frames that was damaged so: how many of its 50 000 lines are read, and what ends it.
fn read_damaged(damage: impl FnOnce(&mut [Vec<u8>; 2])) -> (u64, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.jsonl.zst");
    // Other values in each line: what repeats would be packed into a few bytes.
    let value = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let line = |n: u64| format!("{{\"at\":\"2022-05-02T05:14:00Z\",\"note\":\"{:x}\",\"advance\":true}}\n", value(n));
    let frame = |lines: std::ops::Range<u64>| {
        zstd::encode_all(lines.map(line).collect::<String>().as_bytes(), 1).expect("compressed")
    };
    let mut frames = [frame(0..25_000), frame(25_000..50_000)];
    damage(&mut frames);
    std::fs::write(&path, frames.concat()).expect("a file");
    // Nothing that follows can be read, whatever is said of bad lines.
    let mut reader = FileReader::open(&path, SKIP).expect("it opens");
    let mut last = 0;
    loop {
        match reader.next_line() {
            Ok(Some(line)) => last = line.number,
            Ok(None) => return (last, String::new()),
            Err(error) => return (last, error.to_string()),
        }
    }
}

#[test]
fn a_compressed_recording_that_is_cut_or_flipped_ends_with_its_last_good_line() {
    assert_eq!(read_damaged(|_| ()), (50_000, String::new()));
    let (last, why) = read_damaged(|[_, second]| second.truncate(second.len() / 2));
    assert!(25_000 < last && last < 50_000, "{last} lines were read");
    assert_eq!(why, format!("failed to read recording after line {last}"));
    let flipped = read_damaged(|[_, second]| second[0] ^= 1);
    assert_eq!(flipped, (25_000, "failed to read recording after line 25000".to_owned()));
}

#[test]
fn what_was_read_is_counted_as_it_lies_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "{\"at\":\"2022-05-02T05:16:00Z\",\"advance\":true}\n".repeat(10_000);
    let packed = zstd::encode_all(text.as_bytes(), 1).expect("compressed");
    for (name, bytes) in [("a.jsonl", text.as_bytes()), ("a.jsonl.zst", &packed[..])] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let mut reader = FileReader::open(&path, BadLines::Stop).expect("it opens");
        let (mut last, mut lines) = (reader.bytes_read(), 0);
        while reader.next_line().expect("a good line").is_some() {
            assert!(reader.bytes_read() >= last, "it never goes back");
            (last, lines) = (reader.bytes_read(), lines + 1);
        }
        assert_eq!((lines, reader.bytes_read()), (10_000, bytes.len() as u64), "{name}");
    }
    // The first line of a long file does not read all of it.
    let mut reader = FileReader::open(&folder.path().join("a.jsonl"), BadLines::Stop).expect("it opens");
    reader.next_line().expect("a good line");
    assert!((1..text.len() as u64).contains(&reader.bytes_read()), "{}", reader.bytes_read());
}

fn input(body: Body) -> Input {
    Input {
        id: "shop:1:2".into(),
        source: "shop".into(),
        own_id: true,
        occurred_at: Some(Instant(1_651_468_440_000_001)),
        body,
        attributes: vec![("delayed".into(), Value::Boolean(true))],
        redelivery: None,
    }
}

fn round_trip(input: &Input) -> Input {
    let declared = Devices::new([probe(1, "fridge-1", "fridges/1")]);
    let entry = Entry { sequence: Some(7), received: Instant(1_651_468_441_000_000), input };
    let text = to_line(&entry, &declared);
    let map = DeviceMap::new(declared, ["#".into()]);
    let line = read(&text).remove(0).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((line.sequence, line.received), (Some(7), Some(entry.received)), "{text}");
    let mut inputs = line.into_inputs(&map, &"other".into()).expect("known devices");
    assert_eq!(inputs.len(), 1, "{text}");
    inputs.remove(0)
}

#[test]
fn every_kind_of_input_reads_back_as_it_was_written() {
    let settled = Settled {
        effect: Id::of(&[b"x"]),
        sink: "mqtt:shop".into(),
        outcome: Outcome::Other("sending".into()),
        reason: Some("because".into()),
        attempt: 2,
        due: None,
    };
    for body in [
        Body::Availability { device: DeviceNo(1), available: false },
        Body::Availability { device: DeviceNo(77), available: true },
        Body::Settled(settled),
        Body::Manual { device: DeviceNo(1), action: "on".into(), arguments: vec![("level".into(), Value::Integer(3))] },
        Body::Host(HostEvent::CaughtUp),
        Body::Host(HostEvent::Started {
            engine: "1.0.0".into(),
            zones: "2026a".into(),
            configuration: None,
            doubted: false,
            alive: None,
        }),
        Body::Host(HostEvent::Started {
            engine: "1.0.0".into(),
            zones: "2026a".into(),
            configuration: None,
            doubted: true,
            alive: Some(Instant(7)),
        }),
        Body::Host(HostEvent::ClockAccepted { from: Instant(5), operator: true }),
        Body::Host(HostEvent::ClockStepped { ahead: -3_600_000_000 }),
        Body::Host(HostEvent::SessionLost { source: "shop".into() }),
        Body::Advance,
    ] {
        let input = input(body);
        assert_eq!(round_trip(&input), input);
    }
    let untimed = Input { occurred_at: None, ..input(Body::Advance) };
    assert_eq!(round_trip(&untimed), untimed);
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        (-model::value::INTEGER_MAX..=model::value::INTEGER_MAX).prop_map(Value::Integer),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::Number),
        ".*".prop_map(Value::text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())),
        (-90.0..90.0, -180.0..180.0).prop_map(|(latitude, longitude)| Value::Position(Position {
            latitude,
            longitude,
            accuracy: None
        })),
        Just(Value::Json("[1,{\"value\":2}]".into())),
        Just(Value::Json("{\"value\":2}".into())),
    ]
}

proptest! {
    #[test]
    fn readings_of_every_value_read_back(value in value(), quality in 0..3) {
        let quality = [Quality::Good, Quality::Uncertain, Quality::Bad][quality as usize];
        let capability = Capability::named("anything").expect("a name");
        let attributes = if quality == Quality::Bad { vec![("why".into(), Value::text("old"))] } else { Vec::new() };
        let reading = Reading { capability, value, unit: None, previous: None, quality, attributes };
        let body = Body::Observation { device: DeviceNo(1), freshness: Freshness::Late, readings: vec![reading] };
        let input = input(body);
        prop_assert_eq!(round_trip(&input), input);
    }

    #[test]
    fn payloads_of_every_byte_read_back(payload in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        r#"[\{\}\[\]",:0-9eE.\\ \n]{0,20}"#.prop_map(String::into_bytes),
    ], retained: bool) {
        let message = Message {
            topic: "a/b".into(),
            payload: payload.into(),
            content_type: Some("text/plain".into()),
            retained,
            attributes: Vec::new(),
        };
        let input = input(Body::Message(message));
        prop_assert_eq!(round_trip(&input), input);
    }

    #[test]
    fn no_line_makes_it_panic(line in r#"\{?("(at|readings|topic|payload|device|x)":)?[\{\}\[\]",:0-9a-z.\\]{0,60}"#) {
        read(&line);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        Reader::new(&bytes[..], SKIP).for_each(drop);
    }
}

/// A line of each kind, and one of a journal's export.
const EACH: &str = r#"{"at":"2022-05-02T05:14:00Z","journal":{"export":{"version":1,"engine":"1.0.0","partitions":16}}}
{"at":"2022-05-02T05:14:00Z","device":"fridge-1","readings":{"temperature":{"value":46.4,"unit":"[degF]"}},"received":"2022-05-02T05:14:02Z"}
{"at":"2022-05-02T05:15:00Z","topic":"doors/1","payload":{"temp":false},"retained":false}
{"at":"2022-05-02T05:15:00Z","device":"door","available":false,"journal":{"partition":3,"begins":true,"record":"gKE=","digest":"00000000000000000000000000000000000000000000000000000000000000ff"}}
{"at":"2022-05-02T05:15:00Z","host":"caught-up"}
{"expect":{"effect":{"kind":"command","action":"on"}}}
{"at":"2022-05-02T05:16:00Z","advance":true}
"#;

/// [`EACH`] with a few stretches replaced.
fn damaged() -> impl Strategy<Value = String> {
    let piece =
        prop::sample::select(vec!["", "\"", "{", "}", "[", ":", ",", "-", "1e400", "\u{e9}", "\0", "\n", "null"]);
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), 0_usize..8, piece), 1..5);
    cuts.prop_map(|cuts| {
        let mut chars: Vec<char> = EACH.chars().collect();
        for (at, length, piece) in cuts {
            let start = at.index(chars.len());
            let end = (start + length).min(chars.len());
            chars.splice(start..end, piece.chars());
        }
        chars.into_iter().collect()
    })
}

#[test]
fn a_recording_with_a_line_of_each_kind_is_read() {
    assert!(read(EACH).iter().all(Result::is_ok), "{:?}", read(EACH));
    assert_eq!(read(EACH).len(), 7);
}

proptest! {
    #[test]
    fn a_damaged_recording_is_read_or_refused_with_its_line(text in damaged()) {
        let lines = text.split('\n').count() as u64;
        let mut reader = Reader::new(text.as_bytes(), BadLines::Stop);
        loop {
            match reader.next_line() {
                Ok(Some(line)) => {
                    prop_assert!((1..=lines).contains(&line.number));
                    let _ = line.into_inputs(&devices(), &"recording".into());
                }
                Ok(None) => break,
                Err(Error::Line { number, reason }) => {
                    prop_assert!((1..=lines).contains(&number), "{number} of {lines}");
                    prop_assert!(!reason.to_string().is_empty());
                    break;
                }
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
        Reader::new(text.as_bytes(), SKIP).for_each(drop);
    }

    #[test]
    fn a_recording_of_any_bytes_is_refused_with_its_line(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
        if let Err(Error::Line { number, .. }) = Reader::new(&bytes[..], BadLines::Stop).next_line() {
            prop_assert!((1..=lines).contains(&number), "{number} of {lines}");
        }
    }
}
