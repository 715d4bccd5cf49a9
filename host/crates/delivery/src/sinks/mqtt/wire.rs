//! Wire: the two versions of the protocol behind one small interface.

use std::time::Duration;

use rumqttc::{NetworkOptions, Transport, v5};

use super::message::Message;
use super::{Options, Version};

/// Unacknowledged publishes; also sizes the client's table of packet ids.
const IN_FLIGHT: u16 = 512;
/// Publishes that wait for the loop; above what the sink sends at the same time, so there is always room.
const REQUESTS: usize = 512;
/// Packets beyond this size are refused here, because the client would otherwise try them for ever.
const PACKET_BYTES: usize = 1024 * 1024;
/// The user property that carries the effect's id.
const EFFECT: &str = "pointsman-effect";

/// The half that takes messages.
pub(super) enum Publisher {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

/// The half that drives the connection.
pub(super) enum Loop {
    V5(Box<v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// What happened on the connection.
#[derive(Debug)]
pub(super) enum Step {
    /// Accepted by the broker, which takes packets up to this size.
    Connected {
        packet_bytes: usize,
    },
    /// The next message that was handed over went out under this packet id.
    Sent(u16),
    Acknowledged(u16, Answer),
    Other,
}

/// What the broker said about a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Taken,
    Refused(&'static str),
    Passing(&'static str),
}

pub(super) fn open(options: &Options) -> (Publisher, Loop) {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    match options.version {
        Version::V5 => {
            let (client, mut eventloop) = v5::AsyncClient::new(options_v5(options), REQUESTS);
            eventloop.options.set_network_options(network);
            (Publisher::V5(client), Loop::V5(Box::new(eventloop)))
        }
        Version::V311 => {
            let (client, mut eventloop) = rumqttc::AsyncClient::new(options_v311(options), REQUESTS);
            eventloop.set_network_options(network);
            (Publisher::V311(client), Loop::V311(Box::new(eventloop)))
        }
    }
}

// Sessions start clean: we subscribe to nothing, and what was not acknowledged is sent again from the outbox.
fn options_v5(options: &Options) -> v5::MqttOptions {
    let mut mqtt = v5::MqttOptions::new(&options.client_id, &options.host, options.port);
    mqtt.set_clean_start(true)
        .set_keep_alive(keep_alive(options))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_max_packet_size(Some(PACKET_BYTES as u32));
    if let Some((user, password)) = &options.credentials {
        mqtt.set_credentials(user, password.reveal());
    }
    if let Some(tls) = &options.tls {
        mqtt.set_transport(Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(tls.clone())));
    }
    mqtt
}

fn options_v311(options: &Options) -> rumqttc::MqttOptions {
    let mut mqtt = rumqttc::MqttOptions::new(&options.client_id, &options.host, options.port);
    mqtt.set_clean_session(true)
        .set_keep_alive(keep_alive(options))
        .set_inflight(IN_FLIGHT)
        .set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
    if let Some((user, password)) = &options.credentials {
        mqtt.set_credentials(user, password.reveal());
    }
    if let Some(tls) = &options.tls {
        mqtt.set_transport(Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(tls.clone())));
    }
    mqtt
}

/// The client panics below five seconds.
fn keep_alive(options: &Options) -> Duration {
    options.keep_alive.max(Duration::from_secs(5))
}

impl Publisher {
    /// Hands a message over without waiting; false when there is no room.
    pub(super) fn try_publish(&self, message: Message) -> bool {
        let Message { effect, topic, payload, retain, content_type, lives } = message;
        match self {
            Self::V5(client) => {
                let properties = v5::mqttbytes::v5::PublishProperties {
                    user_properties: vec![(EFFECT.to_owned(), effect.to_string())],
                    content_type: content_type.map(|kind| kind.to_string()),
                    message_expiry_interval: lives,
                    ..Default::default()
                };
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                client.try_publish_with_properties(&*topic, qos, retain, payload, properties).is_ok()
            }
            Self::V311(client) => client.try_publish(&*topic, rumqttc::QoS::AtLeastOnce, retain, payload).is_ok(),
        }
    }
}

/// The bytes of the packet besides topic and payload, generously.
pub(super) fn overhead(message: &Message) -> usize {
    128 + message.content_type.as_ref().map_or(0, |kind| kind.len())
}

impl Loop {
    /// The next step. May be dropped only when the connection is given up by [`Loop::reset`].
    pub(super) async fn poll(&mut self) -> Result<Step, String> {
        match self {
            Self::V5(eventloop) => eventloop.poll().await.map(step_v5).map_err(|error| error.to_string()),
            Self::V311(eventloop) => eventloop.poll().await.map(step_v311).map_err(|error| error.to_string()),
        }
    }

    /// Closes the connection and forgets all that was handed over, so that nothing leaves twice by itself.
    pub(super) fn reset(&mut self) {
        match self {
            Self::V5(eventloop) => {
                eventloop.clean();
                eventloop.pending.clear();
                eventloop.state.events.clear();
                eventloop.state.collision = None;
            }
            Self::V311(eventloop) => {
                eventloop.clean();
                eventloop.pending.clear();
                eventloop.state.events.clear();
                eventloop.state.collision = None;
            }
        }
    }
}

fn step_v5(event: v5::Event) -> Step {
    use v5::mqttbytes::v5::Packet;
    match event {
        v5::Event::Incoming(Packet::ConnAck(ack)) => {
            let stated = ack.properties.and_then(|properties| properties.max_packet_size);
            let stated = stated.and_then(|size| usize::try_from(size).ok()).unwrap_or(PACKET_BYTES);
            Step::Connected { packet_bytes: stated.min(PACKET_BYTES) }
        }
        v5::Event::Incoming(Packet::PubAck(ack)) => Step::Acknowledged(ack.pkid, answer(ack.reason)),
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => Step::Sent(packet),
        v5::Event::Incoming(_) | v5::Event::Outgoing(_) => Step::Other,
    }
}

fn step_v311(event: rumqttc::Event) -> Step {
    use rumqttc::Packet;
    match event {
        rumqttc::Event::Incoming(Packet::ConnAck(_)) => Step::Connected { packet_bytes: PACKET_BYTES },
        rumqttc::Event::Incoming(Packet::PubAck(ack)) => Step::Acknowledged(ack.pkid, Answer::Taken),
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => Step::Sent(packet),
        rumqttc::Event::Incoming(_) | rumqttc::Event::Outgoing(_) => Step::Other,
    }
}

fn answer(reason: v5::mqttbytes::v5::PubAckReason) -> Answer {
    use v5::mqttbytes::v5::PubAckReason as Reason;
    match reason {
        Reason::Success | Reason::NoMatchingSubscribers => Answer::Taken,
        Reason::NotAuthorized => Answer::Refused("not-authorized"),
        Reason::TopicNameInvalid => Answer::Refused("bad-topic"),
        Reason::PayloadFormatInvalid => Answer::Refused("bad-payload"),
        Reason::QuotaExceeded => Answer::Passing("quota-exceeded"),
        Reason::PacketIdentifierInUse => Answer::Passing("packet-id-in-use"),
        Reason::UnspecifiedError | Reason::ImplementationSpecificError => Answer::Passing("broker-error"),
    }
}
