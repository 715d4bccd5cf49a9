//! Requests of every form.

use model::Value;
use model::input::Body;
use proptest::prelude::*;

use super::*;
use crate::devices::Shared;
use crate::ids::Ids;
use crate::intake::Heard;
use crate::testing::{map, probe};

const JSON: &str = "application/json";
const CLOUD: &str = "application/cloudevents+json; charset=utf-8";
const CLOUD_BATCH: &str = "application/cloudevents-batch+json";

fn intake() -> Intake {
    let bare = model::Device { source: None, ..probe(2, "door", "unused") };
    let map = map([probe(1, "fridge-1", "fridges/1"), bare], &["raw/#"]);
    Intake::new(Ids::new(source(), 1), Shared::new(map))
}

fn send(content_type: &str, headers: &[(&str, &str)], body: &str) -> Result<Vec<Item>, BodyError> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    parse(content_type, &headers, body.as_bytes(), &intake())
}

fn one(content_type: &str, headers: &[(&str, &str)], body: &str) -> Item {
    let mut items = send(content_type, headers, body).expect("a readable body");
    assert_eq!(items.len(), 1);
    items.remove(0)
}

fn temperature(item: &Item) -> Value {
    match &item.as_ref().expect("accepted").inputs[0].body {
        Body::Observation { readings, .. } => readings[0].value.clone(),
        other => panic!("no observation: {other:?}"),
    }
}

#[test]
fn our_own_json_needs_no_time_and_keeps_its_id() {
    let item = one(JSON, &[], r#"{"device":"fridge-1","readings":{"temperature":8.3},"id":"a-1"}"#);
    assert_eq!(temperature(&item), Value::Number(8.3));
    let input = &item.expect("accepted").inputs[0];
    assert_eq!((&*input.id, input.own_id, input.occurred_at), ("a-1", true, None));

    let item = one(JSON, &[], r#"{"at":"2022-05-02T05:14:00Z","topic":"fridges/1","payload":{"temp":4}}"#);
    let input = &item.expect("accepted").inputs[0];
    assert_eq!((&*input.id, input.own_id), ("http:1:1", false));
    assert_eq!(input.occurred_at, "2022-05-02T05:14:00Z".parse().ok());
}

#[test]
fn a_batch_answers_for_each_item() {
    let body = r#"[{"device":"fridge-1","readings":{"temperature":1}},
        {"device":"fridge-2","readings":{"temperature":1}},
        {"device":"fridge-1","readings":{"never-declared":1}},
        {"manual":{"device":"fridge-1","action":"on"}},
        {"topic":"nobody/listens","payload":1},
        {"device":"door","available":false},
        {"seq":4,"device":"door","available":false},
        7]"#;
    let items = send(JSON, &[], body).expect("a readable body");
    let codes: Vec<_> = items.iter().map(|item| item.as_ref().err().map(ItemError::code)).collect();
    let expected = [
        None,
        Some("unknown-device"),
        Some("malformed"),
        Some("not-here"),
        Some("unclaimed"),
        None,
        Some("not-here"),
        Some("malformed"),
    ];
    assert_eq!(codes, expected);
    assert!(items[1].as_ref().is_err_and(|error| error.to_string().contains("did you mean `fridge-1`")));
}

#[test]
fn cloudevents_are_read_in_all_three_modes() {
    let event = r#"{"specversion":"1.0","id":"7","source":"/gw","type":"t","subject":"fridge-1",
        "time":"2022-05-02T05:14:00Z","data":{"temp":8.3}}"#;
    let structured = one(CLOUD, &[], event);
    assert_eq!(temperature(&structured), Value::Number(8.3));
    let input = &structured.expect("accepted").inputs[0];
    assert_eq!((&*input.id, input.own_id), ("/gw#7", true));
    assert_eq!(input.occurred_at, "2022-05-02T05:14:00Z".parse().ok());

    let batch = send(CLOUD_BATCH, &[], &format!("[{event},{}]", event.replace("1.0", "0.3"))).expect("readable");
    assert!(batch[0].is_ok());
    assert_eq!(batch[1].as_ref().err().map(ItemError::code), Some("malformed-cloudevent"));

    let headers =
        [("CE-SpecVersion", "1.0"), ("ce-id", "8"), ("ce-source", "/gw%20a"), ("ce-type", "t"), ("ce-subject", "door")];
    let binary = one(JSON, &headers, r#"{"readings":{"temperature":{"value":46.4,"unit":"[degF]"}}}"#);
    assert!(temperature(&binary).as_f64().is_some_and(|celsius| (celsius - 8.0).abs() < 1e-9));
    assert_eq!(&*binary.expect("accepted").inputs[0].id, "/gw a#8");
}

#[test]
fn data_goes_by_the_devices_mapping_or_names_capabilities() {
    let event = |device: &str, data: &str| {
        format!(r#"{{"specversion":"1.0","id":"7","source":"s","type":"t","subject":"x","device":"{device}",{data}}}"#)
    };
    assert_eq!(temperature(&one(CLOUD, &[], &event("door", r#""data":{"temperature":5}"#))), Value::Integer(5));
    let packed = event("fridge-1", r#""data_base64":"eyJ0ZW1wIjo2fQ==""#);
    assert_eq!(temperature(&one(CLOUD, &[], &packed)), Value::Integer(6));
    let both = event("fridge-1", r#""data":{},"data_base64":"""#);
    assert_eq!(one(CLOUD, &[], &both), Err(ItemError::TwoData));
    let gone = event("door", r#""data":{"available":false}"#);
    assert!(matches!(
        one(CLOUD, &[], &gone).expect("accepted").inputs[0].body,
        Body::Availability { available: false, .. }
    ));
}

#[test]
fn events_without_what_they_must_have_are_refused() {
    let whole = [("specversion", "1.0"), ("id", "7"), ("source", "s"), ("type", "t"), ("subject", "fridge-1")];
    for (missing, _) in whole {
        let attributes: serde_json::Map<_, _> =
            whole.iter().filter(|(name, _)| *name != missing).map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let answer = one(CLOUD, &[], &serde_json::Value::from(attributes).to_string());
        assert_eq!(answer, Err(ItemError::MissingAttribute(missing)));
    }
}

#[test]
fn bodies_are_bounded_and_must_be_of_a_known_type() {
    assert!(matches!(send("text/plain", &[], "{}"), Err(BodyError::ContentType(_))));
    assert!(matches!(send(JSON, &[], "{"), Err(BodyError::Malformed(_))));
    let padded = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
    assert!(send(JSON, &[], &padded(limits::PAYLOAD_BYTES)).is_ok());
    assert!(matches!(send(JSON, &[], &padded(limits::PAYLOAD_BYTES + 1)), Err(BodyError::TooLarge { .. })));
    let items = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(send(JSON, &[], &items(BATCH_ITEMS)).map(|items| items.len()), Ok(BATCH_ITEMS));
    assert!(matches!(send(JSON, &[], &items(BATCH_ITEMS + 1)), Err(BodyError::TooManyItems { .. })));
    let padded_batch = |bytes: usize| format!("[{}]", " ".repeat(bytes - 2));
    assert!(send(JSON, &[], &padded_batch(BATCH_BYTES)).is_ok());
    assert!(matches!(send(JSON, &[], &padded_batch(BATCH_BYTES + 1)), Err(BodyError::TooLarge { .. })));
    let nested = |depth: usize| format!("[{}{}]", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(send(JSON, &[], &nested(limits::JSON_DEPTH)).is_ok());
    assert_eq!(send(JSON, &[], &nested(limits::JSON_DEPTH + 1)), Err(BodyError::TooDeep));
    assert_eq!(parse(JSON, &[], b"\xff", &intake()), Err(BodyError::NotUtf8(0)));
}

#[test]
fn a_member_of_a_fleet_is_discovered_by_topic_and_by_id() {
    let shared = Shared::new(map([], &[]));
    let known = shared.clone();
    // The fleet `truck-{n}`, on `trucks/{n}`.
    let discover = move |heard: Heard<'_>| {
        let n = match heard {
            Heard::Topic(topic) => topic.strip_prefix("trucks/"),
            Heard::Device(id) => id.strip_prefix("truck-"),
        };
        let Some(n) = n.and_then(|n| n.parse().ok()) else { return false };
        let all: Vec<_> = known.current().devices().iter().map(|device| (**device).clone()).collect();
        known.replace(map(all.into_iter().chain([probe(n, &format!("truck-{n}"), &format!("trucks/{n}"))]), &[]));
        true
    };
    let intake = Intake::new(Ids::new(source(), 1), shared).with_discovery(std::sync::Arc::new(discover));
    let send = |content_type: &str, body: &str| {
        parse(content_type, &[], body.as_bytes(), &intake).expect("a readable body").remove(0)
    };
    let readings = |n: u32| format!(r#"{{"device":"truck-{n}","readings":{{"temperature":{n}}}}}"#);
    let event = r#"{"specversion":"1.0","id":"7","source":"s","type":"t","subject":"truck-9","data":{"temp":9}}"#;
    let topic = r#"{"topic":"trucks/7","payload":{"temp":7}}"#;
    for (content_type, body, device) in [(JSON, topic, 7), (JSON, &*readings(8), 8), (CLOUD, event, 9)] {
        let item = send(content_type, body);
        assert_eq!(temperature(&item), Value::Integer(device));
        assert_eq!(item.expect("accepted").inputs[0].body.device().map(|d| i64::from(d.0)), Some(device));
    }
    let unknown = send(JSON, r#"{"device":"car-1","readings":{"temperature":1}}"#);
    assert_eq!(unknown.as_ref().err().map(ItemError::code), Some("unknown-device"));
    assert_eq!(send(JSON, r#"{"topic":"cars/1","payload":1}"#), Err(ItemError::Unclaimed));
}

#[test]
fn an_item_weighs_its_bytes_like_a_message() {
    let item = r#"{"topic":"raw/a","payload":"text"}"#;
    let weight = |items: Vec<Item>| items.into_iter().map(|item| item.expect("accepted").bytes).collect::<Vec<_>>();
    let one = item.len() + DELIVERY_OVERHEAD;
    assert_eq!(weight(send(JSON, &[], item).expect("readable")), [one]);
    assert_eq!(weight(send(JSON, &[], &format!("[{item}, {item}]")).expect("readable")), [one, one]);
    let headers =
        [("ce-specversion", "1.0"), ("ce-id", "8"), ("ce-source", "s"), ("ce-type", "t"), ("ce-subject", "fridge-1")];
    let data = r#"{"temp":1}"#;
    assert_eq!(weight(send(JSON, &headers, data).expect("readable")), [data.len() + DELIVERY_OVERHEAD]);
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in r#"\[?\{?("(id|data|subject|readings|topic)":)?[\{\}\[\]",:0-9a-z.%]{0,60}"#) {
        for content_type in [JSON, CLOUD, CLOUD_BATCH] {
            let _ = send(content_type, &[], &body);
            let _ = send(content_type, &[("ce-specversion", "1.0"), ("ce-id", &body)], &body);
        }
    }
}
