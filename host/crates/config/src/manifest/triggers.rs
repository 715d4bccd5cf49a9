//! Triggers of a manifest, resolved with a deployment's settings.

use std::collections::BTreeMap;

use model::deployment::KeyKind;
use model::effect::Overdue;
use model::trigger::{Kind, Predicate, Schedule, Sun, SunEvent};
use model::{Capability, Name, Span, Trigger, Unit, limits};
use serde_json::{Map, Value as Json};

use super::predicate::{Conditions, Kept};
use super::trigger_shape::TRIGGER;
use super::window::Windows;
use super::{RoleNeed, placeholder, raw};
use crate::document::{Document, Path};
use crate::host::{Placement, Site};
use crate::problem::Problem;
use crate::schema::{check_filled, offset};

/// What a trigger's words refer to.
pub(crate) struct Scope<'a> {
    pub(crate) key: KeyKind,
    pub(crate) roles: &'a BTreeMap<Name, RoleNeed>,
    /// Units that bound devices state for capabilities without a canonical one; none before devices are bound.
    pub(crate) units: Option<&'a BTreeMap<(Name, Capability), Unit>>,
    /// Whose zone schedules take that name none, and where the sun is watched.
    pub(crate) site: &'a Site,
}

impl Scope<'_> {
    pub(super) fn unit(&self, role: &Name, capability: Capability) -> Kept {
        let stated = || self.units.map(|units| units.get(&(role.clone(), capability)));
        match (capability.unit(), stated) {
            (Some(unit), _) => Kept::In(unit),
            (None, stated) => match stated() {
                None => Kept::Unknown,
                Some(None) => Kept::Bare,
                Some(Some(unit)) => Kept::In(*unit),
            },
        }
    }

    /// Whether `role` exists and may report `capability`; a problem at `path` where not.
    pub(super) fn offers(
        &self,
        document: &Document,
        role: &Name,
        capability: Capability,
        path: &Path,
        problems: &mut Vec<Problem>,
    ) -> bool {
        if !self.has(document, role, path, problems) {
            return false;
        }
        let listed = self.roles.get(role).map(|need| &*need.capabilities).unwrap_or_default();
        if listed.is_empty() || listed.contains(&capability) {
            return true;
        }
        let message = format!("role `{role}` does not list the capability `{capability}`");
        let problem = document.problem(&path.key("capability"), message);
        problems.push(problem.near(capability.name(), listed.iter().map(|known| known.name())));
        false
    }

    /// Whether `role` exists; a problem at `path` where not.
    pub(super) fn has(&self, document: &Document, role: &Name, path: &Path, problems: &mut Vec<Problem>) -> bool {
        if self.roles.contains_key(role) {
            return true;
        }
        let problem = document.problem(&path.key("role"), format!("there is no role `{role}`"));
        problems.push(problem.near(role, self.roles.keys().map(|name| &**name)));
        false
    }
}

/// The trigger at `path` as the engine takes it.
///
/// # Errors
/// Everything that is wrong with it once its settings are filled in.
pub(crate) fn resolve(
    document: &Document,
    value: &Json,
    path: &Path,
    settings: &Map<String, Json>,
    scope: &Scope<'_>,
) -> Result<Trigger, Vec<Problem>> {
    let mut problems = Vec::new();
    let filled = placeholder::fill(document, value, path, settings, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let raw: raw::Trigger = check_filled(document, &TRIGGER, filled, path)?;
    let trigger = One { document, path, scope, problems: &mut problems }.resolve(raw);
    match trigger {
        Some(trigger) if problems.is_empty() => Ok(trigger),
        _ => Err(problems),
    }
}

struct One<'a> {
    document: &'a Document,
    path: &'a Path,
    scope: &'a Scope<'a>,
    problems: &'a mut Vec<Problem>,
}

impl One<'_> {
    fn resolve(mut self, raw: raw::Trigger) -> Option<Trigger> {
        use raw::Trigger as Raw;
        let (name, role, kind) = match raw {
            Raw::Reading { name, role, capability, snapshot, late } => {
                let known = self.role(&role) && capability.is_none_or(|capability| self.offers(&role, capability));
                (name, Some(role), known.then_some(Kind::Reading { capability, snapshot, late }))
            }
            Raw::Change { name, role, capability, from, to, deadband, snapshot } => {
                let change = [from.as_ref(), to.as_ref(), deadband.as_ref()];
                let kind = self.change(&role, capability, change, snapshot);
                (name, Some(role), kind)
            }
            Raw::Threshold { name, role, when, clear, snapshot, keep } => {
                let kind = self.threshold(&role, &when, clear, (snapshot, keep));
                (name, Some(role), kind)
            }
            Raw::Held { name, role, when, r#for, stale, gap, gap_max, snapshot, keep } => {
                let gap_max = gap_max.or(stale).unwrap_or(limits::GAP_MAX);
                let whole = |when| Kind::Held { when, duration: r#for, stale, gap, gap_max, snapshot, keep };
                let kind = self.predicate(&role, &when, "when").map(whole);
                (name, Some(role), kind)
            }
            Raw::Silence { name, role, r#for } => {
                let good = self.role(&role) & self.lasts("for", r#for);
                (name, Some(role), good.then_some(Kind::Silence { duration: r#for }))
            }
            Raw::Availability { name, role, outage_min } => {
                let known = self.role(&role);
                (name, Some(role), known.then_some(Kind::Availability { outage_min }))
            }
            Raw::Zone(raw) => {
                let (name, role) = (raw.name.clone(), raw.role.clone());
                let known = self.role(&role) && self.offers(&role, raw.capability);
                let zone = super::zone::resolve(self.document, self.path, *raw, self.problems);
                (name, Some(role), zone.filter(|_| known).map(Kind::Zone))
            }
            Raw::Window(raw) => {
                let known = self.role(&raw.role) && self.offers(&raw.role, raw.capability);
                let Self { document, path, scope, .. } = self;
                let window = Windows { document, path, scope, problems: self.problems }.resolve(&raw);
                let kind = window.filter(|_| known).map(|window| Kind::Window(Box::new(window)));
                (raw.name, Some(raw.role), kind)
            }
            Raw::Schedule { name, cron, zone, overdue, spring, autumn } => {
                let zone = zone.unwrap_or_else(|| self.scope.site.zone.clone());
                let schedule = Schedule { cron, zone, overdue: overdue_of(&overdue), spring, autumn };
                (name, None, Some(Kind::Schedule(schedule)))
            }
            Raw::Sun { name, event, offset, overdue } => {
                let sun = self.sun(event, offset.as_deref(), overdue_of(&overdue));
                (name, None, sun.map(Kind::Sun))
            }
            Raw::Message { name, filter, key_from, snapshot } => {
                if key_from.is_none() && self.scope.key != KeyKind::One {
                    let message = "missing: a message trigger needs it unless the rule's key is \"one\"";
                    self.problems.push(self.document.problem(&self.path.key("key-from"), message));
                }
                (name, None, Some(Kind::Message { filter, key_from, snapshot }))
            }
            Raw::Custom { name, emission } => {
                let emitted = emission.unwrap_or_else(|| name.clone());
                (name, None, Some(Kind::Custom { name: emitted }))
            }
        };
        Some(Trigger { name, role, kind: kind? })
    }

    fn role(&mut self, role: &Name) -> bool {
        self.scope.has(self.document, role, self.path, self.problems)
    }

    fn offers(&mut self, role: &Name, capability: Capability) -> bool {
        self.scope.offers(self.document, role, capability, self.path, self.problems)
    }

    fn lasts(&mut self, key: &str, span: Span) -> bool {
        if span == Span::ZERO {
            self.problems.push(self.document.problem(&self.path.key(key), "expected a duration longer than nothing"));
        }
        span > Span::ZERO
    }

    fn sun(&mut self, event: SunEvent, text: Option<&str>, overdue: Overdue) -> Option<Sun> {
        let offset = text.map_or(0, |text| offset(text).expect("the table of keys has checked it"));
        if offset.unsigned_abs() > limits::SUN_OFFSET.0 {
            let message = format!("expected at most {} before or after", limits::SUN_OFFSET);
            self.problems.push(self.document.problem(&self.path.key("offset"), message));
            return None;
        }
        let place = match (self.scope.site.placement, self.scope.units) {
            (Some(place), _) => place,
            // Nobody knows yet where it will run.
            (None, None) => Placement { latitude: 0.0, longitude: 0.0 },
            (None, Some(_)) => {
                let message = "needs to know where the host is: give its site a latitude and a longitude";
                self.problems.push(self.document.problem(&self.path.key("event"), message));
                return None;
            }
        };
        let Placement { latitude, longitude } = place;
        Some(Sun { event, offset, latitude, longitude, overdue })
    }

    fn conditions<'b>(&'b mut self, role: &'b Name) -> Conditions<'b> {
        Conditions { document: self.document, scope: self.scope, role, problems: self.problems }
    }

    fn predicate(&mut self, role: &Name, raw: &raw::Predicate, key: &str) -> Option<Predicate> {
        let path = self.path.key(key);
        if self.role(role) { self.conditions(role).whole(raw, &path) } else { None }
    }

    fn change(
        &mut self,
        role: &Name,
        capability: Capability,
        [from, to, deadband]: [Option<&Json>; 3],
        snapshot: bool,
    ) -> Option<Kind> {
        if !self.offers(role, capability) {
            return None;
        }
        let path = self.path;
        let mut conditions = self.conditions(role);
        let from = from.map(|value| conditions.value(role, capability, value, &path.key("from")));
        let to = to.map(|value| conditions.value(role, capability, value, &path.key("to")));
        let deadband = deadband.map(|value| conditions.difference(capability, value, &path.key("deadband")));
        Some(Kind::Change {
            capability,
            from: from.map_or(Some(None), |value| value.map(Some))?,
            to: to.map_or(Some(None), |value| value.map(Some))?,
            deadband: deadband.map_or(Some(None), |value| value.map(Some))?,
            snapshot,
        })
    }

    fn threshold(
        &mut self,
        role: &Name,
        when: &raw::Predicate,
        clear: Option<Box<raw::Predicate>>,
        (snapshot, keep): (bool, bool),
    ) -> Option<Kind> {
        let entering = self.predicate(role, when, "when")?;
        let clear = match clear {
            None => None,
            Some(mut clear) => {
                if clear.capability.is_none() && clear.all.is_none() && clear.any.is_none() {
                    clear.capability = when.capability;
                    clear.role = clear.role.or_else(|| when.role.clone());
                }
                Some(self.predicate(role, &clear, "clear")?)
            }
        };
        Some(Kind::Threshold { when: entering, clear, snapshot, keep })
    }
}

/// The table of keys allows these forms and no others.
fn overdue_of(raw: &Json) -> Overdue {
    match raw {
        Json::String(word) if word == "fire" => Overdue::Fire,
        Json::String(word) if word == "skip" => Overdue::Skip,
        Json::Object(table) => {
            let span = table.get("fire-within").and_then(Json::as_str).and_then(|text| text.parse().ok());
            span.map_or_else(Overdue::default, Overdue::FireWithin)
        }
        _ => Overdue::default(),
    }
}
