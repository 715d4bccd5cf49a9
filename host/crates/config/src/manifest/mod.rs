//! `rule.toml`, the manifest: what a rule is, needs, asks for and is woken by.

mod placeholder;
mod predicate;
mod raw;
mod requests;
mod settings;
mod shape;
#[cfg(test)]
mod tests;
mod trigger_shape;
mod triggers;
mod window;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use model::deployment::{History, KeyKind, Lifecycle, Limits, World};
use model::{Capability, Name, Trigger, Unit, limits};
use semver::Version;
use serde_json::{Map, Value as Json};

use crate::document::{Document, Path};
use crate::host::Site;
use crate::problem::{Problem, Problems};
use crate::schema::{bytes, read};

pub(crate) use predicate::{Kept, in_unit};
pub(crate) use requests::{Asked, commands};
pub use requests::{NotificationRequest, Requests};
pub(crate) use settings::PROPERTY;
pub use settings::Settings;
pub(crate) use shape::{COMMAND, MANIFEST};
pub(crate) use trigger_shape::{PREDICATE, TRIGGER};
use triggers::Scope;

/// Most parts of one history: an hour's worth of a month.
pub(crate) const BUCKETS_MAX: u16 = 744;

/// A manifest that is right in itself; what it asks of an installation is checked when it is deployed.
#[derive(Debug)]
pub struct Manifest {
    pub id: Name,
    pub version: Version,
    pub world: World,
    pub description: Name,
    pub key: KeyKind,
    pub lifecycle: Lifecycle,
    pub state_version: u32,
    pub completions: Vec<Name>,
    pub metrics: Vec<Name>,
    pub roles: BTreeMap<Name, RoleNeed>,
    pub requests: Requests,
    pub histories: Vec<History>,
    pub settings: Settings,
    pub limits: Limits,
    /// As written, with placeholders, defaults filled in.
    triggers: Vec<Json>,
    document: Document,
}

/// What a role asks of the devices that are bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleNeed {
    /// Empty: any.
    pub capabilities: Vec<Capability>,
    pub many: bool,
}

impl Manifest {
    /// Reads a manifest; `file` is how problems name it.
    ///
    /// # Errors
    /// Everything that is wrong with it, triggers included as far as the settings' defaults allow.
    pub fn parse(text: &str, file: &str) -> Result<Self, Problems> {
        let document = Document::parse(text, file)?;
        let raw: raw::Manifest = read(&document, &shape::MANIFEST)?;
        let mut problems = Vec::new();
        let mut roles: BTreeMap<_, _> = raw
            .roles
            .into_iter()
            .map(|(name, role)| (name, RoleNeed { capabilities: role.capabilities, many: role.many }))
            .collect();
        check_metrics(&document, &raw.rule.metrics, &mut problems);
        if raw.rule.key == KeyKind::Person {
            let message =
                "`person` wakes nothing yet: there are no persons and no consent; use `device`, `site` or `one`";
            problems.push(document.problem(&Path::of(&["rule", "key"]), message.to_owned()));
        }
        let requests = requests::read(&document, raw.requests, &mut roles, raw.rule.world, &mut problems);
        let histories = histories(&document, raw.history, &roles, &mut problems);
        let limits = tighten(&document, &raw.limits, &mut problems);
        let settings = match Settings::compile(&document, raw.settings) {
            Ok(settings) => settings,
            Err(more) => {
                problems.extend(more);
                return Err(Problems::all(problems));
            }
        };
        let manifest = Self {
            version: Version::parse(&raw.rule.version).expect("the table of keys has checked it"),
            id: raw.rule.id,
            world: raw.rule.world,
            description: raw.rule.description,
            key: raw.rule.key,
            lifecycle: raw.rule.lifecycle,
            state_version: raw.rule.state_version,
            completions: raw.rule.completions,
            metrics: raw.rule.metrics,
            roles,
            requests,
            histories,
            settings,
            limits,
            triggers: raw.trigger,
            document,
        };
        manifest.check_triggers(&mut problems);
        Problems::unless_any(manifest, problems)
    }

    /// Its triggers with these settings, in its own order.
    ///
    /// # Errors
    /// Everything that is wrong with them once the settings stand in them.
    pub(crate) fn triggers(
        &self,
        settings: &Map<String, Json>,
        units: &BTreeMap<(Name, Capability), Unit>,
        site: &Site,
    ) -> Result<Vec<Trigger>, Vec<Problem>> {
        let scope = Scope { key: self.key, roles: &self.roles, units: Some(units), site };
        let mut problems = Vec::new();
        let mut resolved = Vec::with_capacity(self.triggers.len());
        for (index, value) in self.triggers.iter().enumerate() {
            let path = Path::of(&["trigger"]).item(index, value);
            match triggers::resolve(&self.document, value, &path, settings, &scope) {
                Ok(trigger) => resolved.push(trigger),
                Err(more) => problems.extend(more),
            }
        }
        if problems.is_empty() { Ok(resolved) } else { Err(problems) }
    }

    /// A problem of the manifest at `path`.
    pub(crate) fn problem(&self, path: &Path, message: impl Into<String>) -> Problem {
        self.document.problem(path, message)
    }

    /// Resolves each trigger with the defaults, so that a rule's author learns of mistakes before anybody deploys it.
    fn check_triggers(&self, problems: &mut Vec<Problem>) {
        let defaults = self.settings.defaults();
        let site = Site::unknown();
        let scope = Scope { key: self.key, roles: &self.roles, units: None, site: &site };
        let mut names = BTreeSet::new();
        for (index, value) in self.triggers.iter().enumerate() {
            let path = Path::of(&["trigger"]).item(index, value);
            if let Some(name) = value.get("name").and_then(Json::as_str).filter(|name| !names.insert(*name)) {
                problems.push(self.problem(&path.key("name"), format!("a second trigger with the name `{name}`")));
            }
            let open = placeholder::names(value)
                .into_iter()
                .any(|name| self.settings.properties().contains_key(&name) && !defaults.contains_key(&name));
            if open {
                // A required setting stands in it: its value is known, and checked, when the rule is deployed.
                self.check_names(value, &path, problems);
            } else if let Err(more) = triggers::resolve(&self.document, value, &path, &defaults, &scope) {
                problems.extend(more);
            }
        }
    }

    fn check_names(&self, value: &Json, path: &Path, problems: &mut Vec<Problem>) {
        let known = self.settings.properties();
        for name in placeholder::names(value).iter().filter(|name| !known.contains_key(*name)) {
            let problem = self.problem(path, format!("there is no setting `{name}`"));
            problems.push(problem.near(name, known.keys().map(String::as_str)));
        }
    }
}

fn check_metrics(document: &Document, metrics: &[Name], problems: &mut Vec<Problem>) {
    let path = Path::of(&["rule", "metrics"]);
    if metrics.len() > limits::METRICS {
        let message = format!("{} names: at most {} are kept", metrics.len(), limits::METRICS);
        problems.push(document.problem(&path, message));
    }
    let mut seen = BTreeSet::new();
    for name in metrics.iter().filter(|name| !seen.insert(*name)) {
        problems.push(document.problem(&path, format!("`{name}` is there twice")));
    }
}

fn histories(
    document: &Document,
    raw: Vec<raw::History>,
    roles: &BTreeMap<Name, RoleNeed>,
    problems: &mut Vec<Problem>,
) -> Vec<History> {
    let site = Site::unknown();
    let scope = Scope { key: KeyKind::One, roles, units: None, site: &site };
    let mut histories = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let path = Path::of(&["history"]).item(index, &Json::Null);
        scope.offers(document, &raw.role, raw.capability, &path, problems);
        if raw.window == model::Span::ZERO || raw.window > limits::HISTORY_WINDOW {
            let message = format!("{}: expected more than nothing and at most {}", raw.window, limits::HISTORY_WINDOW);
            problems.push(document.problem(&path.key("window"), message));
        }
        let raw::History { role, capability, window, buckets } = raw;
        histories.push(History { role, capability, window, buckets });
    }
    histories
}

/// The host's limits, each replaced by the manifest's where that is lower; a higher one is a problem.
fn tighten(document: &Document, raw: &raw::Limits, problems: &mut Vec<Problem>) -> Limits {
    let host = Limits::default();
    let mut lower = |key: &str, wanted: Option<u64>, host: u64| match wanted {
        None => host,
        Some(wanted) => {
            if wanted > host {
                let message = format!("{wanted} is more than the host's {host}: a manifest may only tighten it");
                problems.push(document.problem(&Path::of(&["limits", key]), message));
            }
            wanted.min(host)
        }
    };
    let narrow = "no more than the host's, which has this type";
    Limits {
        fuel_per_event: lower("fuel-per-event", raw.fuel_per_event, host.fuel_per_event),
        memory_bytes: usize::try_from(lower("memory", raw.memory.as_deref().and_then(bytes), host.memory_bytes as u64))
            .expect(narrow),
        effects_per_event: usize::try_from(lower(
            "effects-per-event",
            raw.effects_per_event,
            host.effects_per_event as u64,
        ))
        .expect(narrow),
        effects_per_minute: u32::try_from(lower(
            "effects-per-minute",
            raw.effects_per_minute,
            host.effects_per_minute.into(),
        ))
        .expect(narrow),
    }
}
