//! The journal's numbers as tables for people.

use comfy_table::{Table, presets};
use serde_json::Value as Json;

/// What `journal stat` shows.
pub(super) fn stat(stat: &Json) -> String {
    let store = &stat["store"];
    let mut partitions = Table::new();
    partitions.load_style(presets::NOTHING);
    partitions.set_header(["partition", "first", "last", "from", "to", "bytes"]);
    let used = store["partitions"].as_array().into_iter().flatten().filter(|partition| partition["last"] != 0);
    for partition in used {
        let cell = |name: &str| text(&partition[name]);
        let row = ["partition", "first", "last", "first-at", "last-at", "journal-bytes"].map(cell);
        partitions.add_row(row);
    }
    let mut sums = Table::new();
    sums.load_style(presets::NOTHING);
    for name in
        ["decisions", "quiet-decisions", "outbox", "dead-letters", "devices", "file-bytes", "free-bytes", "log-bytes"]
    {
        sums.add_row([name.to_owned(), text(&store[name])]);
    }
    for (name, count) in stat["accounts"].as_object().into_iter().flatten() {
        sums.add_row([name.clone(), text(count)]);
    }
    let mut losses = Table::new();
    losses.load_style(presets::NOTHING);
    losses.set_header(["lost, left out or given up", ""]);
    let found = stat["losses"].as_array().into_iter().flatten();
    let found: Vec<_> = found.map(|loss| [text(&loss["cause"]), text(&loss["count"])]).collect();
    let losses = if found.is_empty() { "nothing was lost".to_owned() } else { losses.add_rows(found).to_string() };
    let balance = match &stat["imbalance"] {
        Json::Null => "the accounts add up".to_owned(),
        imbalance => format!("the accounts do not add up: {}", text(imbalance)),
    };
    format!("{partitions}\n\n{sums}\n\n{losses}\n\n{balance}")
}

/// What `journal dead-letters` shows.
pub(super) fn dead_letters(letters: &[Json]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["number", "at", "deployment", "key", "reason", "message"]);
    for letter in letters {
        table.add_row(["number", "at", "deployment", "key", "reason", "message"].map(|name| text(&letter[name])));
    }
    table.to_string()
}

/// What `journal verify` shows.
pub(super) fn verified(found: &Json) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["partition", "present", "deleted", "damaged", "where"]);
    let rows = found.as_array().into_iter().flatten();
    for row in rows.filter(|row| ["present", "deleted", "damaged"].iter().any(|name| row["journal"][name] != 0)) {
        let journal = &row["journal"];
        let damage = journal["damage"].as_array().into_iter().flatten();
        let damage: Vec<_> = damage.map(|one| format!("{} {}", text(&one["sequence"]), text(&one["kind"]))).collect();
        let cells = ["present", "deleted", "damaged"].map(|name| text(&journal[name]));
        let [present, deleted, damaged] = cells;
        table.add_row([text(&row["partition"]), present, deleted, damaged, damage.join(", ")]);
    }
    format!(
        "{table}\n\n{} rows present, {} deleted, {} damaged",
        sum(found, "present"),
        sum(found, "deleted"),
        sum(found, "damaged")
    )
}

/// One count over all partitions.
pub(super) fn sum(found: &Json, name: &str) -> u64 {
    found.as_array().into_iter().flatten().filter_map(|row| row["journal"][name].as_u64()).sum()
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
    fn damage_is_counted_and_its_place_shown() {
        let found = json!([
            {"partition": 0, "journal": {"present": 4, "deleted": 0, "damaged": 1, "damage": [{"sequence": 7, "kind": "payload"}]}},
            {"partition": 1, "journal": {"present": 2, "deleted": 3, "damaged": 0, "damage": []}},
        ]);
        assert_eq!((sum(&found, "present"), sum(&found, "damaged")), (6, 1));
        let shown = verified(&found);
        assert!(shown.contains("7 payload") && shown.contains("6 rows present, 3 deleted, 1 damaged"), "{shown}");
    }
}
