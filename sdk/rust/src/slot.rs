//! Slots: typed names in the rule's state.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::failure::Failure;
use crate::host::{Host, StateProblem};
use crate::time::Instant;
use crate::value::{INTEGER_MAX, Value};

/// A name in the state of the event's key, with the type of what it holds.
///
/// Booleans, numbers and texts are kept as such and shown as such by the host's tools; anything else is kept as JSON.
/// Writes take effect with the event's proposals, or not at all.
///
/// ```
/// use pointsman_sdk::Slot;
/// const RUNS: Slot<u32> = Slot::new("runs");
/// ```
pub struct Slot<T> {
    name: Cow<'static, str>,
    holds: PhantomData<fn() -> T>,
}

/// Why a slot could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("state `{name}` does not hold what the rule expects: {source}")]
    Shape { name: String, source: serde_json::Error },
    #[error("state `{name}`: {source}")]
    Write { name: String, source: StateProblem },
}

impl<T: Serialize + DeserializeOwned> Slot<T> {
    /// A slot with a name known when the rule is written. At most 256 bytes.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), holds: PhantomData }
    }

    /// A slot whose name holds something of the event, such as a device. At most 256 bytes.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: Cow::Owned(name.into()), holds: PhantomData }
    }

    /// What it holds; none where nothing was written or it has expired.
    ///
    /// # Errors
    /// When it holds something of another shape, as after a change of the rule without a new `state-version`.
    pub fn get(&self, host: &Host<'_>) -> Result<Option<T>, Problem> {
        let Some(value) = host.get(&self.name) else { return Ok(None) };
        let read = match value {
            Value::Boolean(yes) => serde_json::from_value(Json::Bool(yes)),
            Value::Integer(integer) => serde_json::from_value(Json::from(integer)),
            Value::Number(number) => serde_json::from_value(Json::from(number)),
            Value::Text(text) => serde_json::from_value(Json::String(text)),
            Value::Bytes(bytes) => serde_json::from_value(Json::from(bytes)),
            Value::Position(position) => serde_json::to_value(position).and_then(serde_json::from_value),
            Value::Json(text) => serde_json::from_str(&text),
        };
        read.map(Some).map_err(|source| Problem::Shape { name: self.name.to_string(), source })
    }

    /// What it holds, or `otherwise`.
    ///
    /// # Errors
    /// As [`Slot::get`].
    pub fn get_or(&self, host: &Host<'_>, otherwise: T) -> Result<T, Problem> {
        Ok(self.get(host)?.unwrap_or(otherwise))
    }

    /// # Errors
    /// When the value cannot be written as JSON, is over 64 KiB, or the key's state is full.
    pub fn set(&self, host: &Host<'_>, value: &T) -> Result<(), Problem> {
        self.write(host, value, None)
    }

    /// Writes a value that is gone after `expires_at`.
    ///
    /// # Errors
    /// As [`Slot::set`].
    pub fn set_until(&self, host: &Host<'_>, value: &T, expires_at: Instant) -> Result<(), Problem> {
        self.write(host, value, Some(expires_at))
    }

    /// What it held, leaving it empty.
    ///
    /// # Errors
    /// As [`Slot::get`].
    pub fn take(&self, host: &Host<'_>) -> Result<Option<T>, Problem> {
        let held = self.get(host)?;
        if held.is_some() {
            self.remove(host);
        }
        Ok(held)
    }

    pub fn remove(&self, host: &Host<'_>) {
        host.remove(&self.name);
    }

    fn write(&self, host: &Host<'_>, value: &T, expires_at: Option<Instant>) -> Result<(), Problem> {
        let name = || self.name.to_string();
        let json = serde_json::to_value(value).map_err(|source| Problem::Shape { name: name(), source })?;
        let value = match json {
            Json::Bool(yes) => Value::Boolean(yes),
            Json::Number(ref number) => match number.as_i64().filter(|i| (-INTEGER_MAX..=INTEGER_MAX).contains(i)) {
                Some(integer) => Value::Integer(integer),
                None if number.is_f64() => Value::Number(number.as_f64().expect("is_f64 says so")),
                None => Value::Json(json.to_string()),
            },
            Json::String(text) => Value::Text(text),
            Json::Null | Json::Array(_) | Json::Object(_) => Value::Json(json.to_string()),
        };
        host.set(&self.name, value, expires_at).map_err(|source| Problem::Write { name: name(), source })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::permanent(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::Memory;

    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, kept: &Value) {
        let mut memory = Memory::default();
        let host = Host::new(&mut memory);
        let slot = Slot::<T>::new("it");
        slot.set(&host, value).expect("small enough");
        assert_eq!(host.get("it").as_ref(), Some(kept));
        assert_eq!(slot.get(&host).expect("the same shape").as_ref(), Some(value));
    }

    #[test]
    fn plain_values_are_kept_plain() {
        round_trip(&true, &Value::from(true));
        round_trip(&7_u32, &Value::from(7));
        round_trip(&0.5, &Value::from(0.5));
        round_trip(&3.0, &Value::Number(3.0));
        round_trip(&"on".to_owned(), &Value::from("on"));
        round_trip(&INTEGER_MAX, &Value::Integer(INTEGER_MAX));
    }

    #[test]
    fn the_rest_is_kept_as_json() {
        round_trip(&vec![1, 2], &Value::Json("[1,2]".into()));
        round_trip(&(INTEGER_MAX + 1), &Value::Json("9007199254740992".into()));
        round_trip(&Option::<bool>::None, &Value::Json("null".into()));
    }

    #[test]
    fn a_value_of_another_shape_is_an_error_that_names_the_slot() {
        let mut memory = Memory::default();
        let host = Host::new(&mut memory);
        Slot::<String>::new("count").set(&host, &"many".to_owned()).expect("small enough");
        let problem = Slot::<u32>::new("count").get(&host).expect_err("a text is no number");
        assert!(problem.to_string().contains("`count`"), "{problem}");
    }

    #[test]
    fn taking_leaves_nothing() {
        let mut memory = Memory::default();
        let host = Host::new(&mut memory);
        let slot = Slot::<u32>::new("n");
        slot.set(&host, &1).expect("small enough");
        assert_eq!(slot.take(&host).expect("a number"), Some(1));
        assert_eq!(slot.take(&host).expect("nothing"), None);
    }
}
