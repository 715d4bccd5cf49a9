//! A platform in memory, for unit tests without an engine.

use std::collections::BTreeMap;

use crate::event::{Cause, Event, Freshness, Quality, Tick};
use crate::host::{Civil, HistoryProblem, Known, Level, Pass, StateProblem, Summary};
use crate::platform::Platform;
use crate::time::{Instant, Span};
use crate::value::{Attributes, Value};

/// Twins, roles and state that a test fills in by hand. Its calendar knows the zone `UTC` only and its state does not
/// expire; histories, people and guards are the engine's and are not here.
#[derive(Debug, Default)]
pub struct Memory {
    pub twins: BTreeMap<(String, String), Known>,
    pub roles: BTreeMap<String, Vec<String>>,
    pub state: BTreeMap<String, Value>,
    pub logged: Vec<(Level, String)>,
    draws: u32,
}

impl Memory {
    /// Sets a twin as a live reading of good quality would.
    pub fn report(&mut self, device: &str, capability: &str, value: impl Into<Value>, at: Instant) {
        let known = Known {
            value: value.into(),
            unit: None,
            desired: None,
            since: at,
            reported: at,
            quality: Quality::Good,
            freshness: Freshness::Live,
            attributes: Attributes::new(),
        };
        self.twins.insert((device.to_owned(), capability.to_owned()), known);
    }

    /// The event of a timer that comes due at `at`.
    #[must_use]
    pub fn timer(name: &str, at: Instant, payload: Option<Value>) -> Event {
        let tick = Tick { name: name.to_owned(), due: at, missed: 0, payload, attributes: Attributes::new() };
        Event {
            id: format!("{name}@{}", at.0),
            trigger: String::new(),
            key: "key".to_owned(),
            occurred_at: at,
            received_at: at,
            cause: Cause::Timer(tick),
            attributes: Attributes::new(),
        }
    }
}

impl Platform for Memory {
    fn last(&self, device: &str, capability: &str) -> Option<Known> {
        self.twins.get(&(device.to_owned(), capability.to_owned())).cloned()
    }

    fn available(&self, device: &str) -> Option<(bool, Instant)> {
        let reported = self.twins.iter().filter(|((known, _), _)| known == device).map(|(_, twin)| twin.reported);
        reported.min().map(|first| (true, first))
    }

    fn summarise(&self, _: &str, _: &str, _: Span) -> Result<Option<Summary>, HistoryProblem> {
        Err(HistoryProblem::NotDeclared)
    }

    fn members(&self, role: &str) -> Vec<String> {
        self.roles.get(role).cloned().unwrap_or_default()
    }

    fn about(&self, _: &str) -> Attributes {
        Attributes::new()
    }

    fn get(&self, name: &str) -> Option<Value> {
        self.state.get(name).cloned()
    }

    fn set(&mut self, name: &str, value: Value, _: Option<Instant>) -> Result<(), StateProblem> {
        self.state.insert(name.to_owned(), value);
        Ok(())
    }

    fn remove(&mut self, name: &str) {
        self.state.remove(name);
    }

    fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let names = self.state.keys().filter(|name| name.starts_with(prefix));
        let behind = names.filter(|name| after.is_none_or(|after| name.as_str() > after));
        behind.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
    }

    fn local(&self, at: Instant, zone: &str) -> Option<Civil> {
        if zone != "UTC" {
            return None;
        }
        let text = at.to_string();
        let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u8>().ok();
        Some(Civil {
            year: text.get(0..4)?.parse().ok()?,
            month: part(5..7)?,
            day: part(8..10)?,
            hour: part(11..13)?,
            minute: part(14..16)?,
            second: part(17..19)?,
            // The first of January 1970 was a Thursday.
            weekday: u8::try_from((at.0.div_euclid(86_400_000_000) + 3).rem_euclid(7) + 1).ok()?,
            offset_minutes: 0,
        })
    }

    fn instant_of(&self, local: Civil, zone: &str, _: Pass) -> Option<Instant> {
        if zone != "UTC" {
            return None;
        }
        // The calendar repeats every 400 years; within them a day is found by halving.
        let wanted = (local.year, local.month, local.day, local.hour, local.minute, local.second);
        let (mut low, mut high) = (-62_135_596_800_i64, 253_402_300_799_i64);
        while low < high {
            let middle = low + (high - low) / 2;
            let civil = self.local(Instant(middle * 1_000_000), zone)?;
            let found = (civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second);
            if found < wanted { low = middle + 1 } else { high = middle }
        }
        Some(Instant(low * 1_000_000))
    }

    fn chance(&mut self) -> u32 {
        self.draws = self.draws.wrapping_add(0x9E37_79B9);
        self.draws
    }

    fn log(&mut self, level: Level, message: &str, _: Attributes) {
        self.logged.push((level, message.to_owned()));
    }

    fn count(&mut self, _: &str, _: u64) {}

    fn observe(&mut self, _: &str, _: f64) {}

    #[cfg(feature = "engagement")]
    fn links_of(&self, _: &str) -> Vec<crate::people::Link> {
        Vec::new()
    }

    #[cfg(feature = "engagement")]
    fn trait_of(&self, _: &str, _: &str, _: &str) -> Result<Option<Value>, crate::people::Denial> {
        Err(crate::people::Denial::NoConsent)
    }

    #[cfg(feature = "engagement")]
    fn in_segment(&self, _: &str, _: &str, _: &str) -> Result<bool, crate::people::Denial> {
        Err(crate::people::Denial::NoConsent)
    }
}
