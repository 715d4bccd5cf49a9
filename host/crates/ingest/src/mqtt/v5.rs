//! MQTT 5. The packets are those of the client library; the connection is our own, because the library's writes each
//! acknowledgement to the socket by itself, which at a thousand events in a commit costs more than all else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use model::Name;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, ConnectReturnCode, Filter, Login, Packet, PingReq, PubAck, Publish, RetainForwardRule,
    Subscribe, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

use super::link::{self, Happening, Incoming, KEEP_ALIVE, PACKET_BYTES, RECEIVE_MAXIMUM, REQUESTS, SESSION_SECONDS};
use super::socket::{self, Stream};
use super::{Address, Options};

/// How long a broker may take to answer a connection: it, or the way to it, is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Room for one reading of the socket: some hundred messages of devices.
const READ_BYTES: usize = 64 * 1024;
/// The only packet identifier of our own that is ever under way.
const SUBSCRIPTION: u16 = 1;

pub(super) struct Link {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    connect: Packet,
    stream: Option<Box<dyn Stream>>,
    read: BytesMut,
    /// Packets that are still to be written.
    write: BytesMut,
    acks: Acker,
    pings: Interval,
}

/// Collects acknowledgements until the connection writes them, all at once.
#[derive(Clone, Default)]
pub(super) struct Acker(Arc<Acks>);

#[derive(Default)]
struct Acks {
    waiting: Mutex<Vec<u16>>,
    some: Notify,
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
            stream: None,
            read: BytesMut::new(),
            write: BytesMut::new(),
            acks: Acker::default(),
            pings,
        }
    }

    async fn connect(&mut self) -> Result<Happening, String> {
        let mut stream = socket::open(&self.address, self.tls.as_ref()).await.map_err(|error| error.to_string())?;
        put(&mut self.write, &self.connect)?;
        write(&mut stream, &mut self.write).await?;
        let packet = loop {
            match self.buffered()? {
                Some(packet) => break packet,
                None => read(&mut stream, &mut self.read).await?,
            }
        };
        let Packet::ConnAck(answer) = packet else {
            return Err("the broker answers a connection with another packet".to_owned());
        };
        if answer.code != ConnectReturnCode::Success {
            return Err(refusal(answer.code));
        }
        let wanted = answer.properties.and_then(|properties| properties.server_keep_alive);
        let every = wanted.map_or(KEEP_ALIVE, |seconds| Duration::from_secs(seconds.max(1).into()).min(KEEP_ALIVE));
        self.pings = tokio::time::interval(every);
        self.pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        self.pings.tick().await;
        self.stream = Some(stream);
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
        if self.stream.is_none() {
            let connected = tokio::time::timeout(CONNECT_WITHIN, self.connect()).await;
            return connected.unwrap_or_else(|_| Err("the broker does not answer".to_owned()));
        }
        loop {
            if let Some(packet) = self.buffered()? {
                return happening(packet);
            }
            let stream = self.stream.as_mut().expect("it was there a moment ago");
            self.acks.lay_out(&mut self.write)?;
            write(stream, &mut self.write).await?;
            // Each arm may be dropped: what was read is in the buffer, what was notified is looked at in any case.
            tokio::select! {
                done = read(stream, &mut self.read) => done?,
                () = self.acks.0.some.notified() => {}
                _ = self.pings.tick() => put(&mut self.write, &Packet::PingReq(PingReq))?,
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
        self.stream = None;
        self.read.clear();
        self.write.clear();
        self.acks.lock().clear();
    }

    fn subscribe(&mut self, filters: &[Name]) -> bool {
        let filter = |filter: &Name| Filter {
            // Where the session lives, its retained messages are known; where it is new, they are news.
            retain_forward_rule: RetainForwardRule::OnNewSubscribe,
            ..Filter::new(&**filter, QoS::AtLeastOnce)
        };
        let mut packet = Subscribe::new_many(filters.iter().map(filter), None);
        packet.pkid = SUBSCRIPTION;
        put(&mut self.write, &Packet::Subscribe(packet)).is_ok()
    }

    fn acker(&self) -> Acker {
        self.acks.clone()
    }
}

impl Acker {
    fn lay_out(&self, write: &mut BytesMut) -> Result<(), String> {
        let waiting = std::mem::take(&mut *self.lock());
        waiting.into_iter().try_for_each(|packet| put(write, &Packet::PubAck(PubAck::new(packet, None))))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u16>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl link::SendAck for Acker {
    fn try_ack(&self, packet: u16) -> bool {
        let mut waiting = self.lock();
        if waiting.len() >= REQUESTS {
            return false;
        }
        waiting.push(packet);
        // Whoever writes takes all that wait: it is woken once for them.
        let first = waiting.len() == 1;
        drop(waiting);
        if first {
            self.0.some.notify_one();
        }
        true
    }
}

async fn read(stream: &mut Box<dyn Stream>, into: &mut BytesMut) -> Result<(), String> {
    into.reserve(READ_BYTES);
    match stream.read_buf(into).await {
        Ok(0) => Err("the broker has closed the connection".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn write(stream: &mut Box<dyn Stream>, from: &mut BytesMut) -> Result<(), String> {
    if from.is_empty() {
        return Ok(());
    }
    stream.write_all_buf(from).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())
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
