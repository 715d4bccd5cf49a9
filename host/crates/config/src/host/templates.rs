//! `templates/NAME.toml`: approved texts with their class and purpose.

use model::Name;
use model::notification::{Template, Text};

use super::{raw, shape};
use crate::document::{Document, Path};
use crate::problem::{Problem, Problems};
use crate::schema::read;

pub(super) fn parse(text: &str, file: &str, name: Name) -> Result<Template, Problems> {
    let document = Document::parse(text, file)?;
    let raw: raw::Template = read(&document, &shape::TEMPLATE)?;
    let mut problems = Vec::new();
    let template = resolve(&document, &Path::default(), name, raw, &mut problems);
    Problems::unless_any(template, problems)
}

/// The template at `path`.
pub(super) fn resolve(
    document: &Document,
    path: &Path,
    name: Name,
    raw: raw::Template,
    problems: &mut Vec<Problem>,
) -> Template {
    let only = || raw.text.keys().next().filter(|_| raw.text.len() == 1).cloned();
    let default_locale = raw.default_locale.clone().or_else(only).unwrap_or_default();
    if raw.text.is_empty() {
        problems.push(document.problem(&path.key("text"), "expected title and body for at least one locale"));
    } else if !raw.text.contains_key(&default_locale) {
        let path = path.key("default-locale");
        let problem = if default_locale.is_empty() {
            document.problem(&path, "missing: expected one of the locales under text, as there are several")
        } else {
            document.problem(&path, format!("there is no text for the locale `{default_locale}`"))
        };
        problems.push(problem.near(&default_locale, raw.text.keys().map(|locale| &**locale)));
    }
    let texts = raw.text.into_iter().map(|(locale, text)| (locale, Text { title: text.title, body: text.body }));
    Template { name, class: raw.class, purpose: raw.purpose, texts: texts.collect(), default_locale }
}
