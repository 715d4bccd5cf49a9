//! A host that answers from memory and writes down what it is asked.

use std::any::Any;
use std::collections::BTreeMap;

use model::guest::{Civil, HistoryProblem, Host, Known, Level, Pass, StateProblem, Summary};
use model::{Attributes, Freshness, Instant, Name, Quality, Span, Value, limits};

#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) state: BTreeMap<String, Value>,
    pub(crate) log: Vec<(Level, String, Attributes)>,
    pub(crate) counted: Vec<(String, u64)>,
    pub(crate) observed: Vec<(String, f64)>,
    chance: u32,
}

impl Host for Recorder {
    fn settings(&self) -> &str {
        r#"{"limit":8}"#
    }

    fn last(&self, device: &str, capability: &str) -> Option<Known> {
        ((device, capability) == ("lamp", "brightness")).then(|| Known {
            value: Value::Number(0.5),
            unit: Some(Name::from("%")),
            desired: Some(Value::Integer(1)),
            since: Instant(1),
            reported: Instant(2),
            quality: Quality::Good,
            freshness: Freshness::Snapshot,
            attributes: vec![(Name::from("a"), Value::Boolean(true))],
        })
    }

    fn available(&self, device: &str) -> Option<(bool, Instant)> {
        (device == "lamp").then_some((true, Instant(3)))
    }

    fn summarise(&self, _: &str, _: &str, _: Span) -> Result<Option<Summary>, HistoryProblem> {
        Err(HistoryProblem::NotDeclared)
    }

    fn members(&self, role: &str) -> Vec<Name> {
        if role == "lamps" { vec![Name::from("lamp"), Name::from("lantern")] } else { Vec::new() }
    }

    fn about(&self, _: &str) -> Attributes {
        vec![(Name::from("room"), Value::text("hall"))]
    }

    fn get(&self, name: &str) -> Option<Value> {
        self.state.get(name).cloned()
    }

    fn set(&mut self, name: &str, value: Value, _: Option<Instant>) -> Result<(), StateProblem> {
        // As the engine decides: the sandbox hands its answer over.
        if name.len() > limits::NAME_BYTES || value.weight() > limits::STATE_VALUE_BYTES {
            return Err(StateProblem::TooLarge);
        }
        self.state.insert(name.to_owned(), value);
        Ok(())
    }

    fn remove(&mut self, name: &str) {
        self.state.remove(name);
    }

    fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<Name> {
        let wanted =
            self.state.keys().filter(|name| name.starts_with(prefix) && after.is_none_or(|a| name.as_str() > a));
        wanted.take(limit as usize).map(|name| Name::from(name.as_str())).collect()
    }

    fn local(&self, _: Instant, zone: &str) -> Option<Civil> {
        (zone == "Europe/Berlin").then_some(Civil {
            year: 1970,
            month: 1,
            day: 1,
            hour: 1,
            minute: 0,
            second: 0,
            weekday: 4,
            offset_minutes: 60,
        })
    }

    fn instant_of(&self, _: Civil, _: &str, _: Pass) -> Option<Instant> {
        None
    }

    fn chance(&mut self) -> u32 {
        self.chance += 1;
        self.chance
    }

    fn log(&mut self, level: Level, message: &str, fields: Attributes) {
        self.log.push((level, message.to_owned(), fields));
    }

    fn count(&mut self, name: &str, by: u64) {
        self.counted.push((name.to_owned(), by));
    }

    fn observe(&mut self, name: &str, sample: f64) {
        self.observed.push((name.to_owned(), sample));
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
