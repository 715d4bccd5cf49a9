//! Rule state: named values per deployment and key, with the writes of the running event laid over them.

use std::collections::BTreeMap;
use std::ops::Bound;

use model::guest::StateProblem;
use model::{Instant, Name, Value, limits};
use serde::{Deserialize, Serialize};

/// One named value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub value: Value,
    /// Gone from this instant on.
    pub expires_at: Option<Instant>,
}

/// One key's state.
pub(crate) type KeyState = BTreeMap<Name, Entry>;

/// The writes of one event, not yet committed: none removes.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    entries: BTreeMap<Name, Option<Entry>>,
    bytes: usize,
}

impl Writes {
    pub(crate) fn get<'a>(&'a self, below: Option<&'a KeyState>, name: &str, now: Instant) -> Option<&'a Value> {
        let entry = match self.entries.get(name) {
            Some(written) => written.as_ref()?,
            None => below?.get(name)?,
        };
        alive(entry, now).then_some(&entry.value)
    }

    pub(crate) fn set(
        &mut self,
        below: Option<&KeyState>,
        name: &str,
        value: Value,
        expires_at: Option<Instant>,
    ) -> Result<(), StateProblem> {
        let weight = value.weight();
        if weight > limits::STATE_VALUE_BYTES || name.is_empty() || name.len() > limits::NAME_BYTES || !value.is_sound()
        {
            return Err(StateProblem::TooLarge);
        }
        let known = self.entries.contains_key(name) || below.is_some_and(|state| state.contains_key(name));
        let names = below.map_or(0, KeyState::len) + self.entries.len();
        if self.bytes + weight + name.len() > limits::WRITES_PER_EVENT || (!known && names >= limits::STATE_NAMES) {
            return Err(StateProblem::OverQuota);
        }
        self.bytes += weight + name.len();
        self.entries.insert(Name::from(name), Some(Entry { value, expires_at }));
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.entries.insert(Name::from(name), None);
    }

    pub(crate) fn names(
        &self,
        below: Option<&KeyState>,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
        now: Instant,
    ) -> Vec<Name> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let range = (start, Bound::Unbounded);
        let mut merged: BTreeMap<&Name, bool> = BTreeMap::new();
        for (name, entry) in below.into_iter().flat_map(|state| state.range::<str, _>(range)) {
            if !name.starts_with(prefix) {
                break;
            }
            merged.insert(name, alive(entry, now));
        }
        for (name, entry) in self.entries.range::<str, _>(range) {
            if !name.starts_with(prefix) {
                break;
            }
            merged.insert(name, entry.as_ref().is_some_and(|entry| alive(entry, now)));
        }
        let alive = merged.into_iter().filter(|(_, alive)| *alive);
        alive.take(limit as usize).map(|(name, _)| name.clone()).collect()
    }

    /// What was written, by name; none was removed.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Name, Option<Value>)> {
        let value = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.value.clone());
        self.entries.iter().map(move |(name, entry)| (name.clone(), value(entry)))
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The values written, and the names removed.
    pub(crate) fn values(&self) -> BTreeMap<Name, Option<Value>> {
        let value = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.value.clone());
        self.entries.iter().map(|(name, entry)| (name.clone(), value(entry))).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// The writes in order of their names, leaving none behind.
    pub(crate) fn take(&mut self) -> BTreeMap<Name, Option<Entry>> {
        self.bytes = 0;
        std::mem::take(&mut self.entries)
    }
}

fn alive(entry: &Entry, now: Instant) -> bool {
    entry.expires_at.is_none_or(|at| now < at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(writes: &mut Writes, below: &KeyState, name: &str, value: Value) -> Result<(), StateProblem> {
        writes.set(Some(below), name, value, None)
    }

    #[test]
    fn reads_see_the_events_own_writes() {
        let below = KeyState::from([(Name::from("a"), Entry { value: Value::Integer(1), expires_at: None })]);
        let mut writes = Writes::default();
        assert_eq!(writes.get(Some(&below), "a", Instant(0)), Some(&Value::Integer(1)));
        writes.remove("a");
        assert_eq!(writes.get(Some(&below), "a", Instant(0)), None);
        set(&mut writes, &below, "b", Value::Integer(2)).expect("room");
        assert_eq!(writes.names(Some(&below), "", None, 9, Instant(0)), [Name::from("b")]);
    }

    #[test]
    fn a_value_ends_at_its_instant() {
        let entry = Entry { value: Value::Integer(1), expires_at: Some(Instant(10)) };
        let below = KeyState::from([(Name::from("a"), entry)]);
        let writes = Writes::default();
        assert!(writes.get(Some(&below), "a", Instant(9)).is_some());
        assert!(writes.get(Some(&below), "a", Instant(10)).is_none());
    }

    #[test]
    fn a_value_fits_up_to_its_limit_and_an_event_up_to_its_own() {
        let below = KeyState::new();
        let mut writes = Writes::default();
        let largest = Value::text("x".repeat(limits::STATE_VALUE_BYTES));
        assert_eq!(set(&mut writes, &below, "a", largest.clone()), Ok(()));
        let over = Value::text("x".repeat(limits::STATE_VALUE_BYTES + 1));
        assert_eq!(set(&mut writes, &below, "a", over), Err(StateProblem::TooLarge));
        for name in ["b", "c"] {
            assert_eq!(set(&mut writes, &below, name, largest.clone()), Ok(()));
        }
        assert_eq!(set(&mut writes, &below, "d", largest), Err(StateProblem::OverQuota));
    }

    #[test]
    fn a_key_holds_ten_thousand_names() {
        let entry = Entry { value: Value::Boolean(true), expires_at: None };
        let below: KeyState =
            (0..limits::STATE_NAMES - 1).map(|n| (Name::from(n.to_string()), entry.clone())).collect();
        let mut writes = Writes::default();
        assert_eq!(set(&mut writes, &below, "last", Value::Boolean(true)), Ok(()));
        assert_eq!(set(&mut writes, &below, "over", Value::Boolean(true)), Err(StateProblem::OverQuota));
        assert_eq!(set(&mut writes, &below, "0", Value::Boolean(true)), Ok(()), "a known name may be written again");
    }
}
