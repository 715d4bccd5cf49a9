//! Connections, sinks and the groups that they reach.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path as File, PathBuf};

use model::Name;
use model::notification::Group;

use super::secret::Secret;
use super::url::Url;
use super::{BROKER_LISTEN, EMBEDDED, raw};
use crate::document::{Document, Path};
use crate::problem::Problem;

/// An external broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: Name,
    pub url: Url,
    pub version: MqttVersion,
    /// Filters beside the topics of declared devices.
    pub subscribe: Vec<Name>,
    pub credentials: Option<Credentials>,
    /// PEM; certificates to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM; the host's own certificate and private key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MqttVersion {
    V311,
    V5,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: Name,
    pub password: Secret,
}

/// Where notifications go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    pub name: Name,
    pub kind: SinkKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// Signed as Standard Webhooks says.
    Webhook {
        url: Name,
        secret: Secret,
        /// PEM; certificates to trust in place of the system's.
        ca_file: Option<PathBuf>,
    },
    /// JSON to one topic of one connection; `broker` is the embedded one.
    Mqtt { topic: Name, connection: Name },
}

pub(super) struct Network {
    pub(super) broker: Option<SocketAddr>,
    pub(super) servers: Vec<Server>,
    pub(super) sinks: Vec<Sink>,
    pub(super) groups: Vec<Group>,
    /// Names that devices and sinks may give.
    pub(super) connections: BTreeSet<Name>,
}

/// Where relative files start, and where problems go.
struct Resolver<'a> {
    document: &'a Document,
    folder: &'a File,
    problems: &'a mut Vec<Problem>,
}

pub(super) fn resolve(
    document: &Document,
    broker: Option<raw::Broker>,
    servers: Vec<raw::Server>,
    sinks: Vec<raw::Sink>,
    groups: Vec<raw::Group>,
    folder: &File,
    problems: &mut Vec<Problem>,
) -> Network {
    let default = || BROKER_LISTEN.parse().expect("an address and a port");
    let broker = match broker {
        Some(broker) => Some(broker.listen),
        None if servers.is_empty() => Some(default()),
        None => None,
    };
    if let Some(listen) = broker {
        loopback(document, &["broker", "listen"], listen, problems);
    }
    let mut resolver = Resolver { document, folder, problems };
    let servers: Vec<_> = servers.into_iter().filter_map(|raw| resolver.server(raw)).collect();
    let mut connections: BTreeSet<Name> = broker.iter().map(|_| Name::from(EMBEDDED)).collect();
    for server in &servers {
        if &*server.name == EMBEDDED || !connections.insert(server.name.clone()) {
            let message = format!("the name `{}` is taken", server.name);
            resolver.problem(&["mqtt", &server.name, "name"], message);
        }
    }
    let sinks: Vec<_> = sinks.into_iter().filter_map(|raw| resolver.sink(raw, &connections)).collect();
    let groups = resolver.groups(groups, &sinks);
    Network { broker, servers, sinks, groups, connections }
}

/// A problem unless `listen` is loopback: beyond it access needs users, which do not exist yet.
pub(super) fn loopback(document: &Document, keys: &[&str], listen: SocketAddr, problems: &mut Vec<Problem>) {
    if !listen.ip().is_loopback() {
        let message = format!("{listen}: only loopback is served, 127.0.0.1 or [::1], as there are no users yet");
        problems.push(document.problem(&Path::of(keys), message));
    }
}

impl Resolver<'_> {
    fn problem(&mut self, keys: &[&str], message: impl Into<String>) {
        self.problems.push(self.document.problem(&Path::of(keys), message));
    }

    fn secret(&mut self, keys: &[&str], file: &File) -> Option<Secret> {
        match Secret::read(self.folder, file) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.problem(keys, error.to_string());
                None
            }
        }
    }

    fn file(&mut self, keys: &[&str], file: &File) -> PathBuf {
        let whole = self.folder.join(file);
        if !whole.is_file() {
            self.problem(keys, format!("there is no file {}", file.display()));
        }
        whole
    }

    fn server(&mut self, raw: raw::Server) -> Option<Server> {
        let name = raw.name.clone();
        let url: Url = raw.url.parse().expect("the table of keys has checked it");
        let credentials = match raw.credentials {
            None => None,
            Some(raw) => {
                let password = self.secret(&["mqtt", &name, "credentials", "password-file"], &raw.password_file)?;
                Some(Credentials { user: raw.user, password })
            }
        };
        let ca_file = raw.ca_file.map(|file| self.file(&["mqtt", &name, "ca-file"], &file));
        let certificate = match (raw.certificate_file, raw.key_file) {
            (Some(certificate), Some(key)) => Some((
                self.file(&["mqtt", &name, "certificate-file"], &certificate),
                self.file(&["mqtt", &name, "key-file"], &key),
            )),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.problem(&["mqtt", &name], "expected both certificate-file and key-file, or neither");
                None
            }
        };
        if !url.tls && (ca_file.is_some() || certificate.is_some()) {
            self.problem(&["mqtt", &name, "url"], "certificates are for mqtts:// only");
        }
        let version = if raw.version == "5" { MqttVersion::V5 } else { MqttVersion::V311 };
        Some(Server { name, url, version, subscribe: raw.subscribe, credentials, ca_file, certificate })
    }

    fn sink(&mut self, raw: raw::Sink, connections: &BTreeSet<Name>) -> Option<Sink> {
        let kind = match (raw.webhook, raw.mqtt) {
            (Some(webhook), None) => {
                let secret = self.secret(&["sink", &raw.name, "webhook", "secret-file"], &webhook.secret_file)?;
                if webhook.ca_file.is_some() && !webhook.url.starts_with("https://") {
                    self.problem(&["sink", &raw.name, "webhook", "url"], "certificates are for https:// only");
                }
                let ca_file = webhook.ca_file;
                let ca_file = ca_file.map(|file| self.file(&["sink", &raw.name, "webhook", "ca-file"], &file));
                SinkKind::Webhook { url: webhook.url, secret, ca_file }
            }
            (None, Some(mqtt)) => {
                let connection = self.connection(&raw.name, mqtt.connection, connections)?;
                SinkKind::Mqtt { topic: mqtt.topic, connection }
            }
            (None, None) | (Some(_), Some(_)) => {
                self.problem(&["sink", &raw.name], "expected exactly one of webhook and mqtt");
                return None;
            }
        };
        Some(Sink { name: raw.name, kind })
    }

    fn connection(&mut self, sink: &str, given: Option<Name>, known: &BTreeSet<Name>) -> Option<Name> {
        let path = Path::of(&["sink", sink, "mqtt", "connection"]);
        match given {
            Some(name) if known.contains(&name) => Some(name),
            Some(name) => {
                let problem = self.document.problem(&path, format!("there is no connection `{name}`"));
                self.problems.push(problem.near(&name, known.iter().map(|name| &**name)));
                None
            }
            None if known.len() == 1 => known.first().cloned(),
            None => {
                let known: Vec<_> = known.iter().map(|name| &**name).collect();
                let message = format!("missing: expected one of {}", crate::schema::quoted(&known));
                self.problems.push(self.document.problem(&path, message));
                None
            }
        }
    }

    fn groups(&mut self, raw: Vec<raw::Group>, sinks: &[Sink]) -> Vec<Group> {
        let mut names = BTreeSet::new();
        for sink in sinks.iter().filter(|sink| !names.insert(&sink.name)) {
            self.problem(&["sink", &sink.name, "name"], format!("a second sink with the name `{}`", sink.name));
        }
        let declared: Vec<_> = self.document.value["sink"].as_array().into_iter().flatten().collect();
        let written: Vec<_> = declared.iter().filter_map(|sink| sink["name"].as_str()).collect();
        let mut groups: Vec<Group> = Vec::new();
        for raw in raw {
            if groups.iter().any(|group| group.name == raw.name) {
                self.problem(&["group", &raw.name, "name"], format!("a second group with the name `{}`", raw.name));
            }
            if raw.sinks.is_empty() {
                self.problem(&["group", &raw.name, "sinks"], "expected at least one sink: nobody would be reached");
            }
            for sink in raw.sinks.iter().filter(|sink| !written.contains(&&***sink)) {
                let path = Path::of(&["group", &raw.name, "sinks"]);
                let problem = self.document.problem(&path, format!("there is no sink `{sink}`"));
                self.problems.push(problem.near(sink, written.iter().copied()));
            }
            groups.push(Group { name: raw.name, sinks: raw.sinks });
        }
        groups
    }
}
