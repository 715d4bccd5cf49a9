//! What came out beside what is known, as a table, with the instants of every difference.

use std::io::Write as _;

use comfy_table::{Cell, CellAlignment, Table, presets};
use model::Instant;

use crate::answers::{Fired, KnownAnswers};
use crate::converters::Line;
use crate::recordings::Recording;

/// Differing instants that are shown of one answer; more do not help to find the cause.
const SHOWN: usize = 5;

#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    recording: String,
    rule: &'static str,
    expected: usize,
    got: usize,
    missing: Vec<String>,
    unexpected: Vec<String>,
}

impl Report {
    /// Compares the answers of one run of a recording.
    pub(crate) fn compare(
        &mut self,
        recording: &Recording,
        how: &str,
        known: &KnownAnswers,
        lines: &[Line],
        fired: &[Fired],
    ) {
        for answer in recording.answers {
            let got = fired.iter().filter(|one| one.trigger == answer.trigger && one.phase == answer.phase);
            self.row(recording, how, answer.known, known.of(answer), got.map(|one| one.at).collect());
        }
        for computed in recording.computed {
            let mut expected = (computed.expected)(lines);
            expected.sort_unstable();
            let got = fired.iter().filter(|one| one.trigger == computed.trigger && one.phase == computed.phase());
            let got = got.map(|one| (one.at, one.device.clone())).collect();
            self.row(recording, how, computed.rule, expected, got);
        }
    }

    /// `expected` is sorted.
    fn row<T: Ord + Clone + Shown>(
        &mut self,
        recording: &Recording,
        how: &str,
        rule: &'static str,
        expected: Vec<T>,
        mut got: Vec<T>,
    ) {
        got.sort_unstable();
        let shown = |of: Vec<T>| of.iter().map(Shown::shown).collect();
        self.rows.push(Row {
            recording: format!("{} ({how})", recording.name),
            rule,
            expected: expected.len(),
            got: got.len(),
            missing: shown(without(&expected, &got)),
            unexpected: shown(without(&got, &expected)),
        });
    }

    pub(crate) fn all_equal(&self) -> bool {
        self.rows.iter().all(Row::equal)
    }

    /// The table to standard output, the differences to standard error.
    pub(crate) fn print(&self) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["recording", "rule", "expected", "got", "ok"]);
        for row in &self.rows {
            let number = |count: usize| Cell::new(count).set_alignment(CellAlignment::Right);
            let ok = if row.equal() { "yes" } else { "NO" };
            table.add_row([
                Cell::new(&row.recording),
                Cell::new(row.rule),
                number(row.expected),
                number(row.got),
                Cell::new(ok),
            ]);
        }
        // A closed standard output, as of `head`, is no reason to fail.
        let _ = writeln!(std::io::stdout(), "{table}");
        for row in self.rows.iter().filter(|row| !row.equal()) {
            say(&format!("{}: {}", row.recording, row.rule));
            for (what, instants) in [("missing", &row.missing), ("unexpected", &row.unexpected)] {
                for at in instants.iter().take(SHOWN) {
                    say(&format!("  {what} {at}"));
                }
                if instants.len() > SHOWN {
                    say(&format!("  and {} more {what}", instants.len() - SHOWN));
                }
            }
        }
    }
}

impl Row {
    fn equal(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }
}

/// Progress and errors, for people.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What happened, in words for people.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for Instant {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for (Instant, String) {
    fn shown(&self) -> String {
        format!("{} {}", self.0, self.1)
    }
}

/// What is in `of` and not in `others`, each as often as it is there more often; both sorted.
fn without<T: Ord + Clone>(of: &[T], others: &[T]) -> Vec<T> {
    let mut others = others.iter().peekable();
    let mut left = Vec::new();
    for at in of {
        while others.next_if(|other| *other < at).is_some() {}
        if others.next_if(|other| *other == at).is_none() {
            left.push(at.clone());
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_count_repeats() {
        let at = |instants: &[i64]| instants.iter().copied().map(Instant).collect::<Vec<_>>();
        assert_eq!(without(&at(&[1, 2, 3]), &at(&[1, 2, 3])), at(&[]));
        assert_eq!(without(&at(&[1, 2, 2, 3]), &at(&[2, 3, 4])), at(&[1, 2]));
        assert_eq!(without(&at(&[]), &at(&[1])), at(&[]));
        assert_eq!(without(&at(&[5]), &at(&[])), at(&[5]));
    }
}
