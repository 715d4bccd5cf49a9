//! Every known complaint about other engines has a test that stands, under the name that `tests/scenarios` gives it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Adds the names of functions that are tests in any Rust file below a folder.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                tests_below(&path, names);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                marked |= line == "#[test]" || line.starts_with("#[tokio::test");
                let name =
                    line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                if let Some(name) = name
                    && std::mem::take(&mut marked)
                {
                    names.insert(name.to_owned());
                }
            }
        }
    }
}

#[test]
fn every_complaint_has_scenarios_that_are_there() {
    let table = std::fs::read_to_string(root().join("tests/scenarios/README.md")).expect("the table");
    let mut names = BTreeSet::new();
    for folder in ["host", "tests", "sdk"] {
        tests_below(&root().join(folder), &mut names);
    }
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(rows.len(), 25);
    for (number, row) in (1..).zip(rows) {
        assert!(row.starts_with(&format!("| {number} |")), "{row}");
        let named: Vec<&str> = row.split('`').skip(1).step_by(2).filter(|name| name.contains('_')).collect();
        assert!(!named.is_empty(), "complaint {number} names no scenario");
        for name in named {
            assert!(names.contains(name), "complaint {number}: there is no test `{name}`");
        }
    }
}
