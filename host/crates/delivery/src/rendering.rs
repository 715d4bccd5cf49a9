//! Rendering: minijinja with fuel, an output cap and JSON escaping, over named values. What is undefined is an error.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};
use model::value::plain;
use model::{Attributes, limits};

/// Fuel of one rendering: a text with a hundred placeholders takes a few hundred.
const FUEL: u64 = 20_000;
/// Largest result: a message that a broker or webhook would take.
pub(crate) const RENDERED_BYTES: usize = limits::PAYLOAD_BYTES;
/// Under this name a template's strings are escaped as JSON.
const JSON: &str = "payload.json";
const TEXT: &str = "payload.txt";

/// Why a template gave no text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the template does not read: {0}")]
    Syntax(String),
    #[error("the template uses a value that is not there: {0}")]
    Missing(String),
    #[error("the template takes too long")]
    Fuel,
    #[error("the template gives more than {RENDERED_BYTES} bytes")]
    TooLong,
    #[error("the template gives no valid JSON: {0}")]
    Json(String),
    #[error("the template failed: {0}")]
    Failed(String),
}

impl Error {
    /// The reason code of a failed effect.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing-argument",
            Self::TooLong => "too-large",
            Self::Syntax(_) | Self::Fuel | Self::Json(_) | Self::Failed(_) => "bad-template",
        }
    }
}

/// An environment with our limits and no loader: a template reaches nothing but its values.
pub(crate) fn environment() -> Environment<'static> {
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the usual delimiters are sound");
    let mut environment = Environment::new();
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| if name == JSON { AutoEscape::Json } else { AutoEscape::None });
    environment.set_formatter(format);
    environment
}

/// Renders a payload; one without placeholders is taken as it is. Where the template is JSON, strings are escaped for a
/// place between quotes and the result is checked.
pub(crate) fn payload(environment: &Environment<'_>, template: &str, values: Value) -> Result<String, Error> {
    if !["{{", "{%", "{#"].iter().any(|mark| template.contains(mark)) {
        return Ok(template.to_owned());
    }
    let json = is_json(template);
    let name = if json { JSON } else { TEXT };
    let compiled = environment.template_from_named_str(name, template).map_err(|e| Error::Syntax(full(&e)))?;
    let text = render(&compiled, values)?;
    if json {
        serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|e| Error::Json(e.to_string()))?;
    }
    Ok(text)
}

/// Whether a payload's template reads as one.
///
/// # Errors
/// Why not, for people.
pub fn check_payload(template: &str) -> Result<(), String> {
    environment().template_from_named_str(TEXT, template).map(drop).map_err(|error| full(&error))
}

/// Whether a payload's template has a place for the effect's id: by itself, or within the whole command.
#[must_use]
pub fn carries_effect(template: &str) -> bool {
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let inside = ["{{", "{%"].into_iter().flat_map(|mark| template.split(mark).skip(1));
    let inside = inside.filter_map(|rest| rest.split('}').next());
    inside.flat_map(|code| code.split(|letter| !word(letter))).any(|name| name == "effect" || name == "command")
}

/// Renders within the limits.
pub(crate) fn render(template: &minijinja::Template<'_, '_>, values: Value) -> Result<String, Error> {
    let mut capped = Capped { bytes: Vec::new(), over: false };
    match template.render_captured_to(values, &mut capped) {
        Ok(_) => {}
        Err(_) if capped.over => return Err(Error::TooLong),
        Err(error) => {
            return Err(match error.kind() {
                ErrorKind::OutOfFuel => Error::Fuel,
                ErrorKind::UndefinedError => Error::Missing(full(&error)),
                _ => Error::Failed(full(&error)),
            });
        }
    }
    String::from_utf8(capped.bytes).map_err(|e| Error::Failed(e.to_string()))
}

/// The values by name; of two with one name the later counts.
pub(crate) fn values(attributes: &Attributes) -> Vec<(String, Value)> {
    attributes.iter().map(|(name, value)| (name.to_string(), Value::from(Serde(plain::to_json(value))))).collect()
}

pub(crate) fn full(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// A template is JSON when it starts as an object, a list or a string and not with a placeholder.
fn is_json(template: &str) -> bool {
    let mut start = template.trim_start().bytes();
    match start.next() {
        Some(b'[' | b'"') => true,
        Some(b'{') => !matches!(start.next(), Some(b'{' | b'%' | b'#')),
        _ => false,
    }
}

/// Writes a value as users read it: whole numbers without a fraction, structures as JSON.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let json = matches!(state.auto_escape(), AutoEscape::Json);
    let text = if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    } else if let Some(text) = value.as_str() {
        if !json || value.is_safe() {
            return Ok(out.write_str(text)?);
        }
        let quoted = serde_json::to_string(text).map_err(|_| minijinja::Error::from(ErrorKind::BadSerialization))?;
        quoted[1..quoted.len() - 1].to_owned()
    } else if value.is_number() && !value.is_integer() {
        f64::try_from(value.clone())?.to_string()
    } else if value.is_number() {
        value.to_string()
    } else {
        serde_json::to_string(value).map_err(|_| minijinja::Error::from(ErrorKind::BadSerialization))?
    };
    Ok(out.write_str(&text)?)
}

/// Takes bytes up to the cap.
struct Capped {
    bytes: Vec<u8>,
    over: bool,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > RENDERED_BYTES {
            self.over = true;
            return Err(io::Error::other("the output is full"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, arguments: &[(&str, model::Value)]) -> Result<String, Error> {
        let arguments: Attributes = arguments.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        payload(&environment(), template, Value::from_pairs(values(&arguments)))
    }

    #[test]
    fn values_are_written_as_devices_expect_them() {
        let all = [
            ("n", 21.0.into()),
            ("half", 21.5.into()),
            ("i", model::Value::Integer(7)),
            ("on", true.into()),
            ("text", "a \"b\"\n".into()),
            ("rgb", model::Value::Json("[1,2]".into())),
        ];
        let ok = |template| check(template, &all).expect("renders");
        assert_eq!(ok("{{ n }}/{{ half }}/{{ i }}/{{ on }}/{{ rgb }}"), "21/21.5/7/true/[1,2]");
        assert_eq!(ok("{{ text }}"), "a \"b\"\n");
        assert_eq!(ok(r#"{"t":"{{ text }}","n":{{ n }},"c":{{ rgb }}}"#), r#"{"t":"a \"b\"\n","n":21,"c":[1,2]}"#);
        assert_eq!(ok(r#"{"t":{{ text | tojson }}}"#), r#"{"t":"a \"b\"\n"}"#);
        assert_eq!(ok("{% if on %}ON{% else %}OFF{% endif %}"), "ON");
        assert_eq!(ok("[toggle]\n"), "[toggle]\n");
        assert_eq!(ok("{{ n }}\n"), "21\n");
    }

    #[test]
    fn a_string_cannot_leave_its_quotes() {
        let text = check(r#"{"state":"{{ value }}"}"#, &[("value", r#"ON","admin":"yes"#.into())]).expect("renders");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json, serde_json::json!({"state": r#"ON","admin":"yes"#}));
    }

    #[test]
    fn a_place_for_the_effect_is_a_placeholder_and_no_text() {
        for with in ["{{ effect }}", r#"{"id":"{{effect}}"}"#, "{{ command }}", "{% if effect %}x{% endif %}"] {
            assert!(carries_effect(with), "{with}");
        }
        for without in ["effect", "{{ value }}", r#"{"effect":{{ value }}}"#, "{{ effects }}", ""] {
            assert!(!carries_effect(without), "{without}");
        }
    }

    #[test]
    fn faults_have_reasons() {
        let reason = |template| check(template, &[("value", "x".into())]).expect_err("a fault").reason();
        assert_eq!(reason("{{ level }}"), "missing-argument");
        assert_eq!(reason("{{ value"), "bad-template");
        assert_eq!(reason(r#"{"a":{{ value }}}"#), "bad-template");
        assert_eq!(
            reason("{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}"),
            "bad-template"
        );
        assert_eq!(reason("{% include 'other' %}"), "bad-template");
        assert!(check_payload("{{ value").is_err_and(|error| error.starts_with("syntax error")));
        assert_eq!(check_payload(r#"{"on":{{ value }},"}}":"{ {"}"#), Ok(()));
    }

    #[test]
    fn the_result_may_fill_the_cap_and_not_pass_it() {
        let check = |bytes: usize| check("{{ value }}", &[("value", "x".repeat(bytes).as_str().into())]);
        assert_eq!(check(RENDERED_BYTES).expect("fits").len(), RENDERED_BYTES);
        assert!(matches!(check(RENDERED_BYTES + 1), Err(Error::TooLong)));
    }
}
