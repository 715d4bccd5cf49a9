//! The report as one page of HTML that needs nothing else: to be opened, printed or mailed.

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use serde_json::Value as Json;

use crate::chart;
use crate::difference::Difference;
use crate::report::{Named, Report};

const PAGE: &str = include_str!("report.html");
/// Differences in the page's table: more are in the JSON, and no one reads them here.
const ROWS: usize = 500;

/// A chart with what it leaves out.
#[derive(Serialize)]
struct Chart {
    title: &'static str,
    svg: String,
    left_out: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    class: &'static str,
    at: String,
    moved: String,
    deployment: &'a str,
    key: &'a str,
    kind: &'a str,
    what: &'a str,
    why: &'a str,
    fields: Vec<String>,
}

/// Draws the page.
///
/// # Errors
/// When the page's own template is wrong, which its test would show.
pub fn render(report: &Report) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.add_template("report.html", PAGE)?;
    let charts: Vec<Chart> = [
        ("By deployment", &report.deployments),
        ("By device", &report.devices),
        ("By person or group", &report.people),
    ]
    .into_iter()
    .filter(|(_, rows)| !rows.is_empty())
    .map(|(title, rows)| chart_of(title, rows))
    .collect();
    let rows: Vec<Row<'_>> = report.differences.iter().take(ROWS).map(row).collect();
    environment.get_template("report.html")?.render(context! {
        sentence => report.sentence(),
        old => &*report.old,
        new => &*report.new,
        stream => &*report.stream,
        from => report.from.to_string(),
        to => report.to.to_string(),
        inputs => report.inputs,
        skipped => report.skipped,
        unclaimed => report.unclaimed,
        window => span(report.window_seconds),
        counts => Value::from(Serde(report.counts)),
        timeline => chart::timeline(&report.timeline, report.bar_seconds),
        bar => span(report.bar_seconds as f64),
        charts => Value::from(Serde(charts)),
        hours => chart::hours(report),
        zone => &*report.zone,
        rows => Value::from(Serde(rows)),
        rows_left_out => report.differences.len().saturating_sub(ROWS),
        unknown => Value::from(Serde(&report.unknown)),
        version => env!("CARGO_PKG_VERSION"),
    })
}

fn chart_of(title: &'static str, rows: &[Named]) -> Chart {
    Chart { title, svg: chart::bars(rows, title), left_out: chart::left_out(rows) }
}

fn row(difference: &Difference) -> Row<'_> {
    let value = |json: &Json| match json {
        Json::Null => "none".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let field = |field: &crate::Field| format!("{}: {} → {}", field.path, value(&field.old), value(&field.new));
    Row {
        class: difference.class.word(),
        at: difference.at.to_string().replace('T', " ").trim_end_matches('Z').to_owned(),
        moved: difference.moved().unwrap_or_default(),
        deployment: &difference.deployment,
        key: &difference.key,
        kind: &difference.kind,
        what: &difference.what,
        why: &difference.why,
        fields: difference.fields.iter().map(field).collect(),
    }
}

/// Seconds as a duration.
pub(crate) fn span(seconds: f64) -> String {
    model::Span::from_millis((seconds * 1e3).round() as u64).to_string()
}
