//! Link: the connection to one broker. Follows each message to its acknowledgement, reconnects, and never lets the
//! client send again by itself: what a lost connection leaves open goes back to the dispatcher.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Id, Span};
use tokio::sync::{Notify, oneshot, watch};

use super::message::Message;
use super::wire::{self, Answer, Loop, Publisher, Step};
use super::{Options, Status};
use crate::{Failure, Reached, retry};

/// First wait before connecting again: a broker that restarts is back within a second.
const RECONNECT_FIRST: Span = Span::from_millis(250);
/// Longest wait: what a device can be expected to wait for after a broker was repaired.
const RECONNECT_LONGEST: Span = Span::from_secs(30);

type Ticket = oneshot::Sender<Result<(), Failure>>;

/// What senders and the driver share.
pub(super) struct Link {
    publisher: Publisher,
    tickets: Mutex<Tickets>,
    status: watch::Sender<Status>,
    /// Tells the driver to give the connection up.
    give_up: Notify,
    /// The broker is about to end, and everybody knows.
    ending: AtomicBool,
    acknowledge_within: Duration,
}

/// The messages under way on this connection.
#[derive(Default)]
struct Tickets {
    /// None while there is no connection.
    packet_bytes: Option<usize>,
    /// Handed over, in order.
    handed: VecDeque<Ticket>,
    /// By packet id.
    sent: HashMap<u16, Ticket>,
}

/// Drives the connection until it is dropped.
pub(super) struct Driver {
    link: Arc<Link>,
    wire: Loop,
    /// A connection that is silent for this long is lost: pings should have kept it talking.
    silence: Duration,
    seed: Id,
}

impl Link {
    pub(super) fn new(options: &Options) -> (Arc<Self>, Driver) {
        let (publisher, wire) = wire::open(options);
        let link = Arc::new(Self {
            publisher,
            tickets: Mutex::default(),
            status: watch::Sender::new(Status::default()),
            give_up: Notify::new(),
            ending: AtomicBool::new(false),
            acknowledge_within: options.acknowledge_within,
        });
        let silence = options.keep_alive.max(Duration::from_secs(5)) * 2;
        let seed = Id::of(&[options.client_id.as_bytes()]);
        (link.clone(), Driver { link, wire, silence, seed })
    }

    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(super) async fn connected(&self) {
        // The sender is ours, so the channel cannot close while we wait.
        let _ = self.status.subscribe().wait_for(|status| status.connected).await;
    }

    pub(super) fn expect_end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Publishes and waits for the acknowledgement.
    pub(super) async fn publish(&self, message: Message) -> Result<(), Failure> {
        let answer = self.hand_over(message)?;
        match tokio::time::timeout(self.acknowledge_within, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::passing("connection-lost", Reached::Perhaps)),
            Err(_) => {
                self.give_up.notify_one();
                Err(Failure::passing("no-acknowledgement", Reached::Perhaps))
            }
        }
    }

    /// Under one lock, so that tickets stand in the order in which the client takes the messages.
    fn hand_over(&self, message: Message) -> Result<oneshot::Receiver<Result<(), Failure>>, Failure> {
        let mut tickets = self.tickets();
        let Some(packet_bytes) = tickets.packet_bytes else {
            return Err(Failure::passing("not-connected", Reached::No));
        };
        if message.topic.len() + message.payload.len() + wire::overhead(&message) > packet_bytes {
            return Err(Failure::refused("too-large"));
        }
        let (ticket, answer) = oneshot::channel();
        if !self.publisher.try_publish(message) {
            return Err(Failure::passing("busy", Reached::No));
        }
        tickets.handed.push_back(ticket);
        Ok(answer)
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver {
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let error = match self.poll().await {
                Ok(step) => {
                    if self.take(step) {
                        failures = 0;
                    }
                    continue;
                }
                Err(error) => error,
            };
            failures += 1;
            self.lost(&error);
            let wait = retry::doubled(failures, RECONNECT_FIRST, RECONNECT_LONGEST);
            let wait = retry::jittered(wait, failures, self.seed);
            tokio::time::sleep(Duration::from_micros(wait.0)).await;
        }
    }

    /// The client's own poll must not be dropped half-way, except to give the connection up: both other ways do that.
    async fn poll(&mut self) -> Result<Step, String> {
        tokio::select! {
            step = tokio::time::timeout(self.silence, self.wire.poll()) => {
                step.unwrap_or_else(|_| Err("the connection was silent".to_owned()))
            }
            () = self.link.give_up.notified() => Err("a publish was not acknowledged in time".to_owned()),
        }
    }

    /// Takes a step; true when it is a new connection.
    fn take(&self, step: Step) -> bool {
        let mut tickets = self.link.tickets();
        match step {
            Step::Connected { packet_bytes } => {
                tickets.packet_bytes = Some(packet_bytes);
                self.link.status.send_replace(Status { connected: true, error: None });
                return true;
            }
            Step::Sent(packet) => {
                if let Some(ticket) = tickets.handed.pop_front() {
                    tickets.sent.insert(packet, ticket);
                }
            }
            Step::Acknowledged(packet, answer) => {
                if let Some(ticket) = tickets.sent.remove(&packet) {
                    // A sender that waited too long has gone.
                    let _ = ticket.send(result(answer));
                }
            }
            Step::Other => {}
        }
        false
    }

    /// Gives the connection up and fails what was under way.
    fn lost(&mut self, error: &str) {
        let mut tickets = self.link.tickets();
        // Under the lock, so that nothing is handed over between this and the end of the connection.
        self.wire.reset();
        let was_connected = tickets.packet_bytes.is_some();
        // Dropping the tickets fails their senders.
        *tickets = Tickets::default();
        drop(tickets);
        if self.link.ending.load(Ordering::Relaxed) {
            tracing::debug!(error, "the connection has ended with the broker");
        } else if was_connected || self.link.status.borrow().error.as_deref() != Some(error) {
            tracing::warn!(error, "no connection to the broker, trying again");
        }
        self.link.status.send_replace(Status { connected: false, error: Some(error.to_owned()) });
    }
}

fn result(answer: Answer) -> Result<(), Failure> {
    match answer {
        Answer::Taken => Ok(()),
        Answer::Refused(reason) => Err(Failure::refused(reason)),
        // The broker says that it did not take it.
        Answer::Passing(reason) => Err(Failure::passing(reason, Reached::No)),
    }
}
