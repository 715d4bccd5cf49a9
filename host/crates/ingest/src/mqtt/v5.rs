//! MQTT 5.

use std::sync::Arc;

use model::Name;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Filter, Packet, Publish, RetainForwardRule, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use rustls::ClientConfig;

use super::Options;
use super::link::{self, Happening, Incoming, KEEP_ALIVE, PACKET_BYTES, RECEIVE_MAXIMUM, REQUESTS, SESSION_SECONDS};

pub(super) struct Link {
    client: AsyncClient,
    events: EventLoop,
}

impl Link {
    pub(super) fn new(options: &Options, tls: Option<Arc<ClientConfig>>) -> Self {
        let address = &options.address;
        let mut mqtt = MqttOptions::new(&*options.client_id, &address.host, address.port);
        mqtt.set_manual_acks(true)
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_SECONDS))
            .set_receive_maximum(Some(RECEIVE_MAXIMUM))
            .set_max_packet_size(Some(PACKET_BYTES))
            .set_keep_alive(KEEP_ALIVE);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        mqtt.set_network_options(network);
        if let Some(credentials) = &options.credentials {
            mqtt.set_credentials(&credentials.user, &credentials.password);
        }
        if let Some(config) = tls {
            mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
        }
        let (client, events) = AsyncClient::new(mqtt, REQUESTS);
        Self { client, events }
    }
}

impl link::Link for Link {
    type Acker = AsyncClient;

    async fn poll(&mut self) -> Result<Happening, String> {
        match self.events.poll().await {
            Ok(Event::Incoming(packet)) => Ok(happening(packet)),
            Ok(Event::Outgoing(_)) => Ok(Happening::Other),
            Err(ConnectionError::ConnectionRefused(code)) => Err(refusal(code)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn reset(&mut self) {
        // The client keeps events of the dead connection and a colliding publish over a reconnection; both would be
        // taken for the new one's.
        self.events.state.events.clear();
        self.events.state.collision = None;
        self.events.clean();
        self.events.pending.clear();
    }

    fn subscribe(&mut self, filters: &[Name]) -> bool {
        let filter = |filter: &Name| Filter {
            // Where the session lives, its retained messages are known; where it is new, they are news.
            retain_forward_rule: RetainForwardRule::OnNewSubscribe,
            ..Filter::new(&**filter, QoS::AtLeastOnce)
        };
        self.client.try_subscribe_many(filters.iter().map(filter)).is_ok()
    }

    fn unsubscribe(&mut self, filter: &Name) -> bool {
        self.client.try_unsubscribe(&**filter).is_ok()
    }

    fn acker(&self) -> AsyncClient {
        self.client.clone()
    }
}

impl link::SendAck for AsyncClient {
    fn try_ack(&self, packet: u16) -> bool {
        let publish = Publish { pkid: packet, qos: QoS::AtLeastOnce, ..Publish::default() };
        Self::try_ack(self, &publish).is_ok()
    }
}

fn happening(packet: Packet) -> Happening {
    match packet {
        Packet::ConnAck(answer) => Happening::Connected { session_present: answer.session_present },
        Packet::Publish(publish) => Happening::Message(Incoming {
            topic: publish.topic,
            payload: publish.payload,
            retained: publish.retain,
            content_type: publish.properties.and_then(|properties| properties.content_type),
            sent: (publish.qos != QoS::AtMostOnce).then_some((publish.pkid, publish.dup)),
        }),
        Packet::SubAck(answer) => {
            let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Happening::Subscribed(answer.return_codes.iter().map(granted).collect())
        }
        Packet::UnsubAck(_) => Happening::Unsubscribed,
        Packet::PingResp(_) => Happening::Alive,
        _ => Happening::Other,
    }
}

fn refusal(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            format!("the broker refuses the credentials ({code:?})")
        }
        code => format!("the broker refuses the connection ({code:?})"),
    }
}
