//! Devices as tables for people.

use comfy_table::{Table, presets};
use serde_json::Value as Json;

/// What `device list` shows.
pub(super) fn list(devices: &[Json]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["device", "kind", "site", "there", "values"]);
    for device in devices {
        let values = device["values"].as_object().into_iter().flatten();
        let values: Vec<_> = values.map(|(name, held)| format!("{name} {}", quantity(held))).collect();
        let cells = ["id", "kind", "site"].map(|name| text(&device[name]));
        let [id, kind, site] = cells;
        table.add_row([id, kind, site, there(device).to_owned(), values.join(", ")]);
    }
    table.to_string()
}

/// What `device show` shows.
pub(super) fn show(device: &Json) -> String {
    let mut about = Table::new();
    about.load_style(presets::NOTHING);
    for name in ["id", "kind", "site"] {
        about.add_row([name.to_owned(), text(&device[name])]);
    }
    about.add_row(["there", there(device)]);
    let actions = device["actions"].as_array().into_iter().flatten();
    about.add_row(["actions".to_owned(), actions.map(text).collect::<Vec<_>>().join(", ")]);
    let Some(values) = device["values"].as_object() else {
        return format!("{about}\n\nnothing heard yet");
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["capability", "value", "since", "reported", "asked for"]);
    for (name, held) in values {
        let [since, reported, desired] = ["since", "reported", "desired"].map(|name| text(&held[name]));
        table.add_row([name.clone(), quantity(held), since, reported, desired]);
    }
    let never = device["never-reported"].as_array().into_iter().flatten().map(text);
    let never = never.collect::<Vec<_>>().join(", ");
    let never = if never.is_empty() { never } else { format!("\n\nnever reported, though the device spoke: {never}") };
    format!("{about}\n\n{table}{never}")
}

fn there(device: &Json) -> &'static str {
    match device["available"].as_bool() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    }
}

fn quantity(held: &Json) -> String {
    let quality = held["quality"].as_str().map(|quality| format!("({quality})"));
    let parts = [Some(text(&held["value"])), held["unit"].as_str().map(str::to_owned), quality];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

fn text(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_shown_with_its_unit_and_what_was_asked_for() {
        let device = json!({
            "id": "radiator", "kind": "thermostat", "site": "home", "actions": ["set"], "available": true,
            "values": {"setpoint": {"value": 21.0, "unit": "Cel", "since": "a", "reported": "b", "desired": 7.0}},
        });
        let shown = show(&device);
        assert!(shown.contains("21.0 Cel") && shown.contains("7.0") && shown.contains("yes"), "{shown}");
        assert!(list(&[device]).contains("setpoint 21.0 Cel"));
    }

    #[test]
    fn a_value_that_is_not_to_be_trusted_says_so() {
        let held = |value: Json| json!({"value": value, "unit": "Cel", "quality": "bad"});
        assert_eq!(quantity(&held(json!(21.0))), "21.0 Cel (bad)");
        assert_eq!(quantity(&json!({"value": null, "quality": "bad"})), "(bad)");
    }
}
