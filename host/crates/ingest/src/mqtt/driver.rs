//! The driver: one task that keeps a connection up, hands messages over, and never waits for the engine while the
//! connection lives.
//!
//! A client that waits for room while the committer waits to acknowledge stands still for good. So the hand-over never
//! blocks: when the inlet is full the connection is dropped until it has drained, and the broker, which has no
//! acknowledgement, sends again. That is the only back-pressure that every broker understands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::input::HostEvent;
use model::{Id, Name};
use tokio::sync::Notify;

use super::Options;
use super::acks::Acks;
use super::filters;
use super::link::{Happening, Incoming, KEEP_ALIVE, Link};
use crate::inlet::{Delivery, Inlet, PutError, Ticket};
use crate::intake::{Arrived, DELIVERY_OVERHEAD, Intake, Taken};
use crate::rejection::{Reason, Rejection};
use crate::status::{Counter, Status};

/// First wait before connecting again; doubles.
const WAIT_FIRST: Duration = Duration::from_millis(100);
/// Doublings until the longest wait, about 25 s: a broker that is back is found within half a minute.
const WAIT_DOUBLINGS: u32 = 8;
/// Doublings kept over a connection that did nothing yet: a broker that accepts and hangs up is not hammered.
const WAIT_DOUBLINGS_UNPROVEN: u32 = 4;
/// Why a connection is renewed that takes no request.
const TOO_MANY: &str = "too many requests wait";

/// What the driver works with.
pub(super) struct World {
    pub(super) intake: Intake,
    pub(super) inlet: Inlet,
    pub(super) status: Status,
    pub(super) stop: Arc<Notify>,
}

struct Driver<L: Link> {
    link: L,
    acks: Arc<Acks<L::Acker>>,
    options: Options,
    world: World,
    /// The broker has answered our subscription in the session that lives now.
    subscribed: bool,
    /// Filters that the session may hold and that are wanted no longer: an older configuration's.
    stale: BTreeSet<Name>,
    /// Answers still to come before all of them are taken back.
    unsubscribing: usize,
    /// There was a session before, in this run or an earlier one: a new one means that it was forgotten.
    had_session: bool,
    /// A lost session is still to be told to the engine.
    announce_loss: bool,
    attempts: u32,
    waits: u64,
}

/// What to do after one event.
enum Next {
    Go,
    /// Drop the connection, then connect again after a wait.
    Renew(String),
    /// Drop the connection until the engine has caught up, then take this too.
    HoldBack(Option<Delivery>),
    End,
}

/// Runs until stopped, or until the engine takes nothing more.
pub(super) async fn run<L: Link>(link: L, options: Options, world: World) {
    let acks = Acks::new(link.acker(), world.status.clone());
    let had_session = world.intake.ids().start() > 1;
    let stop = world.stop.clone();
    let mut driver = Driver {
        link,
        acks,
        options,
        world,
        subscribed: false,
        stale: BTreeSet::new(),
        unsubscribing: 0,
        had_session,
        announce_loss: false,
        attempts: 0,
        waits: 0,
    };
    // Cancelling the loop anywhere loses nothing: what was not acknowledged comes again.
    tokio::select! {
        biased;
        () = stop.notified() => {}
        () = driver.drive() => {}
    }
    driver.renew("stopped".into());
}

impl<L: Link> Driver<L> {
    async fn drive(&mut self) {
        loop {
            // Nothing bounds a write to a dead peer but this; pings make a live connection speak more often.
            let next = match tokio::time::timeout(KEEP_ALIVE * 2, self.link.poll()).await {
                Ok(Ok(happening)) => self.on(happening),
                Ok(Err(error)) => Next::Renew(error),
                Err(_) => Next::Renew("the broker has not answered for too long".into()),
            };
            self.acks.flush();
            let next = match next {
                Next::Go if self.acks.was_dropped() => Next::Renew("a message was not taken".into()),
                next => next,
            };
            match next {
                Next::Go => {}
                Next::Renew(why) => {
                    tracing::info!(source = %self.world.intake.ids().source(), why, "connection ended");
                    self.renew(why);
                    tokio::time::sleep(self.wait()).await;
                }
                Next::HoldBack(delivery) => {
                    self.renew("the engine is behind".into());
                    self.world.status.count(Counter::HeldBack, 1);
                    if let Some(delivery) = delivery
                        && self.world.inlet.put(delivery).await.is_err()
                    {
                        return;
                    }
                    self.world.inlet.drained().await;
                }
                Next::End => return,
            }
        }
    }

    fn on(&mut self, happening: Happening) -> Next {
        match happening {
            Happening::Connected { session_present } => self.on_connected(session_present),
            Happening::Message(incoming) => {
                self.attempts = 0;
                self.on_message(&incoming)
            }
            Happening::Subscribed(granted) => {
                self.subscribed = true;
                let refused = self.options.subscribe.iter().zip(granted).filter(|(_, granted)| !granted);
                let refused: Vec<String> = refused.map(|(filter, _)| filter.to_string()).collect();
                if !refused.is_empty() {
                    tracing::warn!(?refused, "the broker refused subscriptions");
                }
                let complete = refused.is_empty();
                self.world.status.change(|state| {
                    state.connected = true;
                    state.refused_filters = refused;
                });
                // Taken back only now: a topic of both an old and a new filter is heard twice rather than not at all.
                if complete { self.unsubscribe() } else { Next::Go }
            }
            Happening::Unsubscribed => {
                self.unsubscribing = self.unsubscribing.saturating_sub(1);
                if self.unsubscribing == 0 {
                    self.stale.clear();
                    self.note_subscribed();
                }
                Next::Go
            }
            Happening::Alive => {
                self.attempts = 0;
                Next::Go
            }
            Happening::Other => Next::Go,
        }
    }

    fn on_connected(&mut self, session_present: bool) -> Next {
        self.attempts = self.attempts.min(WAIT_DOUBLINGS_UNPROVEN);
        if !session_present && self.had_session {
            self.world.status.count(Counter::SessionsLost, 1);
            self.announce_loss = true;
        }
        self.had_session = true;
        // Also where a session lives: its filters may be those of an older configuration, and what the broker refused
        // it may grant by now.
        let refused = !self.world.status.state().refused_filters.is_empty();
        let wanted = !session_present || !self.subscribed || !self.stale.is_empty() || refused;
        self.subscribed &= session_present;
        self.world.status.change(|state| {
            // What a broker gets before it knows our filters, it does not keep for us.
            state.connected = !wanted || self.options.subscribe.is_empty();
            state.last_error = None;
        });
        if wanted && let Next::Renew(why) = self.subscribe() {
            return Next::Renew(why);
        }
        self.announce()
    }

    fn subscribe(&mut self) -> Next {
        if let Some(file) = &self.options.subscribed {
            self.stale = filters::remembered(file);
            self.stale.retain(|filter| !self.options.subscribe.contains(filter));
            // Noted before it is asked for: this may be the last that we do.
            self.note_subscribed();
        }
        if self.options.subscribe.is_empty() {
            return self.unsubscribe();
        }
        if self.link.subscribe(&self.options.subscribe) { Next::Go } else { Next::Renew(TOO_MANY.into()) }
    }

    fn unsubscribe(&mut self) -> Next {
        self.unsubscribing = self.stale.len();
        if self.stale.iter().all(|filter| self.link.unsubscribe(filter)) {
            Next::Go
        } else {
            Next::Renew(TOO_MANY.into())
        }
    }

    fn note_subscribed(&self) {
        if let Some(file) = &self.options.subscribed {
            filters::remember(file, self.options.subscribe.iter().chain(&self.stale));
        }
    }

    /// Tells the engine that a session was lost, in front of the messages that follow.
    fn announce(&mut self) -> Next {
        if !self.announce_loss {
            return Next::Go;
        }
        let source = self.world.intake.ids().source().clone();
        let input = self.world.intake.host_event(HostEvent::SessionLost { source });
        self.announce_loss = false;
        self.put(Delivery::new(vec![input], DELIVERY_OVERHEAD, Ticket::none()), false)
    }

    fn on_message(&mut self, incoming: &Incoming) -> Next {
        let status = &self.world.status;
        status.count(Counter::Received, 1);
        match incoming.sent {
            Some((_, again)) => status.count(Counter::Redelivered, again.into()),
            None => status.count(Counter::Qos0, 1),
        }
        let taken = self.take(incoming);
        status.count_taken(&taken);
        let ticket = incoming.sent.map_or_else(Ticket::none, |(packet, _)| self.acks.ticket(packet));
        match taken.delivery(ticket) {
            Ok(delivery) => self.put(delivery, incoming.sent.is_some()),
            // It concerns nobody: it leaves in its turn.
            Err(ticket) => {
                ticket.acknowledge();
                Next::Go
            }
        }
    }

    fn take(&self, incoming: &Incoming) -> Taken {
        let Ok(topic) = std::str::from_utf8(&incoming.topic) else {
            let topic = String::from_utf8_lossy(&incoming.topic).as_ref().into();
            let rejection = Rejection { topic, device: None, reason: Reason::TopicNotUtf8 };
            return Taken { rejections: vec![rejection], ..Taken::default() };
        };
        self.world.intake.take(&Arrived {
            topic,
            payload: &incoming.payload,
            retained: incoming.retained,
            content_type: incoming.content_type.as_deref(),
            sent: incoming.sent.map(|(packet, again)| (&self.options.client_id, packet, again)),
        })
    }

    /// `comes_again`: the broker repeats it after a reconnection, so a full inlet need not keep it.
    fn put(&mut self, delivery: Delivery, comes_again: bool) -> Next {
        match self.world.inlet.try_put(delivery) {
            Ok(()) => Next::Go,
            Err(PutError::Full(_)) if comes_again => Next::HoldBack(None),
            Err(PutError::Full(delivery)) => Next::HoldBack(Some(delivery)),
            Err(PutError::Closed(_)) => Next::End,
        }
    }

    fn renew(&mut self, why: String) {
        let generation = self.acks.renew(|| self.link.reset());
        self.world.status.change(|state| {
            state.connected = false;
            state.generation = generation;
            state.last_error = Some(why);
        });
    }

    /// Doubling waits, cut by up to half: many hosts that lost one broker do not come back in one instant. The cut
    /// derives from the client's name and a counter, so that no randomness is needed.
    fn wait(&mut self) -> Duration {
        let longest = WAIT_FIRST * 2_u32.pow(self.attempts.min(WAIT_DOUBLINGS));
        self.attempts += 1;
        self.waits += 1;
        let jitter = Id::of(&[self.options.client_id.as_bytes(), &self.waits.to_be_bytes()]).fold() % 1_000;
        let cut = u32::try_from(jitter).expect("it is below 1 000");
        longest - longest * cut / 2_000
    }
}

#[cfg(test)]
mod tests;
