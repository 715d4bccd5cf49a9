//! `scenarios/deployment.toml` of a rule: the small installation in which its scenarios run.

use std::collections::BTreeMap;

use model::device::Devices;
use model::notification::{Group, Template};
use model::{Device, DeviceNo, Name};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::device_shape::DEVICE;
use super::shape::{GROUP, SITE, TEMPLATE};
use super::{DevicePattern, Site, device, part, raw, site, templates};
use crate::deployment::{COMPATIBILITY, DeploymentFile, GRANTS, Installation, ROLES, RawGrants, SETTINGS};
use crate::document::{Document, Path};
use crate::problem::Problems;
use crate::schema::{Form, Kind, Shape, default, read};

pub(crate) static SCENARIO: Shape = Shape {
    keys: &[
        default("site", Kind::Table(&SITE), "{}", "as under `[host]`; its name is \"scenario\" unless given"),
        default("device", Kind::List(&Kind::Table(&DEVICE)), "[]", "as in `pointsman.toml`; a source may be left out"),
        default("template", Kind::Map(Form::Kebab, &Kind::Table(&TEMPLATE)), "{}", "as in `templates/`, by name"),
        default("group", Kind::List(&Kind::Table(&GROUP)), "[]", "people on duty; nothing is sent to their sinks"),
        default("deployment", Kind::Table(&DECISION), "{}", "as in a deployment, whose package is the rule at hand"),
        default("roles", ROLES, "{}", "as in a deployment"),
        default("settings", SETTINGS, "{}", "as in a deployment"),
        default("grants", Kind::Table(&GRANTS), "{}", "as in a deployment"),
    ],
};

static DECISION: Shape = Shape { keys: &[COMPATIBILITY] };

/// Devices, templates and a deployment to run a rule's scenarios with.
#[derive(Debug)]
pub struct Scenario {
    pub site: Site,
    pub templates: BTreeMap<Name, Template>,
    pub groups: Vec<Group>,
    pub patterns: Vec<DevicePattern>,
    /// Without a package: the rule at hand is meant.
    pub deployment: DeploymentFile,
    declared: Vec<Device>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawScenario {
    site: raw::Site,
    device: Vec<raw::Device>,
    template: BTreeMap<Name, raw::Template>,
    group: Vec<raw::Group>,
    deployment: RawDecision,
    roles: BTreeMap<Name, Json>,
    settings: Map<String, Json>,
    grants: RawGrants,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RawDecision {
    compatibility: bool,
}

impl Scenario {
    /// Reads one; `name` becomes the deployment's name, `file` is how problems name it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, file: &str, name: Name) -> Result<Self, Problems> {
        let document = Document::parse(text, file)?;
        let raw: RawScenario = read(&document, &SCENARIO)?;
        let mut problems = Vec::new();
        let site = site(&document, &["site"], &raw.site, &Name::from("scenario"), &mut problems);
        let around = device::Around { site: &site.name, connections: None, undeclared: None };
        let (patterns, declared) = part(device::devices(&document, raw.device, &around, &mut problems));
        let templates = raw.template.into_iter().map(|(name, raw)| {
            let path = Path::of(&["template", &name]);
            (name.clone(), templates::resolve(&document, &path, name, raw, &mut problems))
        });
        let templates = templates.collect();
        let groups = raw.group.into_iter().map(|group| Group { name: group.name, sinks: group.sinks }).collect();
        let mut deployment = DeploymentFile::part(document, name, raw.roles, raw.settings, raw.grants);
        deployment.compatibility = raw.deployment.compatibility;
        Problems::unless_any(Self { site, templates, groups, patterns, deployment, declared }, problems)
    }

    /// Ids of the devices of [`Self::devices`], in the same order.
    #[must_use]
    pub fn device_ids(&self) -> Vec<Name> {
        self.concrete().into_iter().map(|device| device.id).collect()
    }

    /// The devices that are no patterns, then the members of fleets that the deployment names, each under the number
    /// that `number` gives for its id.
    #[must_use]
    pub fn devices(&self, number: &mut dyn FnMut(&str) -> DeviceNo) -> Devices {
        super::numbered(self.concrete(), number)
    }

    fn concrete(&self) -> Vec<Device> {
        super::concrete(&self.declared, &self.patterns, std::slice::from_ref(&self.deployment))
    }

    /// What the deployment is resolved against; a digest is not asked for.
    #[must_use]
    pub fn installation<'a>(&'a self, devices: &'a Devices) -> Installation<'a> {
        Installation {
            devices,
            patterns: &self.patterns,
            templates: &self.templates,
            site: &self.site,
            development: true,
        }
    }
}
