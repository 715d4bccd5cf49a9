//! `deployments/NAME.toml`: an operator's decision to run a package with these devices, settings and powers.

mod bindings;
mod filters;
mod grants;
mod raw;
mod resolve;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path as File, PathBuf};

use model::deployment::PackageDigest;
use model::device::Devices;
use model::notification::Template;
use model::{Name, Selector};
use serde_json::{Map, Value as Json};

use crate::document::{Document, Path};
use crate::host::{DevicePattern, Site};
use crate::problem::{Problem, Problems};
use crate::schema::{digest, read};

pub(crate) use raw::Grants as RawGrants;
pub use resolve::resolve;
pub(crate) use shape::{COMPATIBILITY, DEPLOYMENT, GRANTS, ROLES, SETTINGS};

/// A deployment as its operator wrote it, right in itself; [`resolve`] holds it against manifest and installation.
#[derive(Debug)]
pub struct DeploymentFile {
    /// The file's name without `.toml`.
    pub name: Name,
    /// The package's file; empty in a scenario, where the rule at hand is meant.
    pub package: PathBuf,
    pub digest: Option<PackageDigest>,
    /// Whether a package may import WASI, which is then virtual and denies everything.
    pub compatibility: bool,
    /// Whether it may be part of a loop over several deployments.
    pub accept_loops: bool,
    pub roles: BTreeMap<Name, Binding>,
    /// As given, without defaults.
    pub settings: Map<String, Json>,
    grants: RawGrants,
    document: Document,
}

/// What is bound to a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// By id, in this order.
    Devices(Vec<Name>),
    /// Whichever match.
    Matching(Selector),
}

/// What a deployment is resolved against.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    pub devices: &'a Devices,
    pub patterns: &'a [DevicePattern],
    pub templates: &'a BTreeMap<Name, Template>,
    /// Whose zone schedules take that name none, and where the sun is watched.
    pub site: &'a Site,
    /// Whether a deployment may leave out its package's digest.
    pub development: bool,
}

impl DeploymentFile {
    /// Reads one; `file` is how problems name it, `folder` where the package's path starts.
    ///
    /// # Errors
    /// Everything that is wrong with it, seen alone.
    pub fn parse(text: &str, file: &str, name: Name, folder: &File) -> Result<Self, Problems> {
        let document = Document::parse(text, file)?;
        let raw: raw::Deployment = read(&document, &DEPLOYMENT)?;
        let mut problems = Vec::new();
        let at = |key| Path::of(&["deployment", key]);
        if raw.deployment.shadow {
            problems.push(document.problem(&at("shadow"), "shadow deployments are not run yet: leave it out"));
        }
        if raw.deployment.package.starts_with("oci://") {
            let message = "packages are not fetched from registries yet: name a file";
            problems.push(document.problem(&at("package"), message));
        }
        let deployment = Self {
            package: folder.join(&*raw.deployment.package),
            digest: raw.deployment.digest.as_deref().and_then(digest).map(PackageDigest),
            compatibility: raw.deployment.compatibility,
            accept_loops: raw.deployment.accept_loops,
            ..Self::part(document, name, raw.roles, raw.settings, raw.grants)
        };
        Problems::unless_any(deployment, problems)
    }

    /// The deployment that is a part of a scenario's file, which has checked its form; it names no package.
    pub(crate) fn part(
        document: Document,
        name: Name,
        roles: BTreeMap<Name, Json>,
        settings: Map<String, Json>,
        grants: RawGrants,
    ) -> Self {
        Self {
            name,
            package: PathBuf::new(),
            digest: None,
            compatibility: false,
            accept_loops: false,
            roles: roles.into_iter().map(|(role, written)| (role, binding(&written))).collect(),
            settings,
            grants,
            document,
        }
    }

    /// The ids that roles are bound to.
    pub(crate) fn bound_ids(&self) -> impl Iterator<Item = &Name> {
        self.roles.values().flat_map(|binding| match binding {
            Binding::Devices(ids) => &ids[..],
            Binding::Matching(_) => &[],
        })
    }

    /// A problem of the deployment's file at `path`.
    fn problem(&self, path: &Path, message: impl Into<String>) -> Problem {
        self.document.problem(path, message)
    }

    /// The problem of a deployment outside development mode that does not pin its package.
    pub(crate) fn missing_digest(&self) -> Option<Problem> {
        let message = "missing: required unless development = true under [host]; `pointsman rule inspect` shows it";
        self.digest.is_none().then(|| self.problem(&Path::of(&["deployment", "digest"]), message))
    }
}

/// The table of keys has checked that it is a selector's text or a list of ids.
fn binding(written: &Json) -> Binding {
    match written {
        Json::String(text) => Binding::Matching(text.parse().expect("the table of keys has checked it")),
        other => {
            let ids = other.as_array().into_iter().flatten().filter_map(Json::as_str);
            Binding::Devices(ids.map(Name::from).collect())
        }
    }
}
