//! The broker: a session of quality of service 1 with few packet identifiers, and the link by which the real MQTT driver
//! talks to it. It keeps what was not acknowledged and sends it again, under the same identifier, after a cut.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ingest::mqtt::link::{Happening, Incoming, Link, SendAck};
use model::Name;
use tokio::sync::Notify;

use crate::plan::Plan;
use crate::world::Message;

/// How long a connection takes.
const CONNECT: Duration = Duration::from_millis(30);
/// How often a living connection says so.
const PING: Duration = Duration::from_secs(20);

/// What a deliberately broken run changes about the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Habits {
    /// Forgets a message as soon as it was sent, as if it had been acknowledged.
    pub(crate) careless: bool,
    /// Never says that it has sent a message before.
    pub(crate) silent_about_redelivery: bool,
    /// Sends a message of a device in front of the one that the device said before it.
    pub(crate) overtaking: bool,
}

pub(crate) struct Broker {
    inner: Mutex<Inner>,
    changed: Notify,
    habits: Habits,
    packets: u16,
    window: usize,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Message>,
    /// Sent and not acknowledged, in the order of the first sending.
    flying: VecDeque<Flying>,
    /// On their way to us: lost when the connection ends first.
    acks: Vec<u16>,
    last_packet: u16,
    /// The connection that lives; 0 for none.
    connection: u64,
    connections: u64,
    silent: bool,
    acknowledged: BTreeSet<u64>,
}

struct Flying {
    packet: u16,
    message: Message,
    /// Sent on the connection that lives.
    sent: bool,
    /// Sent on an earlier one.
    again: bool,
}

impl Broker {
    pub(crate) fn new(plan: &Plan, habits: Habits) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            changed: Notify::new(),
            habits,
            packets: plan.packets,
            window: usize::from(plan.window.min(plan.packets)),
        })
    }

    pub(crate) fn publish(&self, message: Message) {
        self.lock().waiting.push_back(message);
        self.changed.notify_one();
    }

    /// Takes the acknowledgements that have arrived by now.
    pub(crate) fn tick(&self) {
        let mut inner = self.lock();
        if inner.silent {
            return;
        }
        for packet in std::mem::take(&mut inner.acks) {
            let Some(place) = inner.flying.iter().position(|flying| flying.packet == packet && flying.sent) else {
                continue;
            };
            if let Some(flying) = inner.flying.remove(place) {
                inner.acknowledged.insert(flying.message.number);
            }
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Ends the connection that lives; what was on its way is lost.
    pub(crate) fn cut(&self) {
        let mut inner = self.lock();
        let connection = inner.connection;
        inner.hang_up(connection);
        drop(inner);
        self.changed.notify_one();
    }

    /// The connection lives and nothing comes over it, until it ends.
    pub(crate) fn fall_silent(&self) {
        let mut inner = self.lock();
        inner.silent = inner.connection != 0;
    }

    /// Messages that are not acknowledged.
    pub(crate) fn open(&self) -> usize {
        let inner = self.lock();
        inner.waiting.len() + inner.flying.len()
    }

    /// The numbers of all messages that the host has acknowledged.
    pub(crate) fn acknowledged(&self) -> BTreeSet<u64> {
        self.lock().acknowledged.clone()
    }

    fn connect(&self) -> u64 {
        let mut inner = self.lock();
        inner.connections += 1;
        inner.connection = inner.connections;
        inner.silent = false;
        for flying in &mut inner.flying {
            flying.again |= flying.sent;
            flying.sent = false;
        }
        inner.connection
    }

    /// The next message on this connection. An error says that it has ended.
    fn next(&self, connection: u64) -> Result<Option<Incoming>, String> {
        let mut inner = self.lock();
        if inner.connection != connection {
            return Err("the broker has ended the connection".to_owned());
        }
        if inner.silent {
            return Ok(None);
        }
        if let Some(flying) = inner.flying.iter_mut().find(|flying| !flying.sent) {
            flying.sent = true;
            let again = flying.again && !self.habits.silent_about_redelivery;
            return Ok(Some(incoming(&flying.message, flying.packet, again)));
        }
        if inner.flying.len() >= self.window {
            return Ok(None);
        }
        if self.habits.overtaking {
            inner.let_overtake();
        }
        let Some(message) = inner.waiting.pop_front() else { return Ok(None) };
        let packet = inner.free_packet(self.packets);
        let first = incoming(&message, packet, false);
        if self.habits.careless {
            inner.acknowledged.insert(message.number);
        } else {
            inner.flying.push_back(Flying { packet, message, sent: true, again: false });
        }
        Ok(Some(first))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn hang_up(&mut self, connection: u64) {
        if connection != 0 && self.connection == connection {
            self.connection = 0;
            self.acks.clear();
            self.silent = false;
        }
    }

    /// Where the next two messages of its device wait, they change places.
    fn let_overtake(&mut self) {
        let Some(topic) = self.waiting.front().map(|message| message.topic.clone()) else { return };
        if let Some(later) = (1..self.waiting.len()).find(|place| self.waiting[*place].topic == topic) {
            self.waiting.swap(0, later);
        }
    }

    /// The next identifier, round and round, that is not in use.
    fn free_packet(&mut self, packets: u16) -> u16 {
        loop {
            self.last_packet = self.last_packet % packets + 1;
            if self.flying.iter().all(|flying| flying.packet != self.last_packet) {
                return self.last_packet;
            }
        }
    }
}

fn incoming(message: &Message, packet: u16, again: bool) -> Incoming {
    Incoming {
        topic: Bytes::from(message.topic.clone()),
        payload: Bytes::from(message.payload.clone()),
        retained: false,
        content_type: None,
        sent: Some((packet, again)),
    }
}

/// The host's end of the connection.
pub(crate) struct Client {
    broker: Arc<Broker>,
    /// Shared with its ackers; 0 while there is none.
    connection: Arc<AtomicU64>,
    granted: Option<usize>,
}

pub(crate) struct Acker {
    broker: Arc<Broker>,
    connection: Arc<AtomicU64>,
}

impl Client {
    pub(crate) fn new(broker: Arc<Broker>) -> Self {
        Self { broker, connection: Arc::default(), granted: None }
    }
}

impl Link for Client {
    type Acker = Acker;

    async fn poll(&mut self) -> Result<Happening, String> {
        if self.connection.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(CONNECT).await;
            self.connection.store(self.broker.connect(), Ordering::SeqCst);
            return Ok(Happening::Connected { session_present: true });
        }
        if let Some(filters) = self.granted.take() {
            return Ok(Happening::Subscribed(vec![true; filters]));
        }
        loop {
            match self.broker.next(self.connection.load(Ordering::SeqCst)) {
                Ok(Some(incoming)) => return Ok(Happening::Message(incoming)),
                Ok(None) => {}
                Err(ended) => {
                    self.connection.store(0, Ordering::SeqCst);
                    return Err(ended);
                }
            }
            let quiet = tokio::time::timeout(PING, self.broker.changed.notified()).await.is_err();
            if quiet && !self.broker.lock().silent {
                return Ok(Happening::Alive);
            }
        }
    }

    fn reset(&mut self) {
        let connection = self.connection.swap(0, Ordering::SeqCst);
        self.broker.lock().hang_up(connection);
        self.granted = None;
    }

    fn subscribe(&mut self, filters: &[Name]) -> bool {
        self.granted = Some(filters.len());
        true
    }

    fn unsubscribe(&mut self, _filter: &Name) -> bool {
        // It has one session, which hears everything.
        true
    }

    fn acker(&self) -> Acker {
        Acker { broker: self.broker.clone(), connection: self.connection.clone() }
    }
}

impl SendAck for Acker {
    fn try_ack(&self, packet: u16) -> bool {
        let mut inner = self.broker.lock();
        if inner.connection == self.connection.load(Ordering::SeqCst) && inner.connection != 0 {
            inner.acks.push(packet);
        }
        true
    }
}
