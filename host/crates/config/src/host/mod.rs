//! `pointsman.toml` and the folders beside it: the installation.

mod device;
mod device_shape;
mod folder;
mod network;
mod pattern;
mod raw;
mod scenario;
mod secret;
mod shape;
mod templates;
#[cfg(test)]
mod tests;
mod url;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path as File, PathBuf};

use model::device::Devices;
use model::notification::{Group, Template};
use model::{Device, DeviceNo, Name, Span};

use crate::deployment::{DeploymentFile, Installation};
use crate::document::{Document, Path};
use crate::problem::{Problem, Problems};
use crate::schema::{bytes, read};

pub use network::{Credentials, MqttVersion, Server, Sink, SinkKind};
pub use pattern::{DevicePattern, Instance};
pub(crate) use scenario::SCENARIO;
pub use scenario::Scenario;
pub use secret::Secret;
pub(crate) use shape::{HOST, TEMPLATE};
pub use url::Url;

/// Most partitions of an installation.
const PARTITIONS_MAX: u16 = 256;
/// Most repetitions of an unconfirmed command: a device that needs more has another fault.
const RETRIES_MAX: u8 = 10;
/// Longest wait for company before a commit: a source waits for its acknowledgement as long.
const LINGER_MAX: Span = Span::from_mins(1);
/// Where the embedded broker listens when nothing says otherwise.
const BROKER_LISTEN: &str = "127.0.0.1:1883";
/// The name of the embedded broker among the connections.
pub(crate) const EMBEDDED: &str = "broker";

/// A host's configuration, with paths made absolute against the folder of its file.
#[derive(Debug)]
pub struct Host {
    pub name: Name,
    /// Folder of journal, state and caches.
    pub data: PathBuf,
    pub site: Site,
    /// 1 to 256; fixed once the data folder exists.
    pub partitions: u16,
    /// Whether deployments may leave out the digest of their package.
    pub development: bool,
    /// Share of events that run again on a fresh instance; 0 turns it off.
    pub sampler: f64,
    /// Where the embedded broker listens; none without one. Loopback.
    pub broker: Option<SocketAddr>,
    /// External brokers.
    pub mqtt: Vec<Server>,
    /// Where the HTTP interface listens. Loopback.
    pub api: SocketAddr,
    /// Further `Host` headers that it answers.
    pub api_names: Vec<Name>,
    pub sinks: Vec<Sink>,
    pub groups: Vec<Group>,
    /// Longest wait for company before a commit; at most a minute.
    pub linger: Span,
    pub retention: Retention,
    pub templates: BTreeMap<Name, Template>,
    pub patterns: Vec<DevicePattern>,
    /// In order of their names.
    pub deployments: Vec<DeploymentFile>,
    declared: Vec<Device>,
}

/// Where the host stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The site of devices that name none.
    pub name: Name,
    /// IANA name; civil time of schedules that name no zone.
    pub zone: Name,
    pub placement: Option<Placement>,
}

impl Site {
    /// The site of a rule that nobody has deployed yet.
    pub(crate) fn unknown() -> Self {
        Self { name: Name::from(""), zone: Name::from("UTC"), placement: None }
    }
}

/// Degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// −90 to 90.
    pub latitude: f64,
    /// −180 to 180.
    pub longitude: f64,
}

/// How long records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub journal_age: Span,
    pub journal_bytes: u64,
    pub decisions_age: Span,
    /// Of the sources' own ids, by which duplicates are known.
    pub duplicates_age: Span,
    /// In each partition.
    pub duplicates_count: usize,
}

impl Host {
    /// Reads `pointsman.toml` at `file`, and `templates/` and `deployments/` beside it.
    ///
    /// # Errors
    /// Everything that is wrong in any of them; files that cannot be read; interlocks, which nothing enforces yet.
    pub fn load(file: &File) -> Result<Self, Problems> {
        Self::load_with(file, file.parent().unwrap_or(File::new("")))
    }

    /// Reads `pointsman.toml` at `file` with the `templates/` and `deployments/` of another folder; packages are found
    /// from there.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(file: &File, set: &File) -> Result<Self, Problems> {
        let beside = file.parent().unwrap_or(File::new(""));
        let text = folder::read_text(file)?;
        let mut problems = Vec::new();
        let host = Self::parse(&text, &file.display().to_string(), beside);
        let templates = folder::each(&set.join("templates"), &mut problems, templates::parse);
        let deployments = folder::each(&set.join("deployments"), &mut problems, |text, file, name| {
            DeploymentFile::parse(text, file, name, set)
        });
        folder::refuse_interlocks(&set.join("interlocks"), &mut problems);
        match host {
            Ok(mut host) => {
                host.templates = templates.into_iter().map(|template| (template.name.clone(), template)).collect();
                host.deployments = deployments;
                host.check_digests(&mut problems);
                Problems::unless_any(host, problems)
            }
            Err(more) => {
                problems.extend(more);
                Err(Problems::all(problems))
            }
        }
    }

    /// Reads the text of `pointsman.toml` alone. `file` is how problems name it, `folder` what its paths start from.
    ///
    /// # Errors
    /// Everything that is wrong with it, secrets that cannot be read among it.
    pub fn parse(text: &str, file: &str, folder: &File) -> Result<Self, Problems> {
        let document = Document::parse(text, file)?;
        let raw: raw::Host = read(&document, &shape::HOST)?;
        let mut problems = Vec::new();
        let site = site(&document, &["host", "site"], &raw.host.site, &raw.host.name, &mut problems);
        let network = network::resolve(&document, raw.broker, raw.mqtt, raw.sink, raw.group, folder, &mut problems);
        network::loopback(&document, &["api", "listen"], raw.api.listen, &mut problems);
        if let Some(Err(message)) = raw.commands.topic.as_deref().map(device::check_undeclared) {
            problems.push(document.problem(&Path::of(&["commands", "topic"]), message));
        }
        let undeclared = raw.commands.topic.as_ref();
        let around = device::Around { site: &site.name, connections: Some(&network.connections), undeclared };
        let devices = device::devices(&document, raw.device, &around, &mut problems);
        let (patterns, declared) = part(devices);
        if raw.store.linger > LINGER_MAX {
            let message = format!("{}: expected at most {LINGER_MAX}", raw.store.linger);
            problems.push(document.problem(&Path::of(&["store", "linger"]), message));
        }
        let host = Self {
            name: raw.host.name,
            data: folder.join(raw.host.data),
            site,
            partitions: raw.host.partitions,
            development: raw.host.development,
            sampler: raw.host.sampler,
            broker: network.broker,
            mqtt: network.servers,
            api: raw.api.listen,
            api_names: raw.api.names,
            sinks: network.sinks,
            groups: network.groups,
            linger: raw.store.linger,
            retention: Retention {
                journal_age: raw.retention.journal.age,
                journal_bytes: bytes(&raw.retention.journal.size).expect("the table of keys has checked it"),
                decisions_age: raw.retention.decisions.age,
                duplicates_age: raw.retention.duplicates.age,
                duplicates_count: raw.retention.duplicates.count,
            },
            templates: BTreeMap::new(),
            patterns,
            deployments: Vec::new(),
            declared,
        };
        Problems::unless_any(host, problems)
    }

    /// Ids of the devices of [`Self::devices`], in the same order.
    #[must_use]
    pub fn device_ids(&self) -> Vec<Name> {
        concrete(&self.declared, &self.patterns, &self.deployments).into_iter().map(|device| device.id).collect()
    }

    /// The declared devices that are no patterns, then the members of fleets that deployments name, each under the
    /// number that `number` gives for its id.
    #[must_use]
    pub fn devices(&self, number: &mut dyn FnMut(&str) -> DeviceNo) -> Devices {
        numbered(concrete(&self.declared, &self.patterns, &self.deployments), number)
    }

    /// What the file declares, in its order but for fleets, which come last with the parts of their patterns as written.
    pub fn declared(&self) -> impl Iterator<Item = &Device> {
        self.declared.iter().chain(self.patterns.iter().map(DevicePattern::device))
    }

    /// What deployments are resolved against.
    #[must_use]
    pub fn installation<'a>(&'a self, devices: &'a Devices) -> Installation<'a> {
        Installation {
            devices,
            patterns: &self.patterns,
            templates: &self.templates,
            site: &self.site,
            development: self.development,
        }
    }

    fn check_digests(&self, problems: &mut Vec<Problem>) {
        if !self.development {
            problems.extend(self.deployments.iter().filter_map(DeploymentFile::missing_digest));
        }
    }
}

/// A problem with what `keys` of the `pointsman.toml` at `file` say, found only when it is used.
#[must_use]
pub fn problem_at(file: &File, keys: &[&str], message: impl Into<String>) -> Problem {
    let name = file.display().to_string();
    // Read again for the line alone: to keep the lines of all keys would cost a large host memory for ever.
    let document = folder::read_text(file).ok().and_then(|text| Document::parse(&text, &name).ok());
    match document {
        Some(document) => document.problem(&Path::of(keys), message),
        None => Problem::of_file(&name, message),
    }
}

/// Patterns and the others.
fn part(devices: Vec<Device>) -> (Vec<DevicePattern>, Vec<Device>) {
    let mut patterns = Vec::new();
    let mut declared = Vec::new();
    for device in devices {
        match DevicePattern::of(device.clone()) {
            Some(pattern) => patterns.push(pattern),
            None => declared.push(device),
        }
    }
    (patterns, declared)
}

/// Declared devices and the members of fleets that deployments bind by id; numbers mean nothing yet.
fn concrete(declared: &[Device], patterns: &[DevicePattern], deployments: &[DeploymentFile]) -> Vec<Device> {
    let mut devices = declared.to_vec();
    for id in deployments.iter().flat_map(DeploymentFile::bound_ids) {
        if devices.iter().all(|device| device.id != *id) {
            let member = patterns.iter().find_map(|pattern| Some((pattern, pattern.named(id)?)));
            devices.extend(member.map(|(pattern, instance)| pattern.instantiate(&instance, DeviceNo(0))));
        }
    }
    devices
}

fn numbered(devices: Vec<Device>, number: &mut dyn FnMut(&str) -> DeviceNo) -> Devices {
    Devices::new(devices.into_iter().map(|device| Device { number: number(&device.id), ..device }))
}

fn site(document: &Document, keys: &[&str], raw: &raw::Site, host: &Name, problems: &mut Vec<Problem>) -> Site {
    let placement = match (raw.latitude, raw.longitude) {
        (Some(latitude), Some(longitude)) => Some(Placement { latitude, longitude }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            problems.push(document.problem(&Path::of(keys), "expected both latitude and longitude, or neither"));
            None
        }
    };
    Site { name: raw.name.clone().unwrap_or_else(|| host.clone()), zone: raw.zone.clone(), placement }
}
