//! The functions that a rule may import, answered by the host that the engine lends for the call.
//!
//! Each call has a price, and each byte that it carries; nothing here waits.

use model::guest::{Civil, Level, Pass};
use model::{Instant, Span, border};
use wasmtime::Result;

use crate::bindings::pointsman::rules::{calendar, chance, devices, people, settings, state, telemetry, types};
use crate::state::State;
use crate::stop::Refused;
use crate::{lift, lower};

impl settings::Host for State {
    fn json(&mut self) -> Result<String> {
        let json = self.call(0)?.settings().to_owned();
        self.charge_bytes(json.len())?;
        Ok(json)
    }
}

impl devices::Host for State {
    fn last(&mut self, device: String, capability: String) -> Result<Option<devices::Known>> {
        let known = self.call(device.len() + capability.len())?.last(&device, &capability);
        if let Some(known) = &known {
            self.charge_bytes(known.value.weight() + model_weight(&known.attributes))?;
        }
        Ok(known.map(lower::known))
    }

    fn available(&mut self, device: String) -> Result<Option<(bool, i64)>> {
        Ok(self.call(device.len())?.available(&device).map(|(available, since)| (available, since.0)))
    }

    fn summarise(
        &mut self,
        device: String,
        capability: String,
        window: u64,
    ) -> Result<Result<Option<devices::Summary>, devices::HistoryProblem>> {
        let host = self.call(device.len() + capability.len())?;
        let summary = host.summarise(&device, &capability, Span(window));
        Ok(summary.map(|summary| summary.as_ref().map(lower::summary)).map_err(lower::history_problem))
    }

    fn members(&mut self, role: String) -> Result<Vec<String>> {
        let members = self.call(role.len())?.members(&role);
        self.texts(&members)
    }

    fn about(&mut self, device: String) -> Result<types::AttributesResult> {
        let about = self.call(device.len())?.about(&device);
        self.charge_bytes(model_weight(&about))?;
        Ok(lower::owned_pairs(about))
    }
}

impl state::Host for State {
    fn get(&mut self, name: String) -> Result<Option<types::ValueResult>> {
        let value = self.call(name.len())?.get(&name);
        self.charge_bytes(value.as_ref().map_or(0, model::Value::weight))?;
        Ok(value.map(lower::owned))
    }

    fn set(
        &mut self,
        name: String,
        value: types::ValueResult,
        expires_at: Option<i64>,
    ) -> Result<Result<(), state::Problem>> {
        let value = lift::value(&name, value)?;
        let expires_at = expires_at.map(|at| lift::instant("expires-at", at)).transpose()?;
        let host = self.call(name.len() + value.weight())?;
        Ok(host.set(&name, value, expires_at).map_err(lower::state_problem))
    }

    fn remove(&mut self, name: String) -> Result<()> {
        self.call(name.len())?.remove(&name);
        Ok(())
    }

    fn names(&mut self, prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        let host = self.call(prefix.len() + after.as_ref().map_or(0, String::len))?;
        let names = host.names(&prefix, after.as_deref(), limit);
        self.texts(&names)
    }
}

impl calendar::Host for State {
    fn local(&mut self, at: i64, zone: String) -> Result<Option<calendar::Civil>> {
        let at = lift::instant("at", at)?;
        Ok(self.call(zone.len())?.local(at, &zone).map(lower::civil))
    }

    fn instant_of(&mut self, local: calendar::Civil, zone: String, pass: calendar::Pass) -> Result<Option<i64>> {
        let pass = match pass {
            calendar::Pass::First => Pass::First,
            calendar::Pass::Last => Pass::Last,
        };
        let local = Civil {
            year: local.year,
            month: local.month,
            day: local.day,
            hour: local.hour,
            minute: local.minute,
            second: local.second,
            weekday: local.weekday,
            offset_minutes: local.offset_minutes,
        };
        Ok(self.call(zone.len())?.instant_of(local, &zone, pass).map(|Instant(at)| at))
    }
}

impl chance::Host for State {
    fn next(&mut self) -> Result<u32> {
        Ok(self.call(0)?.chance())
    }
}

impl telemetry::Host for State {
    fn log(&mut self, level: telemetry::Level, message: String, fields: types::AttributesResult) -> Result<()> {
        let level = match level {
            telemetry::Level::Debug => Level::Debug,
            telemetry::Level::Info => Level::Info,
            telemetry::Level::Warn => Level::Warn,
            telemetry::Level::Error => Level::Error,
        };
        let fields = lift::fields(fields);
        self.call(message.len() + model_weight(&fields))?;
        State::log(self, level, &message, fields);
        Ok(())
    }

    fn count(&mut self, name: String, by: u64) -> Result<()> {
        self.call(name.len())?.count(&name, by);
        Ok(())
    }

    fn observe(&mut self, name: String, sample: f64) -> Result<()> {
        let sample = border::sample(&name, sample).map_err(Refused::Output)?;
        self.call(name.len())?.observe(&name, sample);
        Ok(())
    }
}

/// Until people can consent, nobody has: no device belongs to anyone and nothing is known of anyone.
impl people::Host for State {
    fn links_of(&mut self, device: String) -> Result<Vec<people::Link>> {
        self.call(device.len())?;
        Ok(Vec::new())
    }

    fn trait_of(
        &mut self,
        subject: String,
        name: String,
        purpose: String,
    ) -> Result<Result<Option<types::ValueResult>, people::Denial>> {
        self.call(subject.len() + name.len() + purpose.len())?;
        Ok(Err(people::Denial::NoConsent))
    }

    fn in_segment(
        &mut self,
        subject: String,
        segment: String,
        purpose: String,
    ) -> Result<Result<bool, people::Denial>> {
        self.call(subject.len() + segment.len() + purpose.len())?;
        Ok(Err(people::Denial::NoConsent))
    }
}

impl types::Host for State {}

impl State {
    fn texts(&mut self, names: &[model::Name]) -> Result<Vec<String>> {
        self.charge_bytes(names.iter().map(|name| name.len()).sum())?;
        Ok(names.iter().map(|name| name.as_ref().to_owned()).collect())
    }
}

fn model_weight(attributes: &[(model::Name, model::Value)]) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.weight()).sum()
}
