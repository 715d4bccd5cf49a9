//! Acknowledgements: in the order of delivery, after the commit, and only to the connection that delivered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::link::SendAck;
use crate::inlet::Ticket;
use crate::status::{Counter, Status};

/// The messages of the current connection that are not yet acknowledged.
pub(super) struct Acks<A> {
    ring: Mutex<Ring>,
    sender: A,
    status: Status,
}

#[derive(Default)]
struct Ring {
    generation: u64,
    /// The number of the front entry; numbers count the deliveries of this generation.
    first: u64,
    entries: VecDeque<Entry>,
    /// A ticket was dropped: the message must come again, and only a new connection brings it.
    dropped: bool,
}

struct Entry {
    packet: u16,
    done: bool,
}

/// One message's place in the ring; dropped unsettled, it marks the connection for renewal.
struct Place<A: SendAck> {
    acks: Arc<Acks<A>>,
    generation: u64,
    number: u64,
    settled: bool,
}

impl<A: SendAck> Acks<A> {
    pub(super) fn new(sender: A, status: Status) -> Arc<Self> {
        Arc::new(Self { ring: Mutex::default(), sender, status })
    }

    /// Takes the next place for a message of the current connection.
    pub(super) fn ticket(self: &Arc<Self>, packet: u16) -> Ticket {
        let mut ring = self.lock();
        ring.entries.push_back(Entry { packet, done: false });
        let number = ring.first + ring.entries.len() as u64 - 1;
        let mut place = Place { acks: self.clone(), generation: ring.generation, number, settled: false };
        drop(ring);
        Ticket::new(move || place.settle())
    }

    /// Ends the connection: forgets its places while `reset` drops what the client still holds of it. One lock over
    /// both, so that no acknowledgement slips from the old connection into the new one.
    pub(super) fn renew(&self, reset: impl FnOnce()) -> u64 {
        let mut ring = self.lock();
        reset();
        *ring = Ring { generation: ring.generation + 1, ..Ring::default() };
        ring.generation
    }

    /// Sends what is due and was not sent because too many requests waited.
    pub(super) fn flush(&self) {
        let mut ring = self.lock();
        while ring.entries.front().is_some_and(|entry| entry.done) {
            if !self.sender.try_ack(ring.entries[0].packet) {
                return;
            }
            ring.entries.pop_front();
            ring.first += 1;
            self.status.count(Counter::Acknowledged, 1);
        }
    }

    /// Whether a message of this connection was given back.
    pub(super) fn was_dropped(&self) -> bool {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: SendAck> Place<A> {
    fn settle(&mut self) {
        self.settled = true;
        let mut ring = self.acks.lock();
        if ring.generation != self.generation {
            return;
        }
        let index = usize::try_from(self.number - ring.first).expect("a ring never outgrows memory");
        ring.entries[index].done = true;
        drop(ring);
        self.acks.flush();
    }
}

impl<A: SendAck> Drop for Place<A> {
    fn drop(&mut self) {
        if !self.settled {
            let mut ring = self.acks.lock();
            ring.dropped |= ring.generation == self.generation;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Takes as many acknowledgements as it has room for.
    #[derive(Clone, Default)]
    struct Wire {
        sent: Arc<Mutex<Vec<u16>>>,
        room: Arc<AtomicUsize>,
    }

    impl SendAck for Wire {
        fn try_ack(&self, packet: u16) -> bool {
            let room = self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| room.checked_sub(1)).is_ok();
            if room {
                self.sent.lock().expect("no panic").push(packet);
            }
            room
        }
    }

    impl Wire {
        fn sent(&self) -> Vec<u16> {
            self.sent.lock().expect("no panic").clone()
        }
    }

    fn acks(room: usize) -> (Wire, Arc<Acks<Wire>>) {
        let wire = Wire { room: Arc::new(room.into()), ..Wire::default() };
        (wire.clone(), Acks::new(wire, Status::default()))
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_delivery() {
        let (wire, acks) = acks(10);
        let tickets = [7, 3, 9].map(|packet| acks.ticket(packet));
        let [first, second, third] = tickets;
        third.acknowledge();
        second.acknowledge();
        assert_eq!(wire.sent(), [0_u16; 0]);
        first.acknowledge();
        assert_eq!(wire.sent(), [7, 3, 9]);
    }

    #[test]
    fn nothing_of_an_ended_connection_is_acknowledged_on_the_next() {
        let (wire, acks) = acks(10);
        let old = acks.ticket(1);
        assert_eq!(acks.renew(|| ()), 1);
        let new = acks.ticket(1);
        old.acknowledge();
        assert_eq!(wire.sent(), [0_u16; 0]);
        new.acknowledge();
        assert_eq!(wire.sent(), [1]);
    }

    #[test]
    fn what_finds_no_room_is_sent_later_in_order() {
        let (wire, acks) = acks(1);
        let tickets = [1, 2, 3].map(|packet| acks.ticket(packet));
        tickets.into_iter().for_each(Ticket::acknowledge);
        assert_eq!(wire.sent(), [1]);
        wire.room.store(5, Ordering::SeqCst);
        acks.flush();
        assert_eq!(wire.sent(), [1, 2, 3]);
    }

    #[test]
    fn a_dropped_ticket_asks_for_a_new_connection_unless_it_is_of_an_old_one() {
        let (_, acks) = acks(10);
        let old = acks.ticket(1);
        acks.renew(|| ());
        drop(old);
        assert!(!acks.was_dropped());
        drop(acks.ticket(1));
        assert!(acks.was_dropped());
    }
}
