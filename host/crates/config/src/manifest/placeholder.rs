//! Placeholders: `${name}` in a trigger's texts stands for the deployment's setting of that name.

use serde_json::{Map, Value as Json};

use crate::document::{Document, Path};
use crate::problem::Problem;

/// A stretch of text: as it is, or the name of a setting.
enum Piece<'a> {
    Plain(&'a str),
    Setting(&'a str),
}

/// The names that `value` asks for, in the order of writing; one that does not end is left out.
pub(crate) fn names(value: &Json) -> Vec<String> {
    let mut found = Vec::new();
    each_text(value, &mut |text| {
        for piece in pieces(text).unwrap_or_default() {
            if let Piece::Setting(name) = piece {
                found.push(name.to_owned());
            }
        }
    });
    found
}

/// `value` with settings in place of their placeholders. A text that is one placeholder takes the setting's own type.
///
/// What cannot be filled becomes a problem at its place and is left as it is.
pub(crate) fn fill(
    document: &Document,
    value: &Json,
    path: &Path,
    settings: &Map<String, Json>,
    problems: &mut Vec<Problem>,
) -> Json {
    match value {
        Json::String(text) => match fill_text(text, settings) {
            Ok(filled) => filled,
            Err(unfilled) => {
                let problem = document.problem(path, unfilled.to_string());
                let near = |name: &str| problem.clone().near(name, settings.keys().map(String::as_str));
                problems.push(match &unfilled {
                    Unfilled::Unknown(name) => near(name),
                    Unfilled::Unclosed | Unfilled::Structured(_) => problem,
                });
                value.clone()
            }
        },
        Json::Array(items) => {
            let fill = |(index, item)| fill(document, item, &path.item(index, item), settings, problems);
            Json::Array(items.iter().enumerate().map(fill).collect())
        }
        Json::Object(entries) => {
            let fill = |(key, value): (&String, &Json)| {
                (key.clone(), fill(document, value, &path.key(key), settings, problems))
            };
            Json::Object(entries.iter().map(fill).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
    }
}

#[derive(Debug, thiserror::Error)]
enum Unfilled {
    #[error("`${{` without its `}}`")]
    Unclosed,
    #[error("there is no setting `{0}`")]
    Unknown(String),
    #[error("setting `{0}` is a list or a table and cannot stand inside a text")]
    Structured(String),
}

fn fill_text(text: &str, settings: &Map<String, Json>) -> Result<Json, Unfilled> {
    let pieces = pieces(text).ok_or(Unfilled::Unclosed)?;
    let setting = |name: &str| settings.get(name).ok_or_else(|| Unfilled::Unknown(name.to_owned()));
    if let [Piece::Setting(name)] = pieces[..] {
        return setting(name).cloned();
    }
    let mut filled = String::new();
    for piece in pieces {
        match piece {
            Piece::Plain(plain) => filled.push_str(plain),
            Piece::Setting(name) => match setting(name)? {
                Json::String(text) => filled.push_str(text),
                Json::Array(_) | Json::Object(_) => return Err(Unfilled::Structured(name.to_owned())),
                scalar => filled.push_str(&scalar.to_string()),
            },
        }
    }
    Ok(Json::String(filled))
}

/// None when a placeholder does not end.
fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once("${") {
        let (name, tail) = tail.split_once('}')?;
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        pieces.push(Piece::Setting(name));
        rest = tail;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    Some(pieces)
}

fn each_text(value: &Json, visit: &mut dyn FnMut(&str)) {
    match value {
        Json::String(text) => visit(text),
        Json::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Json::Object(entries) => entries.values().for_each(|value| each_text(value, visit)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(value: &Json) -> Result<Json, String> {
        let Json::Object(settings) = json!({"limit": "8 Cel", "count": 3, "list": [1]}) else {
            return Err(String::new());
        };
        let document = Document::parse("", "rule.toml").map_err(|e| e.to_string())?;
        let mut problems = Vec::new();
        let value = fill(&document, value, &Path::default(), &settings, &mut problems);
        if problems.is_empty() { Ok(value) } else { Err(problems[0].to_string()) }
    }

    #[test]
    fn a_whole_text_takes_the_settings_type_and_a_part_its_text() {
        assert_eq!(filled(&json!({"a": ["${count}", "up to ${limit}!"]})), Ok(json!({"a": [3, "up to 8 Cel!"]})));
        assert_eq!(filled(&json!("${list}")), Ok(json!([1])));
        assert_eq!(filled(&json!("")), Ok(json!("")));
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        for (text, message) in [
            ("${limt}", "there is no setting `limt`, did you mean \"limit\"?"),
            ("${limit", "`${` without its `}`"),
            ("x${list}", "setting `list` is a list or a table and cannot stand inside a text"),
        ] {
            assert_eq!(filled(&json!(text)), Err(format!("rule.toml: {message}")));
        }
    }
}
