//! The engine's world as the SDK's platform: what the sandbox's imports are to a component.

use std::panic::resume_unwind;

use model::border::{self, Crossing};
use model::guest;
use pointsman_sdk::host::{Civil, HistoryProblem, Known, Level, Pass, StateProblem, Summary};
use pointsman_sdk::native::Platform;
use pointsman_sdk::people::{Denial, Link};
use pointsman_sdk::value::{Attributes, Value};
use pointsman_sdk::{Instant, Span};

use crate::{lift, lower};

/// The host that the engine lends for one call.
pub(crate) struct Lent(Box<dyn guest::Host>);

impl Lent {
    pub(crate) fn new(host: Box<dyn guest::Host>) -> Self {
        Self(host)
    }

    pub(crate) fn settings(&self) -> String {
        self.0.settings().to_owned()
    }

    pub(crate) fn into_host(self) -> Box<dyn guest::Host> {
        self.0
    }
}

impl Platform for Lent {
    fn last(&self, device: &str, capability: &str) -> Option<Known> {
        self.0.last(device, capability).map(lift::known)
    }

    fn available(&self, device: &str) -> Option<(bool, Instant)> {
        self.0.available(device).map(|(available, since)| (available, Instant(since.0)))
    }

    fn summarise(&self, device: &str, capability: &str, window: Span) -> Result<Option<Summary>, HistoryProblem> {
        match self.0.summarise(device, capability, model::Span(window.0)) {
            Ok(summary) => Ok(summary.map(|summary| lift::summary(&summary))),
            Err(guest::HistoryProblem::NotDeclared) => Err(HistoryProblem::NotDeclared),
            Err(guest::HistoryProblem::NotNumeric) => Err(HistoryProblem::NotNumeric),
        }
    }

    fn members(&self, role: &str) -> Vec<String> {
        texts(&self.0.members(role))
    }

    fn about(&self, device: &str) -> Attributes {
        lift::attributes(&self.0.about(device))
    }

    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name).map(|value| lift::value(&value))
    }

    fn set(&mut self, name: &str, value: Value, expires_at: Option<Instant>) -> Result<(), StateProblem> {
        let value = crossed(border::value(name, lower::plain(value)));
        let expires_at = expires_at.map(|at| crossed(border::instant("expires-at", model::Instant(at.0))));
        self.0.set(name, value, expires_at).map_err(|problem| match problem {
            guest::StateProblem::TooLarge => StateProblem::TooLarge,
            guest::StateProblem::OverQuota => StateProblem::OverQuota,
        })
    }

    fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        texts(&self.0.names(prefix, after, limit))
    }

    fn local(&self, at: Instant, zone: &str) -> Option<Civil> {
        let civil = self.0.local(crossed(border::instant("at", model::Instant(at.0))), zone)?;
        Some(Civil {
            year: civil.year,
            month: civil.month,
            day: civil.day,
            hour: civil.hour,
            minute: civil.minute,
            second: civil.second,
            weekday: civil.weekday,
            offset_minutes: civil.offset_minutes,
        })
    }

    fn instant_of(&self, local: Civil, zone: &str, pass: Pass) -> Option<Instant> {
        let local = guest::Civil {
            year: local.year,
            month: local.month,
            day: local.day,
            hour: local.hour,
            minute: local.minute,
            second: local.second,
            weekday: local.weekday,
            offset_minutes: local.offset_minutes,
        };
        let pass = match pass {
            Pass::First => guest::Pass::First,
            Pass::Last => guest::Pass::Last,
        };
        self.0.instant_of(local, zone, pass).map(|at| Instant(at.0))
    }

    fn chance(&mut self) -> u32 {
        self.0.chance()
    }

    fn log(&mut self, level: Level, message: &str, fields: Attributes) {
        let level = match level {
            Level::Debug => guest::Level::Debug,
            Level::Info => guest::Level::Info,
            Level::Warn => guest::Level::Warn,
            Level::Error => guest::Level::Error,
        };
        self.0.log(level, message, border::fields(lower::attributes(fields)));
    }

    fn count(&mut self, name: &str, by: u64) {
        self.0.count(name, by);
    }

    fn observe(&mut self, name: &str, sample: f64) {
        self.0.observe(name, crossed(border::sample(name, sample)));
    }

    // Until people can consent, nobody has: as in the sandbox, nothing is known of anyone.
    fn links_of(&self, _: &str) -> Vec<Link> {
        Vec::new()
    }

    fn trait_of(&self, _: &str, _: &str, _: &str) -> Result<Option<Value>, Denial> {
        Err(Denial::NoConsent)
    }

    fn in_segment(&self, _: &str, _: &str, _: &str) -> Result<bool, Denial> {
        Err(Denial::NoConsent)
    }
}

/// What may not cross, on its way out of the rule that handed it over: the sandbox ends the call there too.
pub(crate) struct Refused(pub(crate) String);

fn crossed<T>(crossing: Crossing<T>) -> T {
    crossing.unwrap_or_else(|why| resume_unwind(Box::new(Refused(why))))
}

fn texts(names: &[model::Name]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
