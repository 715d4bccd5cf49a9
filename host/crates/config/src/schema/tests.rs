//! The table of keys: forms of text at their edges, and defaults that the table itself allows.

use super::*;
use crate::deployment::DEPLOYMENT;
use crate::document::{Document, Path};
use crate::host::{HOST, SCENARIO, TEMPLATE};
use crate::manifest::{MANIFEST, PREDICATE, PROPERTY, TRIGGER};

/// Every table, once.
fn shapes() -> Vec<&'static Shape> {
    fn of(kind: &'static Kind, found: &mut Vec<&'static Shape>) {
        match kind {
            Kind::Table(shape) => visit(shape, found),
            Kind::List(kind) | Kind::Map(_, kind) | Kind::Open(kind) => of(kind, found),
            Kind::Either(kinds) => kinds.iter().for_each(|kind| of(kind, found)),
            Kind::Variant(variants) => variants.iter().for_each(|(_, shape)| visit(shape, found)),
            Kind::Text(_) | Kind::Word(_) | Kind::Boolean | Kind::Integer(..) => {}
            Kind::Number(..) | Kind::Scalar | Kind::Any => {}
        }
    }
    fn visit(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
        if found.iter().all(|known| !std::ptr::eq(*known, shape)) {
            found.push(shape);
            shape.keys.iter().for_each(|key| of(&key.kind, found));
        }
    }
    let mut found = Vec::new();
    for shape in [&HOST, &DEPLOYMENT, &TEMPLATE, &SCENARIO, &MANIFEST, &PREDICATE, &PROPERTY] {
        visit(shape, &mut found);
    }
    static TRIGGERS: Kind = TRIGGER;
    of(&TRIGGERS, &mut found);
    found
}

#[test]
fn every_default_is_what_its_key_allows() {
    let mut checked = 0;
    for key in shapes().into_iter().flat_map(|shape| shape.keys) {
        if let Need::Default(text) = key.need {
            let document = Document::parse(&format!("value = {text}"), "default").expect("valid TOML");
            let value = document.value["value"].clone();
            let read = check_filled::<serde_json::Value>(&document, &key.kind, value, &Path::default());
            assert!(read.is_ok(), "{}: {read:?}", key.name);
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked} defaults were found");
}

#[test]
fn what_a_key_means_is_one_line_without_a_full_stop() {
    for key in shapes().into_iter().flat_map(|shape| shape.keys) {
        assert!(!key.about.is_empty() && !key.about.ends_with('.') && !key.about.contains('\n'), "{}", key.name);
    }
}

#[test]
fn defaults_that_the_engine_also_knows_are_the_same() {
    use model::limits;
    let default = |shape: &Shape, name: &str| {
        let key = shape.keys.iter().find(|key| key.name == name).expect("a key");
        match key.need {
            Need::Default(text) => text.trim_matches('"').to_owned(),
            Need::Required | Need::Optional | Need::Otherwise(_) => String::new(),
        }
    };
    let shapes = shapes();
    let of = |name: &str| {
        let shape = shapes.iter().find(|shape| shape.keys.iter().any(|key| key.name == name)).expect("a table");
        default(shape, name)
    };
    assert_eq!(of("partitions"), limits::PARTITIONS.to_string());
    assert_eq!(of("outage-min"), limits::OUTAGE_MIN.to_string());
    assert_eq!(of("buckets"), limits::HISTORY_BUCKETS.to_string());
    assert_eq!(of("within"), limits::CONFIRM_WITHIN.to_string());
    assert_eq!(of("retries"), limits::CONFIRM_RETRIES.to_string());
}

#[test]
fn forms_take_what_they_say_and_nothing_else() {
    let id = |bytes: usize| "a".repeat(bytes);
    let digest = format!("sha256:{}", "0".repeat(64));
    for (form, text, right) in [
        (Form::Size, "4 GiB", true),
        (Form::Size, "64MiB", true),
        (Form::Size, "4", false),
        (Form::Size, "16777216 TiB", false),
        (Form::Size, "16777215 TiB", true),
        (Form::Version, "1.2.0-rc.1", true),
        (Form::Version, "1.2", false),
        (Form::Digest, &digest, true),
        (Form::Digest, &digest[1..], false),
        (Form::Digest, &format!("{digest}0"), false),
        (Form::Pointer, "", true),
        (Form::Pointer, "/a~1b/0", true),
        (Form::Pointer, "a", false),
        (Form::Pointer, "/a~2", false),
        (Form::DeviceId, "truck-{n}/door", true),
        (Form::DeviceId, &id(128), true),
        (Form::DeviceId, &id(129), false),
        (Form::DeviceId, "a//b", false),
        (Form::Zone, "Europe/Berlin", true),
        (Form::Zone, "Europe/Berln", false),
        (Form::Cron, "*/5 * * * *", true),
        (Form::Cron, "0 0 7 * * * *", false),
        (Form::Locale, "de-AT", true),
        (Form::Locale, "German", false),
        (Form::Range, "-1.5..50", true),
        (Form::Range, "50..0", false),
        (Form::Range, "0..inf", false),
        (Form::WebUrl, "https://ops.example/hook", true),
        (Form::WebUrl, "ftp://ops.example", false),
        (Form::WebUrl, "https:///hook", false),
        (Form::RoleAction, "alarm:on", true),
        (Form::RoleAction, "alarm", false),
        (Form::Address, "127.0.0.1:1883", true),
        (Form::Address, "localhost:1883", false),
        (Form::Field, &id(64), true),
        (Form::Field, &id(65), false),
    ] {
        assert_eq!(form.check(text).is_ok(), right, "{form:?} {text}");
    }
}
