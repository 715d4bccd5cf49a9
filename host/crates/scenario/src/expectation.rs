//! Expectations: what a line with `expect` says, and in what a decision differs from it.

use serde_json::{Map, Value as Json, json};

/// How far two numbers may be apart, as a part of the larger one: what arithmetic in another order costs.
const TOLERANCE: f64 = 1e-9;

/// What a line with `expect` says.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// No decision is left to take.
    Nothing,
    /// The next decision has these fields.
    Decision(Map<String, Json>),
}

/// One field in which a decision is not what was expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// As `effect.parameters.value`.
    pub path: String,
    pub expected: Json,
    /// None where the decision has no such field.
    pub got: Option<Json>,
}

impl Expectation {
    /// # Errors
    /// When it is neither `"nothing"` nor a table, with a line that says so.
    pub fn parse(written: &str) -> Result<Self, String> {
        match serde_json::from_str(written).map_err(|error| error.to_string())? {
            Json::String(word) if word == "nothing" => Ok(Self::Nothing),
            Json::Object(fields) => Ok(Self::Decision(fields)),
            other => Err(format!("`expect` is \"nothing\" or the fields of a decision, not {other}")),
        }
    }

    /// Whether this decision is housekeeping that the expectation does not name.
    pub fn passes_over(&self, decision: &Map<String, Json>) -> bool {
        let named = match self {
            Self::Nothing => None,
            Self::Decision(fields) => kind(fields),
        };
        kind(decision).is_some_and(|kind| matches!(kind, "set-timer" | "cancel-timer") && named != Some(kind))
    }

    pub fn to_json(&self) -> Json {
        match self {
            Self::Nothing => json!("nothing"),
            Self::Decision(fields) => Json::Object(fields.clone()),
        }
    }
}

fn kind(decision: &Map<String, Json>) -> Option<&str> {
    decision.get("effect")?.get("kind")?.as_str()
}

/// Every given field that the decision does not have as it is given.
pub fn differences(expected: &Map<String, Json>, decision: &Map<String, Json>) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", expected, decision, &mut found);
    found
}

fn compare(path: &str, expected: &Map<String, Json>, got: &Map<String, Json>, found: &mut Vec<Difference>) {
    for (name, expected) in expected {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (expected, got.get(name)) {
            (Json::Object(expected), Some(Json::Object(got))) => compare(&path, expected, got, found),
            (expected, Some(got)) if same(expected, got) => {}
            (expected, got) => found.push(Difference { path, expected: expected.clone(), got: got.cloned() }),
        }
    }
}

/// Equal as a whole, numbers by value.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(x), Some(y)) => a == b || (x - y).abs() <= TOLERANCE * x.abs().max(y.abs()),
            _ => a == b,
        },
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
