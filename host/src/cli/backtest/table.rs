//! The report of a backtest as tables for people.

use backtest::{Difference, Named, Report};
use comfy_table::{CellAlignment, Table, presets};

/// Differences that are shown: a screen of them.
const SHOWN: usize = 30;

/// What `pointsman backtest` shows.
pub(super) fn report(report: &Report) -> String {
    let mut parts = vec![report.sentence(), counts(report)];
    if !report.differences.is_empty() {
        parts.push(differences(&report.differences));
    }
    let more = report.differences.len().saturating_sub(SHOWN);
    if more > 0 {
        parts.push(format!("{more} more; --json and --html show them"));
    }
    if !report.unknown.is_empty() {
        let lines: Vec<String> = report.unknown.iter().map(|line| format!("- {line}")).collect();
        parts.push(format!("What cannot be known:\n{}", lines.join("\n")));
    }
    if report.skipped > 0 {
        parts.push(format!("{} bad lines were left out", report.skipped));
    }
    if report.unclaimed > 0 {
        parts.push(format!("{} lines of topics that no device and no rule hears", report.unclaimed));
    }
    parts.join("\n\n")
}

fn counts(report: &Report) -> String {
    let mut table = plain(["", "old", "new", "same", "only old", "only new", "moved", "changed"]);
    let groups: [(&str, &[Named]); 3] =
        [("deployment", &report.deployments), ("device", &report.devices), ("told", &report.people)];
    for (word, rows) in groups {
        for row in rows {
            let c = &row.counts;
            let numbers = [c.old, c.new, c.same, c.removed, c.added, c.moved, c.changed].map(|count| count.to_string());
            table.add_row(std::iter::once(format!("{word} {}", row.name)).chain(numbers));
        }
    }
    for (hour, c) in report.hours.iter().enumerate().filter(|(_, counts)| counts.differing() > 0) {
        let numbers = [c.old, c.new, c.same, c.removed, c.added, c.moved, c.changed].map(|count| count.to_string());
        table.add_row(std::iter::once(format!("hour {hour:02}:00 {}", report.zone)).chain(numbers));
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table.to_string()
}

fn differences(found: &[Difference]) -> String {
    let mut table = plain(["", "when", "deployment", "key", "decision", "why"]);
    for difference in found.iter().take(SHOWN) {
        let moved = difference.moved().map(|moved| format!("\n{moved}")).unwrap_or_default();
        let mut why = difference.why.clone();
        for field in &difference.fields {
            why = format!("{why}\n{}: {} -> {}", field.path, field.old, field.new);
        }
        table.add_row([
            difference.class.word().to_owned(),
            format!("{}{moved}", difference.at),
            difference.deployment.to_string(),
            difference.key.to_string(),
            format!("{} {}", difference.kind, difference.what),
            why,
        ]);
    }
    table.to_string()
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}
