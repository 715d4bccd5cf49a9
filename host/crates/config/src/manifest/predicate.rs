//! Conditions of triggers, resolved: numbers in the canonical unit of their capability.

use model::trigger::{Predicate, Test};
use model::unit::Quantity;
use model::value::plain;
use model::{Capability, Name, Unit, Value};
use serde_json::Value as Json;

use super::raw;
use super::triggers::Scope;
use crate::document::{Document, Path};
use crate::problem::Problem;

/// Deepest nesting of `all` and `any`: past it nobody can say what a condition means.
const DEPTH_MAX: usize = 8;
/// A condition reads the device that its trigger watches and those of one further role.
const ROLES_MAX: usize = 2;

/// Resolves the conditions of one trigger; what is wrong becomes problems and the result is none.
pub(super) struct Conditions<'a> {
    pub(super) document: &'a Document,
    pub(super) scope: &'a Scope<'a>,
    /// The trigger's own role.
    pub(super) role: &'a Name,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Conditions<'_> {
    fn problem(&mut self, path: &Path, message: impl Into<String>) {
        self.problems.push(self.document.problem(path, message));
    }

    /// The condition at `path`, with its roles counted.
    pub(super) fn whole(&mut self, raw: &raw::Predicate, path: &Path) -> Option<Predicate> {
        let predicate = self.part(raw, None, path, 0)?;
        let mut roles: Vec<_> = predicate.tests().into_iter().filter_map(|(role, ..)| role).collect();
        roles.sort_unstable();
        roles.dedup();
        if roles.len() < ROLES_MAX {
            return Some(predicate);
        }
        self.problem(path, format!("reads more than {ROLES_MAX} roles, its own among them"));
        None
    }

    /// `above` is the role of the `all` or `any` around it.
    fn part(&mut self, raw: &raw::Predicate, above: Option<&Name>, path: &Path, depth: usize) -> Option<Predicate> {
        if depth >= DEPTH_MAX {
            self.problem(path, format!("nested deeper than {DEPTH_MAX}"));
            return None;
        }
        let role = raw.role.as_ref().or(above);
        let mut given = Vec::new();
        let simple: [Simple<'_>; 4] = [
            ("above", &raw.above, Test::Above),
            ("at-least", &raw.at_least, Test::AtLeast),
            ("below", &raw.below, Test::Below),
            ("at-most", &raw.at_most, Test::AtMost),
        ];
        given.extend(simple.iter().filter(|(_, value, _)| value.is_some()).map(|(word, ..)| *word));
        given.extend(raw.equals.as_ref().map(|_| "equals"));
        given.extend(raw.not_equals.as_ref().map(|_| "not-equals"));
        given.extend(raw.within.as_ref().map(|_| "within"));
        given.extend(raw.outside.as_ref().map(|_| "outside"));
        given.extend(raw.all.as_ref().map(|_| "all"));
        given.extend(raw.any.as_ref().map(|_| "any"));
        if given.len() != 1 {
            let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
            let tests = "above, at-least, below, at-most, equals, not-equals, within, outside, all or any";
            self.problem(path, format!("expected exactly one of {tests}, found {found}"));
            return None;
        }
        if let Some(parts) = &raw.all {
            return self.parts(raw, parts, role, &path.key("all"), depth).map(Predicate::All);
        }
        if let Some(parts) = &raw.any {
            return self.parts(raw, parts, role, &path.key("any"), depth).map(Predicate::Any);
        }
        let Some(capability) = raw.capability else {
            self.problem(&path.key("capability"), "missing: expected the capability that is tested");
            return None;
        };
        let role = role.filter(|role| *role != self.role);
        let watched = role.unwrap_or(self.role).clone();
        if !self.scope.offers(self.document, &watched, capability, path, self.problems) {
            return None;
        }
        for (word, value, test) in simple {
            if let Some(value) = value {
                let number = self.number(&watched, capability, value, &path.key(word))?;
                return Some(Predicate::Test { role: role.cloned(), capability, test: test(number) });
            }
        }
        let test = self.other_test(raw, &watched, capability, path)?;
        Some(Predicate::Test { role: role.cloned(), capability, test })
    }

    fn parts(
        &mut self,
        raw: &raw::Predicate,
        parts: &[raw::Predicate],
        role: Option<&Name>,
        path: &Path,
        depth: usize,
    ) -> Option<Vec<Predicate>> {
        if raw.capability.is_some() {
            self.problem(path, "takes no capability beside it: each condition in it names its own");
            return None;
        }
        if parts.is_empty() {
            self.problem(path, "expected at least one condition");
            return None;
        }
        let mut resolved = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            resolved.push(self.part(part, role, &path.item(index, &Json::Null), depth + 1));
        }
        resolved.into_iter().collect()
    }

    fn other_test(&mut self, raw: &raw::Predicate, role: &Name, capability: Capability, path: &Path) -> Option<Test> {
        if let Some(value) = &raw.equals {
            return self.value(role, capability, value, &path.key("equals")).map(Test::Equals);
        }
        if let Some(value) = &raw.not_equals {
            return self.value(role, capability, value, &path.key("not-equals")).map(Test::NotEquals);
        }
        let (word, band, test): (_, _, fn(f64, f64) -> Test) = match (&raw.within, &raw.outside) {
            (Some(band), _) => ("within", band, Test::Within),
            (None, band) => ("outside", band.as_ref()?, Test::Outside),
        };
        let path = path.key(word);
        let [low, high] = &band[..] else {
            self.problem(&path, format!("expected two values, the lower one first, found {}", band.len()));
            return None;
        };
        let low = self.number(role, capability, low, &path.item(0, &Json::Null))?;
        let high = self.number(role, capability, high, &path.item(1, &Json::Null))?;
        if low > high {
            self.problem(&path, "the first value is greater than the second");
            return None;
        }
        Some(test(low, high))
    }

    /// A number in the unit in which the engine keeps `capability`.
    fn number(&mut self, role: &Name, capability: Capability, value: &Json, path: &Path) -> Option<f64> {
        let converted = in_unit(value, self.scope.unit(role, capability), Unit::convert);
        self.said(converted, capability, path)
    }

    /// A difference in that unit.
    pub(super) fn difference(&mut self, capability: Capability, value: &Json, path: &Path) -> Option<f64> {
        let converted = in_unit(value, self.scope.unit(self.role, capability), Unit::convert_difference);
        let number = self.said(converted, capability, path)?;
        if number > 0.0 {
            return Some(number);
        }
        self.problem(path, "expected a difference greater than nothing");
        None
    }

    /// A value of any kind; a quantity where the capability has a unit.
    pub(super) fn value(&mut self, role: &Name, capability: Capability, value: &Json, path: &Path) -> Option<Value> {
        let numeric = match self.scope.unit(role, capability) {
            Kept::In(_) => !value.is_boolean(),
            Kept::Bare => false,
            Kept::Unknown => value.as_str().is_some_and(|text| text.parse::<Quantity>().is_ok()),
        };
        if numeric {
            return self.number(role, capability, value, path).map(Value::Number);
        }
        plain::from_json(value)
    }

    fn said(&mut self, converted: Result<f64, String>, capability: Capability, path: &Path) -> Option<f64> {
        match converted {
            Ok(number) => Some(number),
            Err(message) => {
                self.problem(path, format!("{capability}: {message}"));
                None
            }
        }
    }
}

/// The unit in which the engine keeps a capability of a role.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kept {
    In(Unit),
    /// A bare number: neither the capability nor a bound device states a unit.
    Bare,
    /// Not known before devices are bound.
    Unknown,
}

/// A test of one number: its key, what is written there, and what it becomes.
type Simple<'a> = (&'static str, &'a Option<Json>, fn(f64) -> Test);

type Convert = fn(Unit, f64, Unit) -> Result<f64, model::unit::UnitError>;

/// `value` as a number of the unit that is kept.
pub(crate) fn in_unit(value: &Json, kept: Kept, convert: Convert) -> Result<f64, String> {
    let quantity = match value {
        Json::Number(number) => Quantity { number: number.as_f64().unwrap_or(f64::NAN), unit: None },
        Json::String(text) => text.parse().map_err(|error: model::unit::UnitError| error.to_string())?,
        _ => return Err("expected a quantity".to_owned()),
    };
    match (quantity.unit, kept) {
        (Some(given), Kept::In(kept)) => convert(given, quantity.number, kept).map_err(|error| error.to_string()),
        (Some(given), Kept::Bare) => Err(format!("expected a bare number, as it has no unit, found one in {given}")),
        (None, Kept::In(kept)) if kept.code() != "1" => {
            Err(format!("expected a quantity with its unit, such as \"{} {kept}\"", quantity.number))
        }
        (_, Kept::Unknown) | (None, Kept::In(_) | Kept::Bare) => Ok(quantity.number),
    }
}
