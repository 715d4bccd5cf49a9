//! MQTT 3.1.1.

use std::sync::Arc;

use model::Name;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Packet, Publish,
    QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};
use rustls::ClientConfig;

use super::Options;
use super::link::{self, Happening, Incoming, KEEP_ALIVE, REQUESTS};

/// Largest packet of the protocol. This version cannot tell the broker a smaller one, and a packet that we refuse to
/// read would come again after every reconnection; the broker's own limit bounds it.
const PACKET_BYTES: usize = 268_435_455;

pub(super) struct Link {
    client: AsyncClient,
    events: EventLoop,
}

impl Link {
    pub(super) fn new(options: &Options, tls: Option<Arc<ClientConfig>>) -> Self {
        let address = &options.address;
        let mut mqtt = MqttOptions::new(&*options.client_id, &address.host, address.port);
        mqtt.set_manual_acks(true)
            .set_clean_session(false)
            .set_max_packet_size(PACKET_BYTES, PACKET_BYTES)
            .set_keep_alive(KEEP_ALIVE);
        if let Some(credentials) = &options.credentials {
            mqtt.set_credentials(&credentials.user, &credentials.password);
        }
        if let Some(config) = tls {
            mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
        }
        let (client, mut events) = AsyncClient::new(mqtt, REQUESTS);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
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
        // As in version 5: nothing of the dead connection may be taken for the new one's.
        self.events.state.events.clear();
        self.events.state.collision = None;
        self.events.clean();
        self.events.pending.clear();
    }

    fn subscribe(&mut self, filters: &[Name]) -> bool {
        let filter = |filter: &Name| SubscribeFilter { path: filter.to_string(), qos: QoS::AtLeastOnce };
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
        let publish = Publish { pkid: packet, ..Publish::new("", QoS::AtLeastOnce, Vec::new()) };
        Self::try_ack(self, &publish).is_ok()
    }
}

fn happening(packet: Packet) -> Happening {
    match packet {
        Packet::ConnAck(answer) => Happening::Connected { session_present: answer.session_present },
        Packet::Publish(publish) => Happening::Message(Incoming {
            topic: publish.topic.into(),
            payload: publish.payload,
            retained: publish.retain,
            content_type: None,
            sent: (publish.qos != QoS::AtMostOnce).then_some((publish.pkid, publish.dup)),
        }),
        Packet::SubAck(answer) => {
            let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Happening::Subscribed(answer.return_codes.iter().map(granted).collect())
        }
        Packet::UnsubAck(_) => Happening::Unsubscribed,
        Packet::PingResp => Happening::Alive,
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
