//! The hook: each publish of a device is committed before the broker acknowledges it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use model::Name;
use mqtt5::QoS;
use mqtt5::broker::events::{
    BrokerEventHandler, ClientConnectEvent, ClientDisconnectEvent, ClientPublishEvent, PublishAction, RetainedSetEvent,
};
use tokio::sync::{oneshot, watch};

use super::OWN_CLIENTS;
use super::connections::{Connections, Will};
use crate::inlet::{Inlet, Ticket};
use crate::intake::{Arrived, Intake, digest};
use crate::status::{Counter, Status};

pub(super) struct Hook {
    intake: Intake,
    inlet: Inlet,
    status: Status,
    connections: Arc<Connections>,
    /// Set when no device's connection is left, so that nothing is acknowledged any more.
    cut_off: watch::Receiver<bool>,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Hook {
    pub(super) fn new(
        intake: Intake,
        inlet: Inlet,
        status: Status,
        connections: Arc<Connections>,
        cut_off: watch::Receiver<bool>,
    ) -> Self {
        Self { intake, inlet, status, connections, cut_off }
    }

    /// Returns when the message is committed, or at once where no sender waits for that: returning is what sends the
    /// PUBACK. One that is not committed in this run keeps its connection waiting until all are cut off.
    async fn take(&self, event: ClientPublishEvent) {
        let packet = event.packet_id.filter(|_| event.qos != QoS::AtMostOnce);
        let session = Name::from(&*event.client_id);
        let sent = packet.map(|packet| (&session, packet, self.connections.is_again(packet)));
        self.status.count(Counter::Received, 1);
        match sent {
            Some((_, _, again)) => self.status.count(Counter::Redelivered, again.into()),
            None => self.status.count(Counter::Qos0, 1),
        }
        let (ticket, committed) = match sent {
            Some(_) => {
                let (sender, receiver) = oneshot::channel();
                let acknowledge = move || {
                    // The receiver is gone where the connection is: then there is nobody to tell.
                    let _ = sender.send(());
                };
                (Ticket::new(acknowledge), Some(receiver))
            }
            None => (Ticket::none(), None),
        };
        // A publish is news even where it is also to be retained: the flag marks old state only towards subscribers.
        let arrived =
            Arrived { topic: &event.topic, payload: &event.payload, retained: false, content_type: None, sent };
        let taken = self.put(&arrived, ticket).await;
        let Some(committed) = committed else { return };
        if taken && committed.await.is_err() {
            self.wait_for_the_end().await;
        } else {
            self.status.count(Counter::Acknowledged, 1);
        }
    }

    /// What the host itself publishes is heard like all else, as from any other broker. Its PUBACK does not wait for the
    /// commit: what the publisher learns by it becomes an input behind this one, so that the effect counts as sent only
    /// once the message is on disk too, and a full disk does not make it send again and again.
    async fn take_own(&self, event: ClientPublishEvent) {
        let arrived =
            Arrived { topic: &event.topic, payload: &event.payload, retained: false, content_type: None, sent: None };
        // Most concern nobody here, and say nothing of how busy the source is.
        if self.put(&arrived, Ticket::none()).await {
            self.status.count(Counter::Received, 1);
        }
    }

    /// Hands over what the message gives; false where it gives nothing.
    async fn put(&self, arrived: &Arrived<'_>, ticket: Ticket) -> bool {
        let taken = self.intake.take(arrived);
        self.status.count_taken(&taken);
        let Ok(delivery) = taken.delivery(ticket) else { return false };
        // When the engine has stopped, the ticket is dropped with the delivery, which says the same.
        let _ = self.inlet.put(delivery).await;
        true
    }

    /// After this, a PUBACK goes nowhere.
    async fn wait_for_the_end(&self) {
        if self.cut_off.clone().wait_for(|cut_off| *cut_off).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn take_will(&self, topic: &str, payload: &[u8]) {
        self.status.count(Counter::Received, 1);
        let arrived = Arrived { topic, payload, retained: false, content_type: None, sent: None };
        self.put(&arrived, Ticket::none()).await;
    }
}

/// Not for the engine: what brokers tell of themselves.
fn is_brokers(topic: &str) -> bool {
    topic.starts_with('$')
}

impl BrokerEventHandler for Hook {
    fn on_client_connect<'a>(&'a self, event: ClientConnectEvent) -> Answer<'a, ()> {
        let will = match (event.will_topic, event.will_payload, event.will_retain) {
            (Some(topic), Some(payload), Some(retained)) => Some(Will { topic, payload, retained }),
            _ => None,
        };
        Box::pin(async move {
            self.connections.begin(will.filter(|will| !is_brokers(&will.topic)));
        })
    }

    fn on_client_publish<'a>(&'a self, event: ClientPublishEvent) -> Answer<'a, PublishAction> {
        Box::pin(async move {
            if event.retain {
                self.connections.note_storing(digest([event.topic.as_bytes(), &event.payload]));
            }
            if event.client_id.starts_with(OWN_CLIENTS) {
                self.take_own(event).await;
            } else if !is_brokers(&event.topic) {
                self.take(event).await;
            }
            PublishAction::Continue
        })
    }

    fn on_client_disconnect<'a>(&'a self, event: ClientDisconnectEvent) -> Answer<'a, ()> {
        Box::pin(async move {
            let will = self.connections.end().and_then(|served| served.will);
            // A retained one is taken when it is stored.
            if let Some(will) = will.filter(|will| event.unexpected && !will.retained) {
                self.take_will(&will.topic, &will.payload).await;
            }
        })
    }

    fn on_retained_set<'a>(&'a self, event: RetainedSetEvent) -> Answer<'a, ()> {
        Box::pin(async move {
            let stored = digest([event.topic.as_bytes(), &event.payload]);
            if self.connections.is_will(&event.topic, &event.payload, stored) && !is_brokers(&event.topic) {
                self.take_will(&event.topic, &event.payload).await;
            }
        })
    }
}
