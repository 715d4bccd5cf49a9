//! Sinks: one publisher for each connection, and the webhooks and topics that reach people.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use config::{MqttVersion, SinkKind};
use delivery::sinks::{mqtt, webhook};
use delivery::{Mqtt, Secret, Sink, Templates, Topic, Webhook, tls};
use model::Name;
use model::device::Devices;

use crate::api::{Links, Live};
use crate::installation::{self, EMBEDDED, Installation, sink_of};
use crate::usable;

/// The sinks, and what the host holds of them.
pub(crate) struct Sinks {
    pub(crate) all: Vec<Arc<dyn Sink>>,
    /// How those are that keep a connection.
    pub(crate) links: Links,
    /// The one over the embedded broker.
    pub(crate) embedded: Option<mqtt::Publisher>,
}

/// # Errors
/// When a template does not parse, or a sink's address, secret or certificate is not usable.
pub(crate) fn build(installation: &Installation, broker: Option<SocketAddr>, live: &Arc<Live>) -> Result<Sinks> {
    let host = &installation.host;
    let templates = Arc::new(Templates::new(host.templates.values().cloned())?);
    let mut sinks: Vec<Arc<dyn Sink>> = Vec::new();
    let (mut publishers, mut links) = (BTreeMap::new(), Links::new());
    let now = Arc::clone(live);
    let devices: Arc<dyn Fn() -> Arc<Devices> + Send + Sync> = Arc::new(move || now.devices());
    if let Some(address) = broker {
        let client = format!("pointsman-{}-out", host.name);
        let options = mqtt::Options::new(sink_of(EMBEDDED), client, address.ip().to_string(), address.port());
        let mqtt = Mqtt::start(&options, Arc::clone(&devices));
        publishers.insert(Name::from(EMBEDDED), mqtt.publisher());
        links.push((mqtt.name().clone(), mqtt.status()));
        sinks.push(Arc::new(mqtt));
    }
    for server in &host.mqtt {
        let client = format!("pointsman-{}-{}-out", host.name, server.name);
        let mut options = mqtt::Options::new(sink_of(&server.name), client, server.url.host.clone(), server.url.port);
        options.version = match server.version {
            MqttVersion::V5 => mqtt::Version::V5,
            MqttVersion::V311 => mqtt::Version::V311,
        };
        options.credentials = server
            .credentials
            .as_ref()
            .map(|credentials| (credentials.user.to_string(), Secret::new(credentials.password.reveal())));
        if server.url.tls {
            options.tls = Some(Arc::new(tls::client(&usable::files(server))?));
        }
        let mqtt = Mqtt::start(&options, Arc::clone(&devices));
        publishers.insert(server.name.clone(), mqtt.publisher());
        links.push((mqtt.name().clone(), mqtt.status()));
        sinks.push(Arc::new(mqtt));
    }
    for sink in &host.sinks {
        match &sink.kind {
            SinkKind::Webhook { url, secret, ca_file } => {
                let secret = Secret::new(secret.reveal());
                let marks = host.data.join(installation::GONE);
                let mut options = webhook::Options::new(sink.name.clone(), &**url, secret, marks);
                options.trust.authority.clone_from(ca_file);
                sinks.push(Arc::new(Webhook::new(options, Arc::clone(&templates))?));
            }
            SinkKind::Mqtt { topic, connection } => {
                let publisher = publishers.get(connection).cloned();
                let publisher =
                    publisher.with_context(|| format!("sink `{}`: no connection `{connection}`", sink.name))?;
                sinks.push(Arc::new(Topic::new(sink.name.clone(), topic.clone(), publisher, Arc::clone(&templates))));
            }
        }
    }
    Ok(Sinks { all: sinks, links, embedded: publishers.remove(EMBEDDED) })
}
