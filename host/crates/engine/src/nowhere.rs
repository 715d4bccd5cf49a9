//! A host without devices, state or time: what a rule sees while it checks its settings.

use std::any::Any;

use model::guest::{Civil, Failure, HistoryProblem, Host, Known, Level, Pass, Program, StateProblem, Summary};
use model::{Attributes, Instant, Name, Span, Value};

use crate::calendar;

/// Answers every question with nothing. Civil time works, since it is the same everywhere.
pub struct Nowhere {
    settings: String,
}

impl Nowhere {
    #[must_use]
    pub fn new(settings: &str) -> Self {
        Self { settings: settings.to_owned() }
    }
}

impl Host for Nowhere {
    fn settings(&self) -> &str {
        &self.settings
    }

    fn last(&self, _: &str, _: &str) -> Option<Known> {
        None
    }

    fn available(&self, _: &str) -> Option<(bool, Instant)> {
        None
    }

    fn summarise(&self, _: &str, _: &str, _: Span) -> Result<Option<Summary>, HistoryProblem> {
        Err(HistoryProblem::NotDeclared)
    }

    fn members(&self, _: &str) -> Vec<Name> {
        Vec::new()
    }

    fn about(&self, _: &str) -> Attributes {
        Vec::new()
    }

    fn get(&self, _: &str) -> Option<Value> {
        None
    }

    fn set(&mut self, _: &str, _: Value, _: Option<Instant>) -> Result<(), StateProblem> {
        Err(StateProblem::OverQuota)
    }

    fn remove(&mut self, _: &str) {}

    fn names(&self, _: &str, _: Option<&str>, _: u32) -> Vec<Name> {
        Vec::new()
    }

    fn local(&self, at: Instant, zone: &str) -> Option<Civil> {
        calendar::local(at, calendar::zone(zone)?)
    }

    fn instant_of(&self, local: Civil, zone: &str, pass: Pass) -> Option<Instant> {
        calendar::instant_of(local, calendar::zone(zone)?, pass)
    }

    fn chance(&mut self) -> u32 {
        0
    }

    fn log(&mut self, _: Level, _: &str, _: Attributes) {}

    fn count(&mut self, _: &str, _: u64) {}

    fn observe(&mut self, _: &str, _: f64) {}

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Asks a rule whether it can work with these settings, with no state and no devices.
///
/// # Errors
/// The rule's own complaint, or why it could not be asked.
pub fn validate(program: &dyn Program, settings: &str) -> Result<(), String> {
    let mut instance = program.instantiate().map_err(|failure| format!("failed to start the rule: {failure}"))?;
    let host = Box::new(Nowhere::new(settings));
    instance.validate(settings, host).result.map_err(|failure| match failure {
        Failure::Configuration(message) => format!("the rule refuses its settings: {message}"),
        other => format!("the rule failed to check its settings: {other}"),
    })
}
