//! A broker that uses its smallest free packet identifier, as several do, and a connection that is cut.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::super::{World, run};
use super::ROOM;
use crate::inlet;
use crate::mqtt::link::{Happening, Incoming, Link, SendAck};
use crate::mqtt::{Address, Options, Tls, Version};
use crate::status::Status;
use crate::testing::{again, intake};

/// What happens on the connections, one after the other; then nothing more.
struct Script(VecDeque<Result<Happening, String>>);

struct Nowhere;

impl SendAck for Nowhere {
    fn try_ack(&self, _packet: u16) -> bool {
        true
    }
}

impl Link for Script {
    type Acker = Nowhere;

    async fn poll(&mut self) -> Result<Happening, String> {
        match self.0.pop_front() {
            Some(next) => next,
            None => std::future::pending().await,
        }
    }

    fn reset(&mut self) {}

    fn subscribe(&mut self, _filters: &[model::Name]) -> bool {
        true
    }

    fn unsubscribe(&mut self, _filter: &model::Name) -> bool {
        true
    }

    fn acker(&self) -> Nowhere {
        Nowhere
    }
}

fn press(again: bool) -> Result<Happening, String> {
    Ok(Happening::Message(Incoming {
        topic: "raw/button".into(),
        payload: "pressed".into(),
        retained: false,
        content_type: None,
        sent: Some((1, again)),
    }))
}

/// Whether the last message of this script may be the first one again.
async fn last_may_be_the_first(between: impl IntoIterator<Item = Happening>) -> bool {
    let connected = || Ok(Happening::Connected { session_present: true });
    let mut script = VecDeque::from([connected(), press(false), Ok(Happening::Acknowledged(1))]);
    script.extend(between.into_iter().map(Ok));
    script.extend([Err("cut".to_owned()), connected(), press(true)]);
    let (inlet, outlet) = inlet::channel(ROOM);
    let stop = Arc::new(Notify::new());
    let options = Options {
        address: Address { host: "nowhere".into(), port: 1883, tls: false },
        version: Version::V311,
        client_id: "hub".into(),
        subscribe: vec!["raw/#".into()],
        subscribed: None,
        credentials: None,
        tls: Tls::default(),
    };
    let world = World { intake: intake("shop"), inlet, status: Status::default(), stop: stop.clone() };
    let mut driver = std::pin::pin!(run(Script(script), options, world));
    let mut deliveries = Vec::new();
    while deliveries.len() < 2 {
        tokio::select! {
            () = &mut driver => panic!("it ended"),
            () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
        }
        if outlet.has_more() {
            deliveries.extend(outlet.take(2, ROOM, std::time::Duration::ZERO));
        }
    }
    stop.notify_one();
    driver.await;
    assert!(!again(&deliveries[0]));
    again(&deliveries[1])
}

#[tokio::test(start_paused = true)]
async fn a_press_whose_first_copy_was_lost_is_not_taken_for_an_older_one() {
    assert!(!last_may_be_the_first([Happening::Pinged, Happening::Alive]).await);
}

#[tokio::test(start_paused = true)]
async fn a_press_whose_acknowledgement_may_be_lost_is_known_again() {
    assert!(last_may_be_the_first([]).await);
    assert!(last_may_be_the_first([Happening::Pinged]).await);
}
