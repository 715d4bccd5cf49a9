//! The settings that a rule takes: JSON Schema with our formats, defaults, and checking what an operator gives.

use std::str::FromStr;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use model::Span;
use model::unit::Quantity;
use serde_json::{Map, Value as Json, json};

use crate::document::{Document, Path};
use crate::problem::Problem;
use crate::schema::{FREE, Form, Kind, Shape, optional};

const TYPES: Kind = Kind::Word(&["string", "number", "integer", "boolean", "array", "object"]);
/// Ours, and those of JSON Schema that need no other part of the host.
const FORMATS: Kind = Kind::Word(&[
    "quantity",
    "duration",
    "time-zone",
    "date",
    "time",
    "date-time",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uuid",
    "json-pointer",
    "regex",
]);
const LENGTH: Kind = Kind::Integer(0, i64::MAX);
const NUMBER: Kind = Kind::Number(f64::MIN, f64::MAX);

/// One setting, or a part of one.
pub(crate) static PROPERTY: Shape = Shape {
    keys: &[
        optional("type", Kind::Either(&[TYPES, Kind::List(&TYPES)]), "the JSON type, or several"),
        optional("format", FORMATS, "the form of a text; quantity, duration and time-zone are those of this reference"),
        optional("default", Kind::Any, "the value where the deployment gives none; without it the setting is required"),
        optional("title", FREE, "a name for people"),
        optional("description", FREE, "what it does, for people"),
        optional("enum", Kind::List(&Kind::Any), "the only values allowed"),
        optional("const", Kind::Any, "the only value allowed"),
        optional("minimum", NUMBER, "the least number"),
        optional("maximum", NUMBER, "the greatest number"),
        optional("exclusiveMinimum", NUMBER, "less than every number allowed"),
        optional("exclusiveMaximum", NUMBER, "greater than every number allowed"),
        optional("multipleOf", NUMBER, "each number is a multiple of it"),
        optional("minLength", LENGTH, "the least number of characters"),
        optional("maxLength", LENGTH, "the greatest number of characters"),
        optional("pattern", FREE, "a regular expression that a text must match"),
        optional("items", Kind::Table(&PROPERTY), "each entry of an array"),
        optional("minItems", LENGTH, "the least number of entries"),
        optional("maxItems", LENGTH, "the greatest number of entries"),
        optional("uniqueItems", Kind::Boolean, "whether entries must differ"),
        optional("properties", Kind::Map(Form::Free, &Kind::Table(&PROPERTY)), "the parts of an object, by name"),
        optional("required", Kind::List(&FREE), "parts that an object must have"),
        optional(
            "additionalProperties",
            Kind::Either(&[Kind::Boolean, Kind::Table(&PROPERTY)]),
            "parts that are not listed",
        ),
        optional("examples", Kind::List(&Kind::Any), "values that would do, for people"),
    ],
};

/// A rule's settings, compiled.
#[derive(Debug)]
pub struct Settings {
    properties: Map<String, Json>,
    validator: Validator,
}

impl Settings {
    /// # Errors
    /// A schema that is none, and defaults that their own schema refuses.
    pub(crate) fn compile(document: &Document, properties: Map<String, Json>) -> Result<Self, Vec<Problem>> {
        let schema = json!({ "type": "object", "properties": properties });
        let built = jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .with_format("quantity", |text: &str| Quantity::from_str(text).is_ok())
            .with_format("duration", |text: &str| Span::from_str(text).is_ok())
            .with_format("time-zone", |text: &str| Form::Zone.check(text).is_ok())
            .build(&schema);
        let path = Path::of(&["settings"]);
        let validator = built.map_err(|error| vec![document.problem(&path, format!("no JSON Schema: {error}"))])?;
        let settings = Self { properties, validator };
        let mut problems = Vec::new();
        for (name, value) in settings.defaults() {
            let at = path.key(&name).key("default");
            settings.judge(document, &json!({ name: value }), &at, 1, &mut problems);
        }
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }

    /// The JSON Schema of each setting, by name.
    #[must_use]
    pub fn properties(&self) -> &Map<String, Json> {
        &self.properties
    }

    /// The settings that have a default.
    #[must_use]
    pub fn defaults(&self) -> Map<String, Json> {
        let default = |(name, schema): (&String, &Json)| Some((name.clone(), schema.get("default")?.clone()));
        self.properties.iter().filter_map(default).collect()
    }

    /// What an operator gives, completed by the defaults.
    ///
    /// # Errors
    /// Settings that do not exist, are missing, or that their schema refuses.
    pub(crate) fn fill(
        &self,
        document: &Document,
        given: &Map<String, Json>,
    ) -> Result<Map<String, Json>, Vec<Problem>> {
        let path = Path::of(&["settings"]);
        let mut problems = Vec::new();
        let names = || self.properties.keys().map(String::as_str);
        for name in given.keys().filter(|name| !self.properties.contains_key(*name)) {
            problems.push(document.problem(&path.key(name), "the rule has no such setting").near(name, names()));
        }
        let mut filled = self.defaults();
        filled.extend(given.clone());
        for name in names().filter(|name| !filled.contains_key(*name)) {
            problems.push(document.problem(&path.key(name), "missing: this setting has no default"));
        }
        self.judge(document, &Json::Object(filled.clone()), &path, 0, &mut problems);
        if problems.is_empty() { Ok(filled) } else { Err(problems) }
    }

    /// Adds what the schema refuses. `above` parts of the value's own path are already in `path`.
    fn judge(&self, document: &Document, value: &Json, path: &Path, above: usize, problems: &mut Vec<Problem>) {
        for error in self.validator.iter_errors(value) {
            let pointer = error.instance_path().to_string();
            let parts = pointer.split('/').skip(1 + above);
            let at = parts.fold(path.clone(), |at, part| match part.parse::<usize>() {
                Ok(index) => at.item(index, &Json::Null),
                Err(_) => at.key(&part.replace("~1", "/").replace("~0", "~")),
            });
            let message = match error.kind() {
                ValidationErrorKind::Format { format } => {
                    format!("{}: expected {}", error.instance(), format_words(format))
                }
                _ => error.to_string(),
            };
            problems.push(document.problem(&at, message));
        }
    }
}

fn format_words(format: &str) -> String {
    match format {
        "quantity" => Form::Quantity.words().to_owned(),
        "duration" => Form::Duration.words().to_owned(),
        "time-zone" => Form::Zone.words().to_owned(),
        other => format!("the format {other}"),
    }
}
