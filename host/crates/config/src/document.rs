//! A TOML file as plain values, with the line of every key.

use std::collections::HashMap;
use std::fmt;

use model::Name;
use serde_json::{Map, Number, Value as Json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, Problems};

/// A parsed file. Values are JSON, which is what settings are anyway; lines are looked up by path.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) file: Name,
    pub(crate) value: Json,
    lines: HashMap<Path, usize>,
}

/// Where in a file: keys and list entries from the top.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Path(Vec<String>);

impl Path {
    /// The path of these keys from the top.
    pub(crate) fn of(keys: &[&str]) -> Self {
        keys.iter().fold(Self::default(), |path, key| path.key(key))
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        self.with(if bare { key.to_owned() } else { format!("{key:?}") })
    }

    /// The entry `index` of a list: by its name or id where it has one.
    pub(crate) fn item(&self, index: usize, item: &Json) -> Self {
        let text = |key| item.get(key).and_then(Json::as_str);
        self.entry(index, text("name").or_else(|| text("id")))
    }

    fn entry(&self, index: usize, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.key(name),
            None => self.with(format!("[{index}]")),
        }
    }

    fn with(&self, segment: String) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 && !segment.starts_with('[') {
                f.write_str(".")?;
            }
            f.write_str(segment)?;
        }
        Ok(())
    }
}

impl Document {
    /// # Errors
    /// Every mistake in the TOML itself, with its line.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reading =
            Reading { newlines: newlines(text), file: file.into(), lines: HashMap::new(), problems: vec![] };
        for error in errors {
            let line = error.span().map(|span| reading.line(span.start));
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            reading.problems.push(Problem { line, ..Problem::of_file(file, message) });
        }
        if !reading.problems.is_empty() {
            // Values behind a syntax error are guesses: what they would be blamed for is not said.
            return Problems::unless_any(Self::empty(file), reading.problems);
        }
        let value = reading.table(table.get_ref(), &Path::default());
        Problems::unless_any(Self { file: reading.file, value, lines: reading.lines }, reading.problems)
    }

    fn empty(file: &str) -> Self {
        Self { file: file.into(), value: Json::Null, lines: HashMap::new() }
    }

    /// A problem at `path`, or at the nearest place above it that the file has.
    pub(crate) fn problem(&self, path: &Path, message: impl Into<String>) -> Problem {
        let mut above = path.clone();
        let mut line = self.lines.get(&above);
        while line.is_none() && above.0.pop().is_some() {
            line = self.lines.get(&above);
        }
        Problem {
            file: self.file.clone(),
            line: line.copied(),
            path: path.to_string(),
            message: message.into(),
            nearest: None,
        }
    }
}

fn newlines(text: &str) -> Vec<usize> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset).collect()
}

struct Reading {
    newlines: Vec<usize>,
    file: Name,
    lines: HashMap<Path, usize>,
    problems: Vec<Problem>,
}

impl Reading {
    fn line(&self, offset: usize) -> usize {
        self.newlines.partition_point(|newline| *newline < offset) + 1
    }

    fn table(&mut self, table: &DeTable<'_>, path: &Path) -> Json {
        let mut object = Map::new();
        for (key, value) in table {
            let path = path.key(key.get_ref());
            self.lines.insert(path.clone(), self.line(key.span().start));
            object.insert(key.get_ref().to_string(), self.value(value, &path));
        }
        Json::Object(object)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &Path) -> Json {
        match value.get_ref() {
            DeValue::String(text) => Json::String(text.to_string()),
            DeValue::Boolean(yes) => Json::Bool(*yes),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Json::from(integer),
                Err(_) => self.refuse(value, path, "the integer does not fit 64 bits"),
            },
            DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Json::Number(number),
                None => self.refuse(value, path, "expected a finite number"),
            },
            DeValue::Datetime(_) => self.refuse(value, path, "no key takes a bare date or time: write it as a text"),
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(items) => Json::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        let text = |key: &str| item.get_ref().get(key).and_then(|v| v.get_ref().as_str());
                        let path = path.entry(index, text("name").or_else(|| text("id")));
                        self.lines.insert(path.clone(), self.line(item.span().start));
                        self.value(item, &path)
                    })
                    .collect(),
            ),
        }
    }

    fn refuse(&mut self, value: &Spanned<DeValue<'_>>, path: &Path, message: &str) -> Json {
        let line = Some(self.line(value.span().start));
        self.problems.push(Problem { line, path: path.to_string(), ..Problem::of_file(&self.file, message) });
        Json::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_knows_its_line_and_a_missing_one_that_of_its_table() {
        let document = Document::parse("[a]\nb = 1\n\n[[c]]\nname = \"x/y\"\n[[c]]\nd = 2\n", "f.toml").expect("valid");
        let at = |path: Path| document.problem(&path, "wrong").to_string();
        assert_eq!(at(Path::of(&["a", "b"])), "f.toml:2: a.b: wrong");
        assert_eq!(at(Path::of(&["a", "missing"])), "f.toml:1: a.missing: wrong");
        let list = Path::of(&["c"]);
        assert_eq!(at(list.item(0, &document.value["c"][0]).key("z")), "f.toml:4: c.\"x/y\".z: wrong");
        assert_eq!(at(list.item(1, &document.value["c"][1]).key("d")), "f.toml:7: c[1].d: wrong");
    }

    #[test]
    fn mistakes_in_the_toml_itself_are_all_named() {
        let problems = Document::parse("a = \nb = 1\nb = 2\nc = ]\n", "f.toml").expect_err("three mistakes");
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert!(lines.contains(&Some(1)) && lines.contains(&Some(3)) && lines.contains(&Some(4)), "{problems}");
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_refused() {
        for (text, message) in [
            ("a = nan", "f.toml:1: a: expected a finite number"),
            ("a = 9223372036854775808", "f.toml:1: a: the integer does not fit 64 bits"),
            ("a = 2026-01-01", "f.toml:1: a: no key takes a bare date or time: write it as a text"),
        ] {
            assert_eq!(Document::parse(text, "f.toml").expect_err("refused").to_string(), message);
        }
        assert_eq!(Document::parse("a = 0x7fff_ffff_ffff_ffff", "f").expect("fits").value["a"], i64::MAX);
    }
}
