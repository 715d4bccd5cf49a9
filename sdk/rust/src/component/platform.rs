//! The imported interfaces as a [`Platform`].

use std::marker::PhantomData;

use super::bindings::rule::pointsman::rules::{calendar, chance, devices, state, telemetry};
use super::{lift, lower};
use crate::host::{Civil, HistoryProblem, Known, Level, Pass, StateProblem, Summary};
use crate::platform::Platform;
use crate::time::{Instant, Span};
use crate::value::{Attributes, Value};

/// The host of the component that this code is part of.
pub(crate) struct Component<'a>(PhantomData<&'a ()>);

impl Component<'_> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl Platform for Component<'_> {
    fn last(&self, device: &str, capability: &str) -> Option<Known> {
        let known = devices::last(device, capability)?;
        Some(Known {
            value: lift::value(known.value),
            unit: known.unit,
            desired: known.desired.map(lift::value),
            since: Instant(known.since),
            reported: Instant(known.reported),
            quality: lift::quality(known.quality),
            freshness: lift::freshness(known.freshness),
            attributes: lift::attributes(known.attributes),
        })
    }

    fn available(&self, device: &str) -> Option<(bool, Instant)> {
        devices::available(device).map(|(available, since)| (available, Instant(since)))
    }

    fn summarise(&self, device: &str, capability: &str, window: Span) -> Result<Option<Summary>, HistoryProblem> {
        let summary = devices::summarise(device, capability, window.0).map_err(|problem| match problem {
            devices::HistoryProblem::NotDeclared => HistoryProblem::NotDeclared,
            devices::HistoryProblem::NotNumeric => HistoryProblem::NotNumeric,
        })?;
        Ok(summary.map(|it| Summary {
            count: it.count,
            first: it.first,
            last: it.last,
            min: it.min,
            max: it.max,
            mean: it.mean,
            time_mean: it.time_mean,
            attributes: lift::attributes(it.attributes),
        }))
    }

    fn members(&self, role: &str) -> Vec<String> {
        devices::members(role)
    }

    fn about(&self, device: &str) -> Attributes {
        lift::attributes(devices::about(device))
    }

    fn get(&self, name: &str) -> Option<Value> {
        state::get(name).map(lift::value)
    }

    fn set(&mut self, name: &str, value: Value, expires_at: Option<Instant>) -> Result<(), StateProblem> {
        state::set(name, &lower::value(value), expires_at.map(|at| at.0)).map_err(|problem| match problem {
            state::Problem::TooLarge => StateProblem::TooLarge,
            state::Problem::OverQuota => StateProblem::OverQuota,
        })
    }

    fn remove(&mut self, name: &str) {
        state::remove(name);
    }

    fn names(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        state::names(prefix, after, limit)
    }

    fn local(&self, at: Instant, zone: &str) -> Option<Civil> {
        calendar::local(at.0, zone).map(|it| Civil {
            year: it.year,
            month: it.month,
            day: it.day,
            hour: it.hour,
            minute: it.minute,
            second: it.second,
            weekday: it.weekday,
            offset_minutes: it.offset_minutes,
        })
    }

    fn instant_of(&self, local: Civil, zone: &str, pass: Pass) -> Option<Instant> {
        let civil = calendar::Civil {
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
            Pass::First => calendar::Pass::First,
            Pass::Last => calendar::Pass::Last,
        };
        calendar::instant_of(civil, zone, pass).map(Instant)
    }

    fn chance(&mut self) -> u32 {
        chance::next()
    }

    fn log(&mut self, level: Level, message: &str, fields: Attributes) {
        let level = match level {
            Level::Debug => telemetry::Level::Debug,
            Level::Info => telemetry::Level::Info,
            Level::Warn => telemetry::Level::Warn,
            Level::Error => telemetry::Level::Error,
        };
        telemetry::log(level, message, &lower::attributes(fields));
    }

    fn count(&mut self, name: &str, by: u64) {
        telemetry::count(name, by);
    }

    fn observe(&mut self, name: &str, sample: f64) {
        telemetry::observe(name, sample);
    }

    #[cfg(feature = "engagement")]
    fn links_of(&self, device: &str) -> Vec<crate::people::Link> {
        people::links_of(device)
    }

    #[cfg(feature = "engagement")]
    fn trait_of(&self, subject: &str, name: &str, purpose: &str) -> Result<Option<Value>, crate::people::Denial> {
        people::trait_of(subject, name, purpose)
    }

    #[cfg(feature = "engagement")]
    fn in_segment(&self, subject: &str, segment: &str, purpose: &str) -> Result<bool, crate::people::Denial> {
        people::in_segment(subject, segment, purpose)
    }
}

#[cfg(feature = "engagement")]
mod people {
    //! The interface `people`.

    use super::super::bindings::engagement::pointsman::rules::people as wit;
    use super::super::lift;
    use crate::people::{Denial, Link, LinkKind};
    use crate::value::Value;

    pub(super) fn links_of(device: &str) -> Vec<Link> {
        let link = |link: wit::Link| Link {
            subject: link.subject,
            kind: match link.kind {
                wit::LinkKind::Owner => LinkKind::Owner,
                wit::LinkKind::Household => LinkKind::Household,
                wit::LinkKind::Shared => LinkKind::Shared,
                wit::LinkKind::Rental => LinkKind::Rental,
            },
        };
        wit::links_of(device).into_iter().map(link).collect()
    }

    pub(super) fn trait_of(subject: &str, name: &str, purpose: &str) -> Result<Option<Value>, Denial> {
        wit::trait_of(subject, name, purpose).map(|value| value.map(lift::value)).map_err(denial)
    }

    pub(super) fn in_segment(subject: &str, segment: &str, purpose: &str) -> Result<bool, Denial> {
        wit::in_segment(subject, segment, purpose).map_err(denial)
    }

    fn denial(denial: wit::Denial) -> Denial {
        match denial {
            wit::Denial::Unknown => Denial::Unknown,
            wit::Denial::NoConsent => Denial::NoConsent,
            wit::Denial::NotGranted => Denial::NotGranted,
        }
    }
}
