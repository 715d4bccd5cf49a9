//! Manifests: what resolves, to which values, and at which limits it ends. Refusals are fixtures.

use model::trigger::{Gap, Kind, Predicate, Test};
use model::{Span, Value};

use super::*;

const HEAD: &str = "[rule]\nid = \"r\"\nversion = \"1.0.0\"\n[roles.probe]\nmany = true\n[roles.window]\n";

fn manifest(rest: &str) -> Result<Manifest, String> {
    Manifest::parse(&format!("{HEAD}{rest}"), "rule.toml").map_err(|problems| problems.to_string())
}

/// The only trigger of a manifest, with these settings.
fn trigger(rest: &str, settings: &str) -> Result<Kind, String> {
    let manifest = manifest(rest)?;
    let settings: Json = serde_json::from_str(settings).map_err(|error| error.to_string())?;
    let Json::Object(given) = settings else { return Err("no object".into()) };
    let document = Document::parse("", "deployment.toml").map_err(|problems| problems.to_string())?;
    let all = |problems| Problems::all(problems).to_string();
    let filled = manifest.settings.fill(&document, &given).map_err(all)?;
    let placement = Some(crate::host::Placement { latitude: 52.52, longitude: 13.4 });
    let site = Site { name: "s".into(), zone: "Europe/Berlin".into(), placement };
    let mut triggers = manifest.triggers(&filled, &BTreeMap::new(), &site).map_err(all)?;
    Ok(triggers.remove(0).kind)
}

fn test(kind: Kind) -> Option<Test> {
    match kind {
        Kind::Threshold { when: Predicate::Test { test, .. }, .. }
        | Kind::Held { when: Predicate::Test { test, .. }, .. } => Some(test),
        _ => None,
    }
}

fn threshold(when: &str) -> String {
    format!("[[trigger]]\nname = \"t\"\nkind = \"threshold\"\nrole = \"probe\"\nwhen = {{ {when} }}\n")
}

#[test]
fn quantities_become_numbers_of_the_canonical_unit() {
    for (when, expected) in [
        ("capability = \"temperature\", above = \"8 Cel\"", Test::Above(8.0)),
        ("capability = \"power\", at-least = \"1.5 kW\"", Test::AtLeast(1500.0)),
        ("capability = \"speed\", within = [\"0 km/h\", \"10 m/s\"]", Test::Within(0.0, 36.0)),
        ("capability = \"contact\", equals = true", Test::Equals(Value::Boolean(true))),
        ("capability = \"mode\", not-equals = \"auto\"", Test::NotEquals(Value::text("auto"))),
        ("capability = \"battery\", equals = \"20 %\"", Test::Equals(Value::Number(20.0))),
        ("capability = \"count\", below = 3", Test::Below(3.0)),
        ("capability = \"air-quality-index\", above = 100", Test::Above(100.0)),
    ] {
        assert_eq!(trigger(&threshold(when), "{}").map(test), Ok(Some(expected)), "{when}");
    }
}

#[test]
fn settings_stand_in_triggers_with_their_defaults() {
    let text = "[[trigger]]\nname = \"t\"\nkind = \"held\"\nrole = \"probe\"\n\
        when = { capability = \"temperature\", above = \"${limit}\" }\nfor = \"${hold}\"\nstale = \"15m\"\n\
        [settings]\nlimit = { type = \"string\", format = \"quantity\" }\n\
        hold = { type = \"string\", format = \"duration\", default = \"30m\" }\n";
    let kind = trigger(text, r#"{"limit": "46.4 [degF]"}"#).expect("resolves");
    let Kind::Held { duration, stale, gap, gap_max, snapshot, keep: false, .. } = &kind else { panic!("{kind:?}") };
    let (half, quarter) = (Span::from_mins(30), Span::from_mins(15));
    assert_eq!((*duration, *stale, *gap, *gap_max, *snapshot), (half, Some(quarter), Gap::Continue, quarter, false));
    assert!(matches!(test(kind), Some(Test::Above(limit)) if (limit - 8.0).abs() < 1e-9));
    let message = trigger(text, r#"{"limit": "8 W"}"#).expect_err("watts are no degrees");
    assert_eq!(
        message,
        "rule.toml:11: trigger.t.when.above: temperature: cannot convert W to Cel: one measures Power, the other Temperature"
    );
}

#[test]
fn a_gap_counts_five_minutes_unless_stale_or_gap_max_say_otherwise() {
    let gap_max = |keys: &str| {
        let text = format!(
            "[[trigger]]\nname = \"t\"\nkind = \"held\"\nrole = \"probe\"\n\
             when = {{ capability = \"contact\", equals = true }}\nfor = \"1h\"\n{keys}"
        );
        match trigger(&text, "{}") {
            Ok(Kind::Held { gap_max, .. }) => Ok(gap_max),
            other => Err(format!("{other:?}")),
        }
    };
    assert_eq!(gap_max(""), Ok(limits::GAP_MAX));
    assert_eq!(gap_max("stale = \"2m\""), Ok(Span::from_mins(2)));
    assert_eq!(gap_max("stale = \"2m\"\ngap-max = \"7m\""), Ok(Span::from_mins(7)));
}

#[test]
fn conditions_combine_and_hand_their_role_down() {
    let when = "role = \"window\", all = [{ capability = \"contact\", equals = true }, \
        { any = [{ capability = \"temperature\", below = \"5 Cel\", role = \"probe\" }] }]";
    let Ok(Kind::Threshold { when, clear: None, .. }) = trigger(&threshold(when), "{}") else { panic!("resolves") };
    let roles: Vec<_> = when.tests().into_iter().map(|(role, ..)| role.map(|role| role.to_string())).collect();
    assert_eq!(roles, [Some("window".to_owned()), None]);
}

#[test]
fn clear_takes_the_capability_of_when() {
    let text = threshold("capability = \"temperature\", at-least = \"8 Cel\"") + "clear = { below = \"7 Cel\" }\n";
    let Ok(Kind::Threshold { clear: Some(Predicate::Test { capability, test, .. }), .. }) = trigger(&text, "{}") else {
        panic!("resolves")
    };
    assert_eq!((capability.name(), test), ("temperature", Test::Below(7.0)));
}

#[test]
fn a_deadband_is_a_difference() {
    let text = "[[trigger]]\nname = \"t\"\nkind = \"change\"\nrole = \"probe\"\ncapability = \"temperature\"\n\
        deadband = \"1.8 [degF]\"\n";
    let Ok(Kind::Change { deadband: Some(deadband), .. }) = trigger(text, "{}") else { panic!("resolves") };
    assert!((deadband - 1.0).abs() < 1e-12);
}

#[test]
fn a_schedule_without_a_zone_takes_the_hosts() {
    let schedule = |more: &str| {
        let text = format!("[[trigger]]\nname = \"t\"\nkind = \"schedule\"\ncron = \"0 7 * * *\"\n{more}");
        match trigger(&text, "{}") {
            Ok(Kind::Schedule(schedule)) => Ok((schedule.zone.to_string(), schedule.overdue)),
            other => Err(format!("{other:?}")),
        }
    };
    use model::effect::Overdue;
    assert_eq!(schedule(""), Ok(("Europe/Berlin".to_owned(), Overdue::default())));
    let given = "zone = \"UTC\"\noverdue = { fire-within = \"2h\" }\n";
    assert_eq!(schedule(given), Ok(("UTC".to_owned(), Overdue::FireWithin(Span::from_hours(2)))));
    assert_eq!(schedule("overdue = \"skip\"").map(|(_, overdue)| overdue), Ok(Overdue::Skip));
}

#[test]
fn conditions_nest_to_their_limit() {
    let nested = |depth: usize| {
        let inner = "capability = \"contact\", equals = true".to_owned();
        threshold(&(1..depth).fold(inner, |inner, _| format!("all = [{{ {inner} }}]")))
    };
    assert!(trigger(&nested(8), "{}").is_ok());
    let message = trigger(&nested(9), "{}").expect_err("too deep");
    assert!(message.ends_with("nested deeper than 8"), "{message}");
}

#[test]
fn limits_and_windows_are_tightened_at_most_to_the_hosts() {
    for (rest, right) in [
        ("[limits]\neffects-per-minute = 6000\n", true),
        ("[limits]\neffects-per-minute = 6001\n", false),
        ("[limits]\nmemory = \"64 MiB\"\n", true),
        ("[limits]\nmemory = \"67108865 B\"\n", false),
        ("[[history]]\nrole = \"probe\"\ncapability = \"temperature\"\nwindow = \"31d\"\nbuckets = 744\n", true),
        ("[[history]]\nrole = \"probe\"\ncapability = \"temperature\"\nwindow = \"31d1us\"\n", false),
        ("[[history]]\nrole = \"probe\"\ncapability = \"temperature\"\nwindow = \"1d\"\nbuckets = 745\n", false),
    ] {
        assert_eq!(manifest(rest).is_ok(), right, "{rest}");
    }
}

#[test]
fn a_rule_has_at_most_32_metrics() {
    let with = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("\"m{n}\"")).collect();
        let text = format!("[rule]\nid = \"r\"\nversion = \"1.0.0\"\nmetrics = [{}]\n", names.join(", "));
        Manifest::parse(&text, "rule.toml").is_ok()
    };
    assert!(with(limits::METRICS));
    assert!(!with(limits::METRICS + 1));
}

#[test]
fn versions_compare_as_semantic_versions() {
    let version = |text: &str| {
        let text = format!("[rule]\nid = \"r\"\nversion = \"{text}\"\n");
        Manifest::parse(&text, "rule.toml").map(|manifest| manifest.version)
    };
    assert!(version("1.10.0").expect("valid") > version("1.9.0").expect("valid"));
    assert!(version("1.0.0-rc.1").expect("valid") < version("1.0.0").expect("valid"));
}

fn zone(keys: &str, settings: &str) -> Result<model::trigger::Zone, String> {
    let text = format!(
        "[[trigger]]\nname = \"t\"\nkind = \"zone\"\nrole = \"probe\"\n{keys}\n\
         [settings]\nplace = {{ type = \"object\", default = {{ polygon = [[0, 0], [1, 0], [0, 1]] }} }}\n"
    );
    match trigger(&text, settings)? {
        Kind::Zone(zone) => Ok(zone),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_zone_is_a_circle_or_a_polygon_in_metres() {
    use model::area::{Area, Corner};
    let circle = zone(
        "area = { circle = { latitude = 52.5, longitude = 13.4, radius = \"0.2 km\" } }\ndwell = \"2m\"\n\
         margin = \"30 m\"\naccuracy-max = \"100 m\"",
        "{}",
    );
    let circle = circle.expect("resolves");
    let centre = Corner { latitude: 52.5, longitude: 13.4 };
    assert_eq!(circle.area, Area::Circle { centre, radius: 200.0 });
    assert_eq!((circle.dwell, circle.margin, circle.accuracy_max), (Span::from_mins(2), 30.0, Some(100.0)));
    let filled = zone("area = \"${place}\"", r#"{"place":{"polygon":[[1,2],[3,4],[5,-6.5]]}}"#).expect("resolves");
    let Area::Polygon(corners) = filled.area else { panic!("{:?}", filled.area) };
    assert_eq!((corners.len(), corners[2]), (3, Corner { latitude: 5.0, longitude: -6.5 }));
    assert_eq!((filled.capability.name(), filled.margin, filled.accuracy_max), ("position", 0.0, None));
}

#[test]
fn a_zone_that_is_no_place_is_refused() {
    for (keys, wrong) in [
        ("area = {}", "area: expected a circle or a polygon"),
        ("area = { polygon = [[1, 2], [3, 4]] }", "area.polygon: 2 corners: expected 3 to 256"),
        ("area = { polygon = [[1, 2], [3, 4], [100, 2]] }", "area.polygon[2]: expected latitude and longitude"),
        ("area = { circle = { latitude = 1, longitude = 2, radius = \"8 Cel\" } }", "radius: cannot convert Cel to m"),
        (
            "area = { circle = { latitude = 1, longitude = 2, radius = \"101 km\" } }",
            "radius: 101000 m: expected more than nothing and at most 100000 m",
        ),
        ("area = { circel = {} }", "area.circel: unknown field, did you mean \"circle\"?"),
    ] {
        let message = zone(keys, "{}").expect_err(keys);
        assert!(message.contains(wrong), "{keys}: {message}");
    }
}

/// A window of a rule whose key is the site.
fn window(keys: &str) -> Result<model::window::Window, String> {
    let role = "[[trigger]]\nname = \"t\"\nkind = \"window\"\nrole = \"probe\"\n";
    let text = format!("key = \"site\"\n[roles.probe]\nmany = true\n{role}{keys}\n");
    let text = format!("[rule]\nid = \"r\"\nversion = \"1.0.0\"\n{text}");
    let manifest = Manifest::parse(&text, "rule.toml").map_err(|problems| problems.to_string())?;
    let triggers = manifest.triggers(&Map::new(), &BTreeMap::new(), &Site::unknown());
    match triggers.map_err(|problems| Problems::all(problems).to_string())?.remove(0).kind {
        Kind::Window(window) => Ok(*window),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_window_has_the_keys_of_its_kind() {
    use model::window::{Aggregate, By, Frame};
    let mean = "capability = \"temperature\"\naggregate = \"mean\"\n";
    let hour = Span::from_hours(1);
    for (keys, frame) in [
        ("window = \"tumbling\"\nsize = \"1h\"", Frame::Sliding { size: hour, advance: hour }),
        (
            "window = \"tumbling\"\nsize = \"31d\"",
            Frame::Sliding { size: limits::WINDOW_SIZE, advance: limits::WINDOW_SIZE },
        ),
        (
            "window = \"sliding\"\nsize = \"1h\"\nadvance = \"1m\"",
            Frame::Sliding { size: hour, advance: Span::from_mins(1) },
        ),
        ("window = \"session\"\nidle = \"1h\"\nlateness = \"1h\"", Frame::Session { idle: hour }),
        ("window = \"count\"\nsize = 1000000\nby = \"role\"", Frame::Count { size: limits::WINDOW_READINGS }),
    ] {
        assert_eq!(window(&format!("{mean}{keys}")).map(|window| window.frame), Ok(frame), "{keys}");
    }
    let warmer = "capability = \"temperature\"\naggregate = \"change\"\nwindow = \"tumbling\"\nsize = \"1h\"\n";
    let warmer = window(&format!("{warmer}when = {{ at-least = \"1.8 [degF]\" }}")).expect("resolves");
    assert!(matches!(warmer.when, Some(Test::AtLeast(kelvin)) if (kelvin - 1.0).abs() < 1e-12), "{:?}", warmer.when);
    assert_eq!((warmer.aggregate, warmer.by, warmer.lateness), (Aggregate::Change, By::Device, Span::ZERO));
}

#[test]
fn a_window_that_cannot_be_is_refused() {
    for (keys, wrong) in [
        ("window = \"tumbling\"", "t.size: missing: a tumbling window needs it"),
        ("window = \"tumbling\"\nsize = 5", "t.size: a tumbling window takes a duration"),
        ("window = \"tumbling\"\nsize = \"31d1us\"", "t.size: 31d1us: expected more than nothing and at most 31d"),
        ("window = \"count\"\nsize = \"5m\"", "t.size: a count window takes a number of readings"),
        ("window = \"count\"\nsize = 1000001", "t.size: 1000001: expected a whole number from 1 to 1000000"),
        ("window = \"count\"\nsize = 5\nidle = \"5m\"", "t.idle: a count window has none"),
        (
            "window = \"sliding\"\nsize = \"61m\"\nadvance = \"1m\"",
            "t.advance: 1m: expected a part of 1h1m, at most 60",
        ),
        ("window = \"sliding\"\nsize = \"1h\"\nadvance = \"7m\"", "t.advance: 7m: expected a part of 1h"),
        (
            "window = \"session\"\nidle = \"1m\"\nlateness = \"61s\"",
            "t.lateness: 1m1s: a window like this takes at most 1m",
        ),
        (
            "window = \"state\"\nwhile = { capability = \"power\", above = \"5 W\" }\nby = \"role\"",
            "t.by: a state is that of one",
        ),
        ("window = \"count\"\nsize = 5\nwhen = { above = \"5 Cel\" }", "bare number"),
        ("window = \"count\"\nsize = 5\nwhen = { above = 1, below = 2 }", "t.when: expected exactly one of"),
        ("window = \"count\"\nsize = 5\nwhen = { within = [2, 1] }", "t.when.within: expected two values"),
    ] {
        let message = window(&format!("capability = \"temperature\"\naggregate = \"count\"\n{keys}")).expect_err(keys);
        assert!(message.contains(wrong), "{keys}: {message}");
    }
    let text = "[[trigger]]\nname = \"t\"\nkind = \"window\"\nrole = \"probe\"\nwindow = \"count\"\nsize = 5\n\
        capability = \"temperature\"\naggregate = \"count\"\nby = \"role\"\n";
    let message = trigger(text, "{}").expect_err("its key is the device");
    assert!(message.contains("t.by: each device has a key of its own"), "{message}");
}

#[test]
fn the_sun_is_that_of_the_site() {
    let sun = |keys: &str| {
        let text = format!("[[trigger]]\nname = \"t\"\nkind = \"sun\"\nevent = \"sunset\"\n{keys}");
        match trigger(&text, "{}")? {
            Kind::Sun(sun) => Ok((sun.latitude, sun.longitude, sun.offset)),
            other => Err(format!("{other:?}")),
        }
    };
    assert_eq!(sun(""), Ok((52.52, 13.4, 0)));
    assert_eq!(sun("offset = \"-30m\"").map(|(.., offset)| offset), Ok(-1_800_000_000));
    assert_eq!(sun("offset = \"+12h\"").map(|(.., offset)| offset), Ok(43_200_000_000));
    assert!(sun("offset = \"-12h1us\"").is_err_and(|e| e.contains("t.offset: expected at most 12h before or after")));
    assert!(sun("offset = \"soon\"").is_err_and(|e| e.contains("`soon` is not a duration")));
    let text = "[[trigger]]\nname = \"t\"\nkind = \"sun\"\nevent = \"dawn\"\n";
    let somewhere = manifest(text).expect("a rule does not know where it will run");
    let problems = somewhere.triggers(&Map::new(), &BTreeMap::new(), &Site::unknown()).expect_err("no place");
    assert!(problems[0].to_string().contains("t.event: needs to know where the host is"), "{}", problems[0]);
}
