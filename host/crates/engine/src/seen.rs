//! Duplicates: what came before is dropped, and nothing else is.
//!
//! A source's own id is remembered for a day. A plain MQTT message is new unless its broker delivers it again: same
//! packet identifier and content as one that was taken and whose identifier has not been used for another since.

use std::collections::VecDeque;

use model::input::Body;
use model::{DeviceNo, Id, Input, Instant, Name, limits};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::rows;

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// By hash of (source, id).
    own: FxHashMap<Id, Instant>,
    /// The same, oldest first.
    order: VecDeque<(Instant, Id)>,
    /// What the last message with each packet identifier held, by session.
    packets: FxHashMap<(Name, u16), Packet>,
}

/// The last message with one packet identifier.
#[derive(Debug, Default)]
struct Packet {
    digest: u64,
    /// The inputs that it gave, one for each device that it spoke of.
    parts: SmallVec<[Part; 2]>,
}

/// What tells the inputs of one message apart: the device, and whether it is its availability.
type Part = (Option<DeviceNo>, bool);

fn part(input: &Input) -> Part {
    (input.body.device(), matches!(input.body, Body::Availability { .. }))
}

/// Key and value of a row.
type Row = (Box<[u8]>, Box<[u8]>);

impl Packet {
    /// Takes a part of this message, or the first part of another with the same identifier.
    fn take(&mut self, digest: u64, part: Part) {
        if self.digest != digest || self.parts.contains(&part) {
            self.parts.clear();
            self.digest = digest;
        }
        self.parts.push(part);
    }
}

impl Seen {
    pub(crate) fn is_duplicate(&self, input: &Input, now: Instant) -> bool {
        if let Some(redelivery) = &input.redelivery {
            let known = self.packets.get(&(redelivery.session.clone(), redelivery.packet));
            if redelivery.again
                && known.is_some_and(|known| known.digest == redelivery.digest && known.parts.contains(&part(input)))
            {
                return true;
            }
        }
        let id = || Id::of(&[input.source.as_bytes(), input.id.as_bytes()]);
        input.own_id && self.own.get(&id()).is_some_and(|at| now < *at + limits::DUPLICATE_AGE)
    }

    /// Remembers a new input; returns the row that must be kept for it, where one must.
    pub(crate) fn remember(&mut self, input: &Input, now: Instant) -> Option<Row> {
        if let Some(redelivery) = &input.redelivery {
            self.packets
                .entry((redelivery.session.clone(), redelivery.packet))
                .or_default()
                .take(redelivery.digest, part(input));
        }
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
        if *at + limits::DUPLICATE_AGE > now && self.order.len() <= limits::DUPLICATES {
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
        let mut seen = Seen::default();
        (0..limits::DUPLICATES).for_each(|n| seen.insert(id(n), Instant(1)));
        assert_eq!(seen.forget(Instant(1)), None);
        seen.insert(id(limits::DUPLICATES), Instant(1));
        assert_eq!(seen.forget(Instant(1)), Some(id(0)));
        assert_eq!(seen.forget(Instant(1)), None);
    }
}
