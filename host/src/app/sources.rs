//! Sources: the embedded broker and the connections to external ones.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use config::{Host, MqttVersion, Server};
use ingest::broker::{self, Broker};
use ingest::mqtt::{self, Connection};
use ingest::status::Status;
use ingest::{Inlet, Intake};
use model::Name;
use model::device::Devices;
use store::Reader;

use crate::installation::{EMBEDDED, Installation};

pub(crate) struct Sources {
    broker: Option<Broker>,
    connections: Vec<(Name, Connection)>,
}

impl Sources {
    /// # Errors
    /// When the embedded broker cannot listen or a connection's TLS files cannot be read. A broker that does not
    /// answer is no error: the connection keeps trying.
    pub(crate) async fn start(
        installation: &Installation,
        message_filters: &[Name],
        folder: &Path,
        intake: impl Fn(&str) -> Intake,
        inlet: &Inlet,
    ) -> Result<Self> {
        let host = &installation.host;
        let broker = match host.broker {
            Some(listen) => {
                let options = broker::Options { listen, folder: folder.to_owned() };
                Some(Broker::start(options, intake(EMBEDDED), inlet.clone()).await?)
            }
            None => None,
        };
        let mut connections = Vec::new();
        for server in &host.mqtt {
            let subscribe = filters(installation, server, message_filters);
            let options = mqtt_options(host, server, subscribe);
            let connection = Connection::start(options, intake(&server.name), inlet.clone())?;
            connections.push((server.name.clone(), connection));
        }
        Ok(Self { broker, connections })
    }

    /// Lets devices into the embedded broker, once what it retains of those that were never heard has been taken.
    pub(crate) async fn open(&mut self, reader: &Reader, devices: &Devices) {
        let Some(broker) = &mut self.broker else { return };
        let unknown =
            devices.iter().filter(|device| host::outward::twin(reader, device.number).is_ok_and(|twin| twin.is_none()));
        let topics: BTreeSet<Name> = unknown.filter_map(|device| Some(device.source.as_ref()?.topic.clone())).collect();
        let taken = broker.open(|topic| topics.contains(topic)).await;
        tracing::debug!(taken, "retained messages of devices that were never heard");
    }

    pub(crate) fn broker_address(&self) -> Option<SocketAddr> {
        self.broker.as_ref().map(Broker::address)
    }

    /// By the name of the connection.
    pub(crate) fn statuses(&self) -> Vec<(Name, Status)> {
        let broker = self.broker.iter().map(|broker| (Name::from(EMBEDDED), broker.status().clone()));
        let connection = |(name, connection): &(Name, Connection)| (name.clone(), connection.status().clone());
        broker.chain(self.connections.iter().map(connection)).collect()
    }

    pub(crate) async fn stop(self) {
        for (_, connection) in self.connections {
            connection.stop().await;
        }
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
    }
}

/// What is subscribed at an external broker: the topics of its devices and fleets, those that rules listen to, and
/// what the operator adds.
fn filters(installation: &Installation, server: &Server, message_filters: &[Name]) -> Vec<Name> {
    let mut filters: BTreeSet<Name> = server.subscribe.iter().chain(message_filters).cloned().collect();
    let mut none = 0;
    let devices = installation.devices(&mut |_| {
        none += 1;
        model::DeviceNo(none)
    });
    for device in devices.iter() {
        if let Some(source) = device.source.as_ref().filter(|s| s.connection.as_ref().is_none_or(|c| *c == server.name))
        {
            filters.insert(source.topic.clone());
        }
        filters.extend(device.availability.iter().map(|availability| availability.topic.clone()));
    }
    filters.extend(installation.host.patterns.iter().flat_map(config::DevicePattern::heard));
    filters.into_iter().collect()
}

fn mqtt_options(host: &Host, server: &Server, subscribe: Vec<Name>) -> mqtt::Options {
    mqtt::Options {
        address: mqtt::Address { host: server.url.host.clone(), port: server.url.port, tls: server.url.tls },
        version: match server.version {
            MqttVersion::V5 => mqtt::Version::V5,
            MqttVersion::V311 => mqtt::Version::V311,
        },
        client_id: Name::from(format!("pointsman-{}-{}-in", host.name, server.name)),
        subscribe,
        subscribed: Some(host.data.join("subscribed").join(&*server.name).with_extension("json")),
        credentials: server.credentials.as_ref().map(|credentials| mqtt::Credentials {
            user: credentials.user.to_string(),
            password: credentials.password.reveal().to_owned(),
        }),
        tls: mqtt::Tls {
            ca: server.ca_file.clone(),
            client: server.certificate.clone().map(|(chain, key)| mqtt::ClientCertificate { chain, key }),
        },
    }
}
