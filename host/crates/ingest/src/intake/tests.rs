//! What one message gives.

use std::collections::BTreeMap;

use model::device::AvailabilityTopic;
use model::event::Quality;
use model::{Instant, Value};
use proptest::prelude::*;

use super::*;
use crate::status::Status;
use crate::testing::{map, probe, reading};

fn arrived<'a>(topic: &'a str, payload: &'a [u8]) -> Arrived<'a> {
    Arrived { topic, payload, retained: false, content_type: None, sent: None }
}

fn check(map: &DeviceMap, topic: &str, payload: &[u8]) -> Taken {
    take(map, &Ids::new("shop".into(), 3), &arrived(topic, payload))
}

fn values(taken: &Taken) -> Vec<Value> {
    match &taken.inputs[0].body {
        Body::Observation { readings, .. } => readings.iter().map(|reading| reading.value.clone()).collect(),
        other => panic!("no observation: {other:?}"),
    }
}

fn codes(taken: &Taken) -> Vec<&'static str> {
    taken.rejections.iter().map(|rejection| rejection.reason.code()).collect()
}

#[test]
fn a_payload_gives_readings_in_the_engines_units_with_the_devices_time() {
    let mut device = probe(1, "fridge", "f");
    let source = device.source.as_mut().expect("a source");
    source.readings = vec![reading("temperature", "/a/temp", Some("[degF]")), reading("humidity", "/a/rh", None)];
    let taken = check(&map([device], &[]), "f", br#"{"a":{"temp":46.4,"rh":"55"},"ts":1651468440}"#);
    assert_eq!(taken.inputs[0].occurred_at, Some(Instant(1_651_468_440_000_000)));
    assert_eq!(&*taken.inputs[0].id, "shop:3:1");
    let Body::Observation { readings, .. } = &taken.inputs[0].body else { panic!("no observation") };
    assert!(readings[0].value.as_f64().is_some_and(|v| (v - 8.0).abs() < 1e-9));
    assert_eq!(readings[0].unit.as_deref(), Some("Cel"));
    assert_eq!(readings[1].value, Value::Number(55.0));
}

#[test]
fn a_payload_that_is_the_value_itself_needs_no_json() {
    let mut lamp = probe(1, "lamp", "lamp");
    let source = lamp.source.as_mut().expect("a source");
    let mut switch = reading("switch", "", None);
    switch.values = BTreeMap::from([("ON".into(), Value::Boolean(true)), ("1".into(), Value::Boolean(false))]);
    source.readings = vec![switch];
    let thermometer = {
        let mut device = probe(2, "probe", "t");
        device.source.as_mut().expect("a source").readings = vec![reading("temperature", "", None)];
        device
    };
    let map = map([lamp, thermometer], &[]);
    assert_eq!(values(&check(&map, "lamp", b"ON")), [Value::Boolean(true)]);
    assert_eq!(values(&check(&map, "lamp", b"\"ON\"")), [Value::Boolean(true)]);
    assert_eq!(values(&check(&map, "lamp", b"1")), [Value::Boolean(false)]);
    assert_eq!(values(&check(&map, "t", b"23.5")), [Value::Number(23.5)]);
    for (topic, payload) in [("lamp", "DIM"), ("t", "NaN"), ("t", "warm")] {
        let taken = check(&map, topic, payload.as_bytes());
        assert_eq!((values(&taken), taken.bad_values), (vec![Value::nothing()], 1), "{payload}");
    }
}

#[test]
fn values_that_cannot_be_read_are_bad_and_counted_and_the_rest_stands() {
    let mut device = probe(1, "d", "t");
    device.source.as_mut().expect("a source").readings =
        vec![reading("temperature", "/a", None), reading("humidity", "/b", None), reading("count", "/c", None)];
    let map = map([device], &[]);
    for (payload, bad) in [
        (&br#"{"a":NaN,"b":1,"c":1}"#[..], 1),
        (br#"{"a":1e999,"b":-Infinity,"c":1}"#, 2),
        (br#"{"a":null,"b":"wet","c":1}"#, 2),
        (br#"{"a":{"x":1},"b":true,"c":1}"#, 2),
        (br#"{"c":1}"#, 0),
    ] {
        let taken = check(&map, "t", payload);
        let Body::Observation { readings, .. } = &taken.inputs[0].body else { panic!("no observation") };
        let (unread, read): (Vec<_>, Vec<_>) = readings.iter().partition(|reading| reading.quality == Quality::Bad);
        assert_eq!((taken.bad_values, unread.len()), (bad, bad as usize), "{}", String::from_utf8_lossy(payload));
        assert!(unread.iter().all(|reading| reading.value.is_nothing() && reading.unit.is_none()));
        assert!(read.iter().any(|reading| reading.value == Value::Integer(1)));
    }
    let large = check(&map, "t", br#"{"c":9007199254740992}"#);
    assert_eq!(values(&large), [Value::text("9007199254740992")]);
}

#[test]
fn a_message_without_any_of_a_devices_paths_is_taken_and_counted_for_that_device() {
    let mut misspelt = probe(1, "fridge", "f");
    misspelt.source.as_mut().expect("a source").readings = vec![reading("temperature", "/temprature", None)];
    let map = map([misspelt, probe(2, "probe", "f")], &[]);
    let (taken, status) = (check(&map, "f", br#"{"temp":4}"#), Status::default());
    // The device has spoken, which ends its silence.
    assert_eq!((taken.inputs.len(), values(&taken)), (2, Vec::new()));
    assert_eq!(taken.nothing_found, [Name::from("fridge")]);
    status.count_taken(&taken);
    status.count_taken(&taken);
    assert_eq!(status.counts().nothing_found, [(Name::from("fridge"), 2)].into());
    let null = check(&map, "f", br#"{"temprature":null}"#);
    assert_eq!((null.bad_values, null.nothing_found), (1, vec!["probe".into()]), "what is null is found, and bad");
}

#[test]
fn a_retained_message_is_a_snapshot() {
    let map = map([probe(1, "d", "t")], &[]);
    let arrived = Arrived { retained: true, ..arrived("t", b"{\"temp\":1}") };
    let taken = take(&map, &Ids::new("shop".into(), 1), &arrived);
    assert!(matches!(taken.inputs[0].body, Body::Observation { freshness: Freshness::Snapshot, .. }));
}

#[test]
fn each_limit_holds_at_its_value_and_refuses_one_more() {
    let mut device = probe(1, "d", "t");
    let readings = |count: usize| (0..count).map(|n| reading(&format!("c{n}"), "", None)).collect::<Vec<_>>();
    device.source.as_mut().expect("a source").readings = readings(limits::READINGS_PER_EVENT);
    let full = map([device.clone()], &["t"]);
    assert_eq!(values(&check(&full, "t", b"1")).len(), limits::READINGS_PER_EVENT);
    device.source.as_mut().expect("a source").readings = readings(limits::READINGS_PER_EVENT + 1);
    assert_eq!(codes(&check(&map([device], &[]), "t", b"1")), ["too-many-readings"]);

    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    assert!(codes(&check(&full, "t", nested(limits::JSON_DEPTH).as_bytes())).is_empty());
    assert_eq!(codes(&check(&full, "t", nested(limits::JSON_DEPTH + 1).as_bytes())), ["too-deep"]);

    assert_eq!(check(&full, "t", &vec![b'1'; limits::PAYLOAD_BYTES]).inputs.len(), 2);
    let large = check(&full, "t", &vec![b'1'; limits::PAYLOAD_BYTES + 1]);
    assert_eq!((codes(&large), large.inputs.len()), (vec!["payload-too-large"], 0));
}

#[test]
fn malformed_payloads_are_refused_with_device_and_reason() {
    let map = map([probe(1, "d", "t")], &[]);
    assert_eq!(codes(&check(&map, "t", b"{\"temp\":1")), ["malformed-json"]);
    assert_eq!(codes(&check(&map, "t", b"\xff")), ["not-utf8"]);
    let refused = check(&map, "t", b"open");
    assert_eq!(refused.rejections[0].device.as_deref(), Some("d"));
    assert!(refused.rejections[0].to_string().starts_with("refused a message on `t` for device `d`: "));
    assert!(check(&map, "t", b"").rejections.is_empty());
}

#[test]
fn availability_is_a_word_or_a_state() {
    let mut device = probe(1, "d", "t");
    let topic = AvailabilityTopic { topic: "t/up".into(), online: "online".into(), offline: "offline".into() };
    device.availability = Some(topic);
    let map = map([device], &[]);
    for (payload, expected) in [(&b"online"[..], true), (br#"{"state":"offline"}"#, false), (b"\"offline\"", false)] {
        let taken = check(&map, "t/up", payload);
        assert!(matches!(taken.inputs[0].body, Body::Availability { available, .. } if available == expected));
    }
    assert_eq!(codes(&check(&map, "t/up", b"maybe")), ["unknown-availability"]);
}

#[test]
fn one_message_serves_every_device_and_rule_that_listens() {
    let map = map([probe(1, "a", "t/x"), probe(2, "b", "t/+"), probe(3, "c", "other")], &["t/#"]);
    let sent = Some((&Name::from("hub"), 9, true));
    let payload = b"{\"temp\":1}";
    let taken = take(&map, &Ids::new("shop".into(), 1), &Arrived { sent, ..arrived("t/x", payload) });
    let kinds: Vec<_> =
        taken.inputs.iter().map(|input| (input.body.kind(), input.body.device().map(|d| d.0))).collect();
    assert_eq!(kinds, [("observation", Some(1)), ("observation", Some(2)), ("message", None)]);
    let mut digests: Vec<_> = taken.inputs.iter().filter_map(|i| Some(i.redelivery.as_ref()?.digest)).collect();
    digests.dedup();
    assert_eq!(digests.len(), 1, "the inputs of one message are recognised together");
    assert_eq!(taken.bytes, payload.len() + DELIVERY_OVERHEAD);
}

#[test]
fn a_devices_own_id_is_told_apart_from_another_devices() {
    let mut device = probe(1, "d", "t");
    device.source.as_mut().expect("a source").id = Some("/seq".into());
    let map = map([device], &[]);
    let taken = check(&map, "t", br#"{"temp":1,"seq":42}"#);
    assert_eq!((&*taken.inputs[0].id, taken.inputs[0].own_id), ("d:42", true));
}

#[test]
fn a_device_bound_to_another_connection_does_not_hear() {
    let mut device = probe(1, "d", "t");
    device.source.as_mut().expect("a source").connection = Some("other".into());
    assert!(check(&map([device], &[]), "t", b"{\"temp\":1}").inputs.is_empty());
}

#[test]
fn an_unclaimed_topic_can_make_its_device() {
    let shared = Shared::new(map([], &[]));
    let maker = shared.clone();
    let intake = Intake::new(Ids::new("shop".into(), 1), shared).with_discovery(Arc::new(move |heard| {
        let new = heard == Heard::Topic("trucks/7");
        if new {
            maker.replace(map([probe(7, "truck-7", "trucks/7")], &[]));
        }
        new
    }));
    assert!(intake.take(&arrived("cars/7", b"{\"temp\":1}")).inputs.is_empty());
    assert_eq!(intake.take(&arrived("trucks/7", b"{\"temp\":1}")).inputs.len(), 1);
}

proptest! {
    #[test]
    fn no_payload_makes_it_panic_or_gives_an_unsound_value(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut device = probe(1, "d", "t");
        device.source.as_mut().expect("a source").readings =
            vec![reading("whole", "", None), reading("temperature", "", Some("[degF]"))];
        let taken = check(&map([device, probe(2, "e", "t")], &["t"]), "t", &payload);
        for input in &taken.inputs {
            if let Body::Observation { readings, .. } = &input.body {
                prop_assert!(readings.iter().all(|reading| reading.value.is_sound()));
            }
        }
    }

    #[test]
    fn no_text_near_json_makes_it_panic(payload in r#"[\{\}\[\]",:0-9eE+\-.NaInfity\\u ]{0,80}"#) {
        check(&map([probe(1, "d", "t")], &["t"]), "t", payload.as_bytes());
    }
}
