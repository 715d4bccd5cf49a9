//! Duplicates: what came before is dropped, and nothing else is.
//!
//! A source's own id is remembered for a day, or as the operator says. A plain MQTT message is new unless its broker
//! delivers it again: same packet identifier and content as one of the newest that were taken, whose identifier has not
//! been used for another since.

use std::collections::VecDeque;

use model::input::{Body, Redelivery};
use model::{DeviceNo, Id, Input, Instant, Name, Span, limits};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use crate::rows;

#[derive(Debug)]
pub(crate) struct Seen {
    limits: OwnIds,
    /// By hash of (source, id).
    own: FxHashMap<Id, Instant>,
    /// The same, oldest first.
    order: VecDeque<(Instant, Id)>,
    packets: Packets,
}

/// How long and how many of the sources' own ids a partition remembers; whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnIds {
    pub age: Span,
    /// At least 1.
    pub count: usize,
}

impl Default for OwnIds {
    fn default() -> Self {
        Self { age: limits::DUPLICATE_AGE, count: limits::DUPLICATES }
    }
}

/// Messages that their brokers or devices may deliver again, by session.
#[derive(Debug, Default)]
struct Packets {
    sessions: FxHashMap<Name, Session>,
    /// How many there were.
    taken: u64,
}

/// The newest messages of one session.
#[derive(Debug, Default)]
struct Session {
    /// The last message with each packet identifier.
    known: FxHashMap<u16, Packet>,
    /// Identifier and number of the newest messages, oldest first.
    order: VecDeque<(u16, u64)>,
}

/// The last message with one packet identifier.
#[derive(Debug)]
struct Packet {
    digest: u64,
    /// Tells it from later messages with the same identifier.
    number: u64,
    /// The inputs that it gave, one for each device that it spoke of.
    parts: SmallVec<[Part; 1]>,
}

/// What tells the inputs of one message apart: the device, and whether it is its availability.
type Part = (Option<DeviceNo>, bool);

fn part(input: &Input) -> Part {
    (input.body.device(), matches!(input.body, Body::Availability { .. }))
}

/// Key and value of a row.
type Row = (Box<[u8]>, Box<[u8]>);

impl Packets {
    fn knows(&self, redelivery: &Redelivery, part: &Part) -> bool {
        let known = self.sessions.get(&redelivery.session).and_then(|session| session.known.get(&redelivery.packet));
        known.is_some_and(|known| known.digest == redelivery.digest && known.parts.contains(part))
    }

    /// Takes a part of the last message with this identifier, or the first part of another.
    fn take(&mut self, redelivery: &Redelivery, part: Part) {
        self.taken += 1;
        // A session that speaks much takes nothing from one that is quiet; of many, each has little on its way.
        let share = limits::REDELIVERIES / self.sessions.len().max(1);
        let most = share.max(limits::REDELIVERIES_EACH);
        if let Some(session) = self.sessions.get_mut(&redelivery.session) {
            return session.take(redelivery, part, self.taken, most);
        }
        self.forget_sessions();
        let mut session = Session::default();
        session.take(redelivery, part, self.taken, most);
        self.sessions.insert(redelivery.session.clone(), session);
    }

    /// Makes room for one more session: of too many, the half that was quiet for longest is forgotten.
    fn forget_sessions(&mut self) {
        if self.sessions.len() < limits::REDELIVERING_SESSIONS {
            return;
        }
        let mut newest: Vec<u64> = self.sessions.values().map(Session::newest).collect();
        let half = newest.len() / 2;
        let (_, middle, _) = newest.select_nth_unstable(half);
        let middle = *middle;
        self.sessions.retain(|_, session| session.newest() >= middle);
    }
}

impl Session {
    /// The number of its newest message.
    fn newest(&self) -> u64 {
        self.order.back().map_or(0, |(_, number)| *number)
    }

    /// Remembers `most` messages.
    fn take(&mut self, redelivery: &Redelivery, part: Part, number: u64, most: usize) {
        if let Some(known) = self.known.get_mut(&redelivery.packet)
            && known.digest == redelivery.digest
            && !known.parts.contains(&part)
        {
            known.parts.push(part);
            return;
        }
        let packet = Packet { digest: redelivery.digest, number, parts: smallvec![part] };
        self.known.insert(redelivery.packet, packet);
        self.order.push_back((redelivery.packet, number));
        while self.order.len() > most
            && let Some((oldest, number)) = self.order.pop_front()
        {
            if self.known.get(&oldest).is_some_and(|known| known.number == number) {
                self.known.remove(&oldest);
            }
        }
    }
}

impl Seen {
    pub(crate) fn new(limits: OwnIds) -> Self {
        Self { limits, own: FxHashMap::default(), order: VecDeque::new(), packets: Packets::default() }
    }

    /// Takes other limits; what is too much then goes with the next inputs.
    pub(crate) fn limit(&mut self, limits: OwnIds) {
        self.limits = limits;
    }

    pub(crate) fn is_duplicate(&self, input: &Input, now: Instant) -> bool {
        if let Some(redelivery) = &input.redelivery
            && redelivery.again
            && self.packets.knows(redelivery, &part(input))
        {
            return true;
        }
        let id = || Id::of(&[input.source.as_bytes(), input.id.as_bytes()]);
        input.own_id && self.own.get(&id()).is_some_and(|at| now < *at + self.limits.age)
    }

    /// Remembers the message that an input came with. Its own id has a row of its own.
    pub(crate) fn remember_message(&mut self, input: &Input) {
        if let Some(redelivery) = &input.redelivery {
            self.packets.take(redelivery, part(input));
        }
    }

    /// Remembers a new input; returns the row that must be kept for it, where one must.
    pub(crate) fn remember(&mut self, input: &Input, now: Instant) -> Option<Row> {
        self.remember_message(input);
        if !input.own_id {
            return None;
        }
        let id = Id::of(&[input.source.as_bytes(), input.id.as_bytes()]);
        self.insert(id, now);
        Some((Box::from(id.0), rows::encode(&now)))
    }

    pub(crate) fn insert(&mut self, id: Id, at: Instant) {
        self.own.insert(id, at);
        self.order.push_back((at, id));
    }

    /// Forgets one id that is too old or one too many; its row can go.
    pub(crate) fn forget(&mut self, now: Instant) -> Option<Id> {
        let (at, _) = self.order.front()?;
        if *at + self.limits.age > now && self.order.len() <= self.limits.count {
            return None;
        }
        let (at, id) = self.order.pop_front()?;
        if self.own.get(&id) == Some(&at) {
            self.own.remove(&id);
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_ids_are_remembered_as_the_limit_says_and_the_oldest_goes_first() {
        let id = |n: usize| Id::of(&[&n.to_be_bytes()]);
        let mut seen = Seen::new(OwnIds::default());
        (0..limits::DUPLICATES).for_each(|n| seen.insert(id(n), Instant(1)));
        assert_eq!(seen.forget(Instant(1)), None);
        seen.insert(id(limits::DUPLICATES), Instant(1));
        assert_eq!(seen.forget(Instant(1)), Some(id(0)));
        assert_eq!(seen.forget(Instant(1)), None);
    }

    #[test]
    fn an_operator_may_have_fewer_remembered_or_for_a_shorter_time() {
        let id = |n: usize| Id::of(&[&n.to_be_bytes()]);
        let mut seen = Seen::new(OwnIds { age: Span(10), count: 2 });
        (0..3).for_each(|n| seen.insert(id(n), Instant(1)));
        assert_eq!(seen.forget(Instant(10)), Some(id(0)));
        assert_eq!(seen.forget(Instant(10)), None);
        assert_eq!(seen.forget(Instant(11)), Some(id(1)));
        seen.limit(OwnIds { age: Span(20), count: 2 });
        assert_eq!(seen.forget(Instant(20)), None);
    }

    fn message(session: &str, packet: usize, digest: usize) -> Redelivery {
        let packet = u16::try_from(packet).expect("an identifier");
        Redelivery { session: session.into(), packet, again: true, digest: digest as u64 }
    }

    const PART: Part = (Some(DeviceNo(1)), false);

    #[test]
    fn as_many_messages_are_known_again_as_the_limit_says_and_the_oldest_goes_first() {
        let mut packets = Packets::default();
        (1..=limits::REDELIVERIES).for_each(|n| packets.take(&message("s", n, n), PART));
        assert!(packets.knows(&message("s", 1, 1), &PART));
        packets.take(&message("s", limits::REDELIVERIES + 1, 1), PART);
        assert!(!packets.knows(&message("s", 1, 1), &PART));
        assert!(packets.knows(&message("s", 2, 2), &PART));
        assert_eq!(packets.sessions["s"].known.len(), limits::REDELIVERIES);
    }

    #[test]
    fn a_session_that_speaks_much_makes_nobody_forget_a_quiet_one() {
        let mut packets = Packets::default();
        packets.take(&message("quiet", 7, 7), PART);
        (1..=2 * limits::REDELIVERIES).for_each(|n| packets.take(&message("loud", n % 100, n), PART));
        assert!(packets.knows(&message("quiet", 7, 7), &PART));
    }

    #[test]
    fn of_many_sessions_each_is_known_by_its_last_messages() {
        let mut packets = Packets::default();
        for n in 1..=limits::REDELIVERIES_EACH + 1 {
            (0..limits::REDELIVERING_SESSIONS).for_each(|s| packets.take(&message(&s.to_string(), n, n), PART));
        }
        assert!(!packets.knows(&message("0", 1, 1), &PART));
        assert!((2..=limits::REDELIVERIES_EACH + 1).all(|n| packets.knows(&message("0", n, n), &PART)));
    }

    #[test]
    fn of_too_many_sessions_those_that_were_quiet_for_longest_are_forgotten() {
        let mut packets = Packets::default();
        (0..limits::REDELIVERING_SESSIONS).for_each(|s| packets.take(&message(&s.to_string(), 1, 1), PART));
        packets.take(&message("0", 2, 2), PART);
        assert_eq!(packets.sessions.len(), limits::REDELIVERING_SESSIONS);
        packets.take(&message("new", 1, 1), PART);
        assert_eq!(packets.sessions.len(), limits::REDELIVERING_SESSIONS / 2 + 1);
        assert!(packets.knows(&message("0", 2, 2), &PART) && packets.knows(&message("new", 1, 1), &PART));
        assert!(!packets.knows(&message("1", 1, 1), &PART));
    }

    #[test]
    fn an_identifier_that_is_used_again_and_again_is_known_by_its_last_message() {
        let mut packets = Packets::default();
        let last = limits::REDELIVERIES * 2;
        (1..=last).for_each(|n| packets.take(&message("s", 1, n), PART));
        assert!(packets.knows(&message("s", 1, last), &PART));
        assert!(!packets.knows(&message("s", 1, last - 1), &PART));
        assert_eq!(packets.sessions["s"].known.len(), 1);
    }
}
