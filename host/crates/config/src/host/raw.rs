//! `pointsman.toml` and templates as they are written, defaults filled in, nothing resolved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use model::notification::Class;
use model::{Capability, Name, Span};
use serde::Deserialize;
use serde_json::Value as Json;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Host {
    pub(crate) host: Identity,
    pub(crate) broker: Option<Broker>,
    pub(crate) mqtt: Vec<Server>,
    pub(crate) api: Api,
    pub(crate) commands: Commands,
    pub(crate) device: Vec<Device>,
    pub(crate) sink: Vec<Sink>,
    pub(crate) group: Vec<Group>,
    pub(crate) store: Store,
    pub(crate) retention: Retention,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) name: Name,
    pub(crate) data: PathBuf,
    pub(crate) site: Site,
    pub(crate) partitions: u16,
    pub(crate) development: bool,
    pub(crate) sampler: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Site {
    pub(crate) name: Option<Name>,
    pub(crate) zone: Name,
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Broker {
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) name: Name,
    pub(crate) url: String,
    pub(crate) version: String,
    pub(crate) subscribe: Vec<Name>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Credentials {
    pub(crate) user: Name,
    pub(crate) password_file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) listen: SocketAddr,
    pub(crate) names: Vec<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Commands {
    pub(crate) topic: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Device {
    pub(crate) id: Name,
    pub(crate) kind: Name,
    pub(crate) site: Option<Name>,
    pub(crate) source: Option<Source>,
    pub(crate) availability: Option<Availability>,
    pub(crate) commands: BTreeMap<Name, Action>,
    pub(crate) confirm: Confirm,
    pub(crate) about: BTreeMap<Name, Json>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) connection: Option<Name>,
    pub(crate) topic: Name,
    pub(crate) readings: BTreeMap<Capability, Reading>,
    pub(crate) time: Option<Name>,
    pub(crate) id: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Reading {
    pub(crate) path: Name,
    pub(crate) unit: Option<String>,
    pub(crate) values: BTreeMap<Name, Json>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Availability {
    pub(crate) topic: Name,
    pub(crate) online: Name,
    pub(crate) offline: Name,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Action {
    pub(crate) capability: Option<Capability>,
    pub(crate) value: Option<Json>,
    pub(crate) momentary: bool,
    pub(crate) idempotent: bool,
    pub(crate) expires: Span,
    pub(crate) topic: Name,
    pub(crate) payload: Name,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Confirm {
    pub(crate) within: Span,
    pub(crate) retries: u8,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Sink {
    pub(crate) name: Name,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) mqtt: Option<Topic>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) url: Name,
    pub(crate) secret_file: PathBuf,
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Topic {
    pub(crate) topic: Name,
    pub(crate) connection: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) name: Name,
    pub(crate) sinks: Vec<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Store {
    pub(crate) linger: Span,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Retention {
    pub(crate) journal: Journal,
    pub(crate) decisions: Decisions,
    pub(crate) duplicates: Duplicates,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Journal {
    pub(crate) age: Span,
    pub(crate) size: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Decisions {
    pub(crate) age: Span,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Duplicates {
    pub(crate) age: Span,
    pub(crate) count: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Template {
    pub(crate) class: Class,
    pub(crate) purpose: Name,
    pub(crate) default_locale: Option<Name>,
    pub(crate) text: BTreeMap<Name, Text>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Text {
    pub(crate) title: Name,
    pub(crate) body: Name,
}
