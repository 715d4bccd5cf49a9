//! Charts: inline SVG without scripts, coloured by classes that the page styles for light and dark.

use std::fmt::Write as _;

use crate::report::{Bar, Counts, Named, Report};

/// Width of every chart in its own units; the page scales it.
const WIDTH: f64 = 960.0;
/// Rows of a bar chart; the rest is summed up in words.
const ROWS: usize = 12;
/// Characters of a name; the whole name is in its title.
const NAME: usize = 30;

/// Decisions along time: those of the old set upwards, those of the new one downwards.
pub(crate) fn timeline(bars: &[Bar], bar_seconds: i64) -> String {
    let (half, left, middle) = (84.0, 40.0, 96.0);
    let most = bars.iter().map(|bar| bar.old.max(bar.new)).max().unwrap_or(0).max(1);
    let step = (WIDTH - left) / bars.len().max(1) as f64;
    let width = (step * 0.8).min(28.0);
    let mut svg = open(216.0, "Decisions along time, old against new");
    for (index, bar) in bars.iter().enumerate() {
        let x = left + step * index as f64 + (step - width) / 2.0;
        let height = |count: u64| count as f64 / most as f64 * half;
        let (old, new) = (height(bar.old), height(bar.new));
        let title = format!("{}: old {}, new {}", bar.at, bar.old, bar.new);
        let _ = write!(
            svg,
            r#"<g><title>{title}</title><rect class="old" x="{x:.1}" y="{:.1}" width="{width:.1}" height="{old:.1}"/><rect class="new" x="{x:.1}" y="{:.1}" width="{width:.1}" height="{new:.1}"/></g>"#,
            middle - old - 1.0,
            middle + 1.0,
        );
    }
    let _ = write!(svg, r#"<line class="axis" x1="{left}" x2="{WIDTH}" y1="{middle}" y2="{middle}"/>"#);
    for y in [middle - half + 4.0, middle + half + 4.0] {
        text(&mut svg, left - 8.0, y, "end", &most.to_string());
    }
    text(&mut svg, left - 8.0, middle + 4.0, "end", "0");
    let day = bar_seconds >= 86_400;
    for (part, anchor) in [(0, "start"), (1, "middle"), (2, "end")] {
        let Some(bar) = bars.get(part * bars.len().saturating_sub(1) / 2).filter(|_| part == 0 || bars.len() > 2)
        else {
            continue;
        };
        let x = left + (WIDTH - left) * part as f64 / 2.0;
        let at = bar.at.to_string();
        let shown = if day { at.get(..10) } else { at.get(..16) };
        text(&mut svg, x, 206.0, anchor, &shown.unwrap_or(&at).replace('T', " "));
    }
    svg.push_str("</svg>");
    svg
}

/// Old against new for each name, with what differs.
pub(crate) fn bars(rows: &[Named], label: &str) -> String {
    // On the right, room for the four counts of differences beside a bar's own.
    let (left, right, row) = (210.0, 400.0, 34.0);
    let shown = &rows[..rows.len().min(ROWS)];
    let most = shown.iter().map(|row| row.counts.old.max(row.counts.new)).max().unwrap_or(0).max(1);
    let mut svg = open(row * shown.len() as f64 + 4.0, label);
    for (index, named) in shown.iter().enumerate() {
        let y = row * index as f64 + 4.0;
        let length = |count: u64| (count as f64 / most as f64 * (WIDTH - left - right)).max(1.0);
        let counts = &named.counts;
        let (old, new) = (length(counts.old), length(counts.new));
        let name = escape(&named.name);
        let short = escape(&shortened(&named.name));
        let _ = write!(
            svg,
            r#"<g><title>{name}: old {}, new {}</title><text x="{:.1}" y="{:.1}" text-anchor="end">{short}</text><rect class="old" x="{left}" y="{y:.1}" width="{old:.1}" height="12"/><rect class="new" x="{left}" y="{:.1}" width="{new:.1}" height="12"/></g>"#,
            counts.old,
            counts.new,
            left - 10.0,
            y + 17.0,
            y + 13.0,
        );
        text(&mut svg, left + old + 5.0, y + 10.5, "start", &counts.old.to_string());
        text(&mut svg, left + new + 5.0, y + 23.5, "start", &counts.new.to_string());
        text(&mut svg, WIDTH, y + 17.0, "end", &differing(counts));
    }
    svg.push_str("</svg>");
    svg
}

/// Names that a bar chart leaves out.
pub(crate) fn left_out(rows: &[Named]) -> usize {
    rows.len().saturating_sub(ROWS)
}

/// Hours of day against what became of the decisions: the more, the darker.
pub(crate) fn hours(report: &Report) -> String {
    let (left, row) = (110.0, 30.0);
    let column = (WIDTH - left) / 24.0;
    type Of = fn(&Counts) -> u64;
    let lines: [(&str, &str, Of); 6] = [
        ("old", "old", |counts| counts.old),
        ("new", "new", |counts| counts.new),
        ("only in old", "removed", |counts| counts.removed),
        ("only in new", "added", |counts| counts.added),
        ("moved", "moved", |counts| counts.moved),
        ("changed", "changed", |counts| counts.changed),
    ];
    let most = report.hours.iter().map(|counts| counts.old.max(counts.new)).max().unwrap_or(0).max(1);
    let mut svg = open(row * 6.0 + 22.0, "Decisions by hour of day");
    for (index, (name, class, of)) in lines.iter().enumerate() {
        let y = row * index as f64;
        text(&mut svg, left - 10.0, y + 19.0, "end", name);
        for (hour, counts) in report.hours.iter().enumerate() {
            let x = left + column * hour as f64;
            let count = of(counts);
            // The least that there is stays visible beside none.
            let shade = if count == 0 { 0.0 } else { 0.18 + 0.82 * count as f64 / most as f64 };
            let _ = write!(
                svg,
                r#"<g><title>{hour:02}:00, {name}: {count}</title><rect class="cell" x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}"/><rect class="{class}" fill-opacity="{shade:.2}" x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}"/></g>"#,
                w = column - 3.0,
                h = row - 4.0,
            );
            if count > 0 {
                let class = if shade > 0.6 { "strong" } else { "weak" };
                let (x, y) = (x + (column - 3.0) / 2.0, y + 17.5);
                let _ =
                    write!(svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="middle">{count}</text>"#);
            }
        }
    }
    for hour in (0..24).step_by(3) {
        text(&mut svg, left + column * f64::from(hour), row * 6.0 + 14.0, "start", &format!("{hour:02}:00"));
    }
    svg.push_str("</svg>");
    svg
}

fn differing(counts: &Counts) -> String {
    let parts = [
        (counts.removed, "only old"),
        (counts.added, "only new"),
        (counts.moved, "moved"),
        (counts.changed, "changed"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if told.is_empty() { "all the same".to_owned() } else { told.join(", ") }
}

fn open(height: f64, label: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="{}">"#, escape(label))
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escape(words);
    let _ = write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{words}</text>"#);
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    // The end tells members of a fleet apart.
    let tail: Vec<char> = name.chars().rev().take(NAME - 1).collect();
    std::iter::once('…').chain(tail.into_iter().rev()).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_never_markup() {
        let rows = [Named { name: "<script>\"&".into(), counts: Counts { old: 1, ..Counts::default() } }];
        let svg = bars(&rows, "by \"name\"");
        assert!(svg.contains("&lt;script&gt;&quot;&amp;") && !svg.contains("<script"), "{svg}");
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(shortened(&"x".repeat(NAME)), "x".repeat(NAME));
        let long = format!("{}/probe-7", "x".repeat(NAME));
        assert!(shortened(&long).ends_with("/probe-7") && shortened(&long).chars().count() == NAME);
    }
}
