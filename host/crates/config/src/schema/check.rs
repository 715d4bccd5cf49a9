//! Holds a file against its table: names everything unknown, missing or of a wrong type, and fills in the defaults.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::{Key, Kind, Need, Shape, quoted};
use crate::document::{Document, Path};
use crate::problem::{Problem, Problems};

/// Reads a whole file as its raw type, with the defaults filled in.
///
/// # Errors
/// Everything in which the file differs from `shape`.
pub(crate) fn read<T: DeserializeOwned>(document: &Document, shape: &'static Shape) -> Result<T, Problems> {
    check_filled(document, &Kind::Table(shape), document.value.clone(), &Path::default()).map_err(Problems::all)
}

/// One value of the file as its raw type, with the defaults filled in. Placeholders outside [`Kind::Open`] are already
/// replaced.
///
/// # Errors
/// Everything in which it differs from `kind`.
pub(crate) fn check_filled<T: DeserializeOwned>(
    document: &Document,
    kind: &Kind,
    value: Json,
    path: &Path,
) -> Result<T, Vec<Problem>> {
    let mut checker = Checker { document, placeholders: false, problems: Vec::new() };
    let value = checker.value(kind, value, path);
    if checker.problems.is_empty() {
        from_checked(document, path, value).map_err(|problem| vec![problem])
    } else {
        Err(checker.problems)
    }
}

/// The table has let it pass, so this fails only where table and raw type disagree; that is still said, not hidden.
fn from_checked<T: DeserializeOwned>(document: &Document, path: &Path, value: Json) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| document.problem(path, error.to_string()))
}

struct Checker<'a> {
    document: &'a Document,
    placeholders: bool,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&mut self, path: &Path, message: impl Into<String>) {
        self.problems.push(self.document.problem(path, message));
    }

    /// The value with defaults filled in; what is wrong with it becomes problems.
    fn value(&mut self, kind: &Kind, value: Json, path: &Path) -> Json {
        match (kind, value) {
            (Kind::Any, value) => value,
            (Kind::Open(of), value) => {
                let outside = std::mem::replace(&mut self.placeholders, true);
                let value = self.value(of, value, path);
                self.placeholders = outside;
                value
            }
            (Kind::Scalar, value) if !value.is_object() && !value.is_array() => value,
            (Kind::Boolean, value @ Json::Bool(_)) => value,
            (Kind::Text(form), Json::String(text)) => {
                // Names of triggers and roles are never filled in: state and bindings go by them.
                if (!self.is_open(&text) || *form == super::Form::Kebab)
                    && let Err(wrong) = form.check(&text)
                {
                    let nearest = wrong.nearest;
                    self.problems.push(Problem { nearest, ..self.document.problem(path, wrong.message) });
                }
                Json::String(text)
            }
            (Kind::Word(words), Json::String(text)) => {
                if !self.is_open(&text) && !words.contains(&&*text) {
                    let problem = self.document.problem(path, format!("`{text}`: expected {}", kind.words()));
                    self.problems.push(problem.near(&text, words.iter().copied()));
                }
                Json::String(text)
            }
            (_, Json::String(text)) if self.is_open(&text) => Json::String(text),
            (Kind::Integer(low, high), Json::Number(number)) => {
                if !number.as_i64().is_some_and(|n| (*low..=*high).contains(&n)) {
                    self.problem(path, format!("{number}: expected {}", kind.words()));
                }
                Json::Number(number)
            }
            (Kind::Number(low, high), Json::Number(number)) => {
                if !number.as_f64().is_some_and(|n| (*low..=*high).contains(&n)) {
                    self.problem(path, format!("{number}: expected {}", kind.words()));
                }
                Json::Number(number)
            }
            (Kind::List(of), Json::Array(items)) => Json::Array(self.list(of, items, path)),
            (Kind::Table(shape), value @ Json::Object(_)) => self.table(shape, value, path, ""),
            (Kind::Map(form, of), Json::Object(entries)) => self.map(*form, of, entries, path),
            (Kind::Variant(variants), value @ Json::Object(_)) => self.variant(variants, value, path),
            (Kind::Either(kinds), value) => match kinds.iter().find(|kind| takes(kind, &value)) {
                Some(kind) => self.value(kind, value, path),
                None => self.wrong_type(kind, value, path),
            },
            (kind, value) => self.wrong_type(kind, value, path),
        }
    }

    fn is_open(&self, text: &str) -> bool {
        self.placeholders && text.contains("${")
    }

    fn wrong_type(&mut self, kind: &Kind, value: Json, path: &Path) -> Json {
        self.problem(path, format!("expected {}, found {}", kind.words(), type_words(&value)));
        value
    }

    fn list(&mut self, of: &Kind, items: Vec<Json>, path: &Path) -> Vec<Json> {
        let items = items.into_iter().enumerate();
        items
            .map(|(index, item)| {
                let path = path.item(index, &item);
                self.value(of, item, &path)
            })
            .collect()
    }

    fn map(&mut self, form: super::Form, of: &Kind, entries: Map<String, Json>, path: &Path) -> Json {
        let mut filled = Map::new();
        for (name, value) in entries {
            let path = path.key(&name);
            if let Err(wrong) = form.check(&name) {
                self.problem(&path, wrong.message);
            }
            let value = self.value(of, value, &path);
            filled.insert(name, value);
        }
        Json::Object(filled)
    }

    fn variant(&mut self, variants: &[(&'static str, &'static Shape)], value: Json, path: &Path) -> Json {
        let words: Vec<_> = variants.iter().map(|(word, _)| *word).collect();
        let at = path.key("kind");
        let kind = match value.get("kind") {
            Some(Json::String(kind)) => kind.clone(),
            Some(other) => {
                let message = format!("expected one of {}, found {}", quoted(&words), type_words(other));
                self.problem(&at, message);
                return value;
            }
            None => {
                self.problem(&at, format!("missing: expected one of {}", quoted(&words)));
                return value;
            }
        };
        match variants.iter().find(|(word, _)| *word == kind) {
            Some((word, shape)) => self.table(shape, value, path, &format!(" for kind \"{word}\"")),
            None => {
                let problem =
                    self.document.problem(&at, format!("unknown kind `{kind}`: expected one of {}", quoted(&words)));
                self.problems.push(problem.near(&kind, words));
                value
            }
        }
    }

    /// `of` says what the table is, where that is not clear from its path.
    fn table(&mut self, shape: &'static Shape, value: Json, path: &Path, of: &str) -> Json {
        let Json::Object(mut entries) = value else { return self.wrong_type(&Kind::Table(shape), value, path) };
        let mut filled = Map::new();
        for key in shape.keys {
            let at = path.key(key.name);
            let Some(value) = entries.remove(key.name).or_else(|| self.left_out(key, &at)) else { continue };
            let value = self.value(&key.kind, value, &at);
            filled.insert(key.name.to_owned(), value);
        }
        for (unknown, _) in entries {
            let problem = self.document.problem(&path.key(&unknown), format!("unknown field{of}"));
            self.problems.push(problem.near(&unknown, shape.keys.iter().map(|key| key.name)));
        }
        Json::Object(filled)
    }

    fn left_out(&mut self, key: &Key, path: &Path) -> Option<Json> {
        match key.need {
            Need::Optional | Need::Otherwise(_) => None,
            Need::Default(text) => Some(parse_default(text)),
            Need::Required => {
                self.problem(path, format!("missing: expected {}", key.kind.words()));
                None
            }
        }
    }
}

/// A default of the table, written as TOML.
fn parse_default(text: &str) -> Json {
    let document = Document::parse(&format!("value = {text}"), "default").expect("a test reads every default");
    document.value["value"].clone()
}

/// Whether a value of this JSON type is what `kind` is about.
fn takes(kind: &Kind, value: &Json) -> bool {
    match kind {
        Kind::Text(_) | Kind::Word(_) => value.is_string(),
        Kind::Boolean => value.is_boolean(),
        Kind::Integer(..) | Kind::Number(..) => value.is_number(),
        Kind::Scalar => !value.is_object() && !value.is_array(),
        Kind::Any => true,
        Kind::Open(of) => takes(of, value),
        Kind::List(_) => value.is_array(),
        Kind::Table(_) | Kind::Map(..) | Kind::Variant(_) => value.is_object(),
        Kind::Either(kinds) => kinds.iter().any(|kind| takes(kind, value)),
    }
}

fn type_words(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::Bool(yes) => yes.to_string(),
        Json::Number(number) => format!("the number {number}"),
        Json::String(text) => format!("the text \"{text}\""),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a table".to_owned(),
    }
}
