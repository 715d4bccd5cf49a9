//! The reference of every key, written from the tables that the files are checked against.

use std::fmt::Write as _;

use crate::deployment::{DEPLOYMENT, GRANTS};
use crate::host::{HOST, SCENARIO, TEMPLATE};
use crate::manifest::{MANIFEST, PREDICATE, PROPERTY, TRIGGER};
use crate::schema::{Key, Kind, Need, Shape};

/// Files, and tables that several places hold: each has a heading of its own and is only named elsewhere.
static SECTIONS: &[(&str, &str, &Shape)] = &[
    ("pointsman.toml", "The host. Paths are relative to its folder; secrets come from files of their own.", &HOST),
    ("deployments/NAME.toml", "An operator's decision; NAME is the deployment's name.", &DEPLOYMENT),
    ("Grants", "What a deployment grants of what its rule asks for; absent means nothing.", &GRANTS),
    ("templates/NAME.toml", "An approved text; NAME is the template's name.", &TEMPLATE),
    ("rule.toml", "A rule's manifest, packed into its component.", &MANIFEST),
    ("Conditions", "`when` and `clear` of triggers. Exactly one test, `all` or `any` each.", &PREDICATE),
    ("Settings", "One setting of a rule, or a part of one: JSON Schema.", &PROPERTY),
    ("scenarios/deployment.toml", "The small installation in which a rule's scenarios run.", &SCENARIO),
];

const INTRODUCTION: &str = "# Configuration reference

Generated from the tables that the host checks these files against; do not edit it by hand.

Keys are kebab-case.
An unknown key, a wrong type or a wrong unit is an error that names the file, the line and the nearest valid name.
Durations are short (`30m`, `1d`, `1h30m`) or ISO 8601 (`PT30M`, `P1D`); a day is exactly 24 hours.
Quantities are a number with a UCUM code (`\"8 Cel\"`, `\"1.5 kW\"`), or the bare number where the capability has no unit.
Defaults are written as in the file; a key without one is either required or may be left out.
Names start with a letter and have at most 64 characters, ids at most 128.
`[]` in a key stands for each entry of a list, NAME for a name of your own.
";

/// Every key of every file with its type, unit, default and meaning, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (title, about, shape) in SECTIONS {
        section(&mut text, title, about, shape, "");
        if std::ptr::eq(*shape, &MANIFEST) {
            let Kind::Variant(kinds) = TRIGGER else { continue };
            for (kind, shape) in kinds {
                section(
                    &mut text,
                    &format!("Trigger: {kind}"),
                    &format!("`[[trigger]]` with `kind = \"{kind}\"`."),
                    shape,
                    "trigger[].",
                );
            }
        }
    }
    text
}

fn section(text: &mut String, title: &str, about: &str, shape: &Shape, prefix: &str) {
    let heading = format!("\n## {title}\n\n{about}\n\n| key | type | default | meaning |\n|---|---|---|---|\n");
    text.push_str(&heading);
    rows(text, shape, prefix);
}

fn rows(text: &mut String, shape: &Shape, prefix: &str) {
    for key in shape.keys {
        let path = format!("{prefix}{}", key.name);
        let (of, path) = inner(&key.kind, path);
        let below = of.filter(|shape| title(shape).is_none());
        let kind = match of.and_then(title) {
            Some(title) => format!("see [{title}](#{})", anchor(title)),
            None if below.is_some() && !matches!(key.kind, Kind::Either(_)) => "table".to_owned(),
            None if key.name == "trigger" => "a list of tables; their keys depend on `kind`, see below".to_owned(),
            None => key.kind.words(),
        };
        let kind = if key.name == "kind" && prefix == "trigger[]." { "this word".to_owned() } else { kind };
        writeln!(text, "| `{path}` | {} | {} | {} |", cell(&kind), cell(&default(key)), cell(key.about))
            .expect("writing to a text does not fail");
        if let Some(below) = below {
            rows(text, below, &format!("{path}."));
        }
    }
}

/// The table that a key holds, directly or in a list or map, and how its path goes on.
fn inner(kind: &Kind, path: String) -> (Option<&'static Shape>, String) {
    match kind {
        Kind::Table(shape) => (Some(shape), path),
        Kind::List(of) => match inner(of, format!("{path}[]")) {
            (Some(shape), path) => (Some(shape), path),
            (None, _) => (None, path),
        },
        Kind::Map(_, of) => match inner(of, format!("{path}.NAME")) {
            (Some(shape), path) => (Some(shape), path),
            (None, _) => (None, path),
        },
        Kind::Open(of) => inner(of, path),
        Kind::Either(kinds) => {
            let of = kinds.iter().find_map(|kind| inner(kind, path.clone()).0);
            (of.filter(|shape| title(shape).is_none()), path)
        }
        Kind::Text(_)
        | Kind::Word(_)
        | Kind::Boolean
        | Kind::Integer(..)
        | Kind::Number(..)
        | Kind::Scalar
        | Kind::Any
        | Kind::Variant(_) => (None, path),
    }
}

/// The heading under which `shape` stands, if it has one.
fn title(shape: &'static Shape) -> Option<&'static str> {
    SECTIONS.iter().find(|(_, _, known)| std::ptr::eq(*known, shape)).map(|(title, ..)| *title)
}

/// The anchor that Markdown gives a heading.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | ' ')).collect::<String>().replace(' ', "-")
}

fn default(key: &Key) -> String {
    match key.need {
        Need::Required => "required".to_owned(),
        Need::Optional => String::new(),
        Need::Default("{}" | "[]") => String::new(),
        Need::Default(value) => format!("`{value}`"),
        Need::Otherwise(words) => words.to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_the_documentation_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let generated = reference();
        if std::env::var_os("POINTSMAN_WRITE_REFERENCE").is_some() {
            std::fs::write(file, &generated).expect("the reference is written");
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert!(written == generated, "stale: run this test with POINTSMAN_WRITE_REFERENCE=1");
    }

    #[test]
    fn a_key_that_takes_a_word_or_a_table_names_the_words() {
        let generated = reference();
        let rows: Vec<_> = generated.lines().filter(|line| line.starts_with("| `trigger[].overdue` |")).collect();
        assert!(rows.len() >= 2, "{rows:?}");
        assert!(rows.iter().all(|row| row.contains(r#"one of "fire", "fire-within", "skip"; or a table"#)), "{rows:?}");
    }

    #[test]
    fn every_key_is_there_once_in_its_section() {
        let generated = reference();
        for key in
            ["`host.partitions`", "`mqtt[].credentials.password-file`", "`roles.NAME.many`", "`trigger[].gap-max`"]
        {
            assert_eq!(generated.matches(&format!("| {key} |")).count(), 1, "{key}");
        }
    }
}
