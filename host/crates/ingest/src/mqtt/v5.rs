//! MQTT 5. The packets are those of the client library; the connection is our own, because the library's writes each
//! acknowledgement to the socket by itself, which at a thousand events in a commit costs more than all else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use model::Name;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, ConnectReturnCode, Filter, Login, Packet, PingReq, PubAck, Publish, RetainForwardRule,
    Subscribe, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use rustls::ClientConfig;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

use super::link::{self, Happening, Incoming, KEEP_ALIVE, PACKET_BYTES, RECEIVE_MAXIMUM, REQUESTS, SESSION_SECONDS};
use super::socket::{self, Reader, Writer};
use super::{Address, Options};

/// How long a broker may take to answer a connection: it, or the way to it, is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The only packet identifier of our own that is ever under way.
const SUBSCRIPTION: u16 = 1;

pub(super) struct Link {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    connect: Packet,
    socket: Option<(Reader, Writer)>,
    read: BytesMut,
    acks: Acker,
    pings: Interval,
}

/// Collects acknowledgements until the connection writes them, all at once. One that is alone it writes itself, which
/// spares the waking of another thread.
#[derive(Clone, Default)]
pub(super) struct Acker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    outgoing: Mutex<Outgoing>,
    some: Notify,
}

#[derive(Default)]
struct Outgoing {
    acks: Vec<u16>,
    /// Packets that are still to be written.
    bytes: BytesMut,
    /// There while a connection without TLS is.
    socket: Option<Arc<OwnedWriteHalf>>,
}

impl Link {
    pub(super) fn new(options: &Options, tls: Option<Arc<ClientConfig>>) -> Self {
        let properties = ConnectProperties {
            session_expiry_interval: Some(SESSION_SECONDS),
            receive_maximum: Some(RECEIVE_MAXIMUM),
            max_packet_size: Some(PACKET_BYTES),
            ..ConnectProperties::new()
        };
        let keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).expect("it is seconds");
        let connect = Connect {
            keep_alive,
            client_id: options.client_id.to_string(),
            clean_start: false,
            properties: Some(properties),
        };
        let login = options.credentials.as_ref().map(|known| Login::new(&*known.user, &*known.password));
        let mut pings = tokio::time::interval(KEEP_ALIVE);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            address: options.address.clone(),
            tls,
            connect: Packet::Connect(connect, None, login),
            socket: None,
            read: BytesMut::new(),
            acks: Acker::default(),
            pings,
        }
    }

    async fn connect(&mut self) -> Result<Happening, String> {
        let opened = socket::open(&self.address, self.tls.as_ref()).await;
        let (mut reader, mut writer) = opened.map_err(|error| error.to_string())?;
        put(&mut self.acks.lock().bytes, &self.connect)?;
        self.acks.write(&mut writer).await?;
        let packet = loop {
            match self.buffered()? {
                Some(packet) => break packet,
                None => reader.read(&mut self.read).await?,
            }
        };
        let Packet::ConnAck(answer) = packet else {
            return Err("the broker answers a connection with another packet".to_owned());
        };
        if answer.code != ConnectReturnCode::Success {
            return Err(refusal(answer.code));
        }
        let wanted = answer.properties.and_then(|properties| properties.server_keep_alive);
        // Zero asks for none, and ours do no harm.
        let wanted = wanted.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into()));
        let every = wanted.map_or(KEEP_ALIVE, |wanted| wanted.min(KEEP_ALIVE));
        self.pings = tokio::time::interval(every);
        self.pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        self.pings.tick().await;
        if let Writer::Plain(half) = &writer {
            self.acks.lock().socket = Some(Arc::clone(half));
        }
        self.socket = Some((reader, writer));
        Ok(Happening::Connected { session_present: answer.session_present })
    }

    /// The next packet that was read whole.
    fn buffered(&mut self) -> Result<Option<Packet>, String> {
        if self.read.is_empty() {
            return Ok(None);
        }
        match Packet::read(&mut self.read, Some(PACKET_BYTES)) {
            Ok(packet) => Ok(Some(packet)),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl link::Link for Link {
    type Acker = Acker;

    async fn poll(&mut self) -> Result<Happening, String> {
        if self.socket.is_none() {
            let connected = tokio::time::timeout(CONNECT_WITHIN, self.connect()).await;
            return connected.unwrap_or_else(|_| Err("the broker does not answer".to_owned()));
        }
        loop {
            if let Some(packet) = self.buffered()? {
                return happening(packet);
            }
            let (reader, writer) = self.socket.as_mut().expect("it was there a moment ago");
            self.acks.write(writer).await?;
            // Each arm may be dropped: what was read is in the buffer, what was notified is looked at in any case.
            tokio::select! {
                done = reader.read(&mut self.read) => done?,
                () = self.acks.0.some.notified() => {}
                _ = self.pings.tick() => put(&mut self.acks.lock().bytes, &Packet::PingReq(PingReq))?,
            }
        }
    }

    fn take(&mut self) -> Result<Option<Happening>, String> {
        match self.buffered()? {
            Some(packet) => happening(packet).map(Some),
            None => Ok(None),
        }
    }

    fn reset(&mut self) {
        self.socket = None;
        self.read.clear();
        *self.acks.lock() = Outgoing::default();
    }

    fn subscribe(&mut self, filters: &[Name]) -> bool {
        let filter = |filter: &Name| Filter {
            // Where the session lives, its retained messages are known; where it is new, they are news.
            retain_forward_rule: RetainForwardRule::OnNewSubscribe,
            ..Filter::new(&**filter, QoS::AtLeastOnce)
        };
        let mut packet = Subscribe::new_many(filters.iter().map(filter), None);
        packet.pkid = SUBSCRIPTION;
        put(&mut self.acks.lock().bytes, &Packet::Subscribe(packet)).is_ok()
    }

    fn acker(&self) -> Acker {
        self.acks.clone()
    }
}

impl Acker {
    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.0.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all that waits.
    async fn write(&self, writer: &mut Writer) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        match writer {
            Writer::Plain(half) => {
                while !self.try_write(half).map_err(text)? {
                    half.writable().await.map_err(text)?;
                }
                Ok(())
            }
            Writer::Tls(half) => {
                let mut bytes = {
                    let mut outgoing = self.lock();
                    outgoing.lay_out();
                    outgoing.bytes.split()
                };
                if bytes.is_empty() { Ok(()) } else { socket::write_tls(half, &mut bytes).await.map_err(text) }
            }
        }
    }

    /// Writes as much as the socket takes now. Returns whether that was all.
    fn try_write(&self, half: &OwnedWriteHalf) -> std::io::Result<bool> {
        let mut outgoing = self.lock();
        outgoing.lay_out();
        outgoing.try_write(half)
    }
}

impl Outgoing {
    fn lay_out(&mut self) {
        for packet in self.acks.drain(..) {
            PubAck::new(packet, None)
                .write(&mut self.bytes)
                .expect("four bytes of memory take a packet without properties");
        }
    }

    fn try_write(&mut self, half: &OwnedWriteHalf) -> std::io::Result<bool> {
        while !self.bytes.is_empty() {
            match half.try_write(&self.bytes) {
                Ok(written) => self.bytes.advance(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl link::SendAck for Acker {
    fn try_ack(&self, packet: u16) -> bool {
        let mut outgoing = self.lock();
        if outgoing.acks.len() >= REQUESTS {
            return false;
        }
        outgoing.acks.push(packet);
        // Whoever writes takes all that wait: it is woken once for them.
        let first = outgoing.acks.len() == 1;
        drop(outgoing);
        if first {
            self.0.some.notify_one();
        }
        true
    }

    fn try_ack_alone(&self, packet: u16) -> bool {
        let mut outgoing = self.lock();
        match outgoing.socket.clone().filter(|_| outgoing.acks.is_empty() && outgoing.bytes.is_empty()) {
            Some(half) => {
                outgoing.acks.push(packet);
                outgoing.lay_out();
                // What the socket does not take, and what ails it, is the connection's to deal with.
                if !matches!(outgoing.try_write(&half), Ok(true)) {
                    self.0.some.notify_one();
                }
                true
            }
            None => {
                drop(outgoing);
                self.try_ack(packet)
            }
        }
    }
}

fn put(into: &mut BytesMut, packet: &Packet) -> Result<(), String> {
    packet.write(into, None).map(drop).map_err(|error| error.to_string())
}

fn happening(packet: Packet) -> Result<Happening, String> {
    Ok(match packet {
        Packet::Publish(publish) => Happening::Message(incoming(publish)),
        Packet::SubAck(answer) => {
            let granted = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Happening::Subscribed(answer.return_codes.iter().map(granted).collect())
        }
        Packet::PingResp(_) => Happening::Alive,
        Packet::Disconnect(disconnect) => {
            return Err(format!("the broker ends the connection ({:?})", disconnect.reason_code));
        }
        _ => Happening::Other,
    })
}

fn incoming(publish: Publish) -> Incoming {
    Incoming {
        topic: publish.topic,
        payload: publish.payload,
        retained: publish.retain,
        content_type: publish.properties.and_then(|properties| properties.content_type),
        sent: (publish.qos != QoS::AtMostOnce).then_some((publish.pkid, publish.dup)),
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
