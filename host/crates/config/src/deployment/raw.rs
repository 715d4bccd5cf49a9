//! `deployments/NAME.toml` as it is written, defaults filled in, nothing resolved.

use std::collections::BTreeMap;

use model::Name;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Deployment {
    pub(crate) deployment: Decision,
    /// A selector's text or a list of ids.
    pub(crate) roles: BTreeMap<Name, Json>,
    pub(crate) settings: Map<String, Json>,
    pub(crate) grants: Grants,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Decision {
    pub(crate) package: Name,
    pub(crate) digest: Option<String>,
    pub(crate) shadow: bool,
    pub(crate) compatibility: bool,
    pub(crate) accept_loops: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Grants {
    /// Each a text, or a table from it to the ranges of its arguments.
    pub(crate) commands: Vec<Json>,
    pub(crate) notifications: Vec<Name>,
    pub(crate) publish: Vec<Name>,
    pub(crate) emit: Vec<Name>,
    pub(crate) priority: String,
    /// By role and action.
    pub(crate) hours: BTreeMap<Name, String>,
    pub(crate) zone: Option<Name>,
}
