//! Lane: what waits for one target of one sink, in the order of its commits. Pure: time is an argument.

use std::collections::VecDeque;
use std::sync::Arc;

use model::notification::Class;
use model::{Id, Instant, Name, limits, outgoing::Outgoing, outgoing::OutgoingBody};
use store::OutboxRow;
use tokio::sync::Notify;

/// Where order is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) sink: Name,
    pub(crate) target: Name,
    /// Of messages to people: an offer that is tried for days must not hold back an alarm.
    pub(crate) class: Option<Class>,
}

impl Key {
    pub(crate) fn of(outgoing: &Outgoing) -> Self {
        let class = match &outgoing.body {
            OutgoingBody::Notification { class, .. } => Some(*class),
            OutgoingBody::Command { .. } | OutgoingBody::Publish { .. } => None,
        };
        Self { sink: outgoing.sink.clone(), target: outgoing.target.clone(), class }
    }
}

pub(crate) struct Row {
    pub(crate) outgoing: Arc<Outgoing>,
    /// Attempts that have ended.
    pub(crate) attempts: u32,
    pub(crate) due: Instant,
    /// Where it is planned for later than its commit: when its turn comes.
    planned: Option<Instant>,
    /// The last instant at which it may be sent.
    pub(crate) last: Instant,
    /// A momentary command whose mark is committed.
    pub(crate) marked: bool,
}

/// What a lane wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// The head may be sent.
    Start,
    /// Look again at this instant.
    At(Instant),
}

#[derive(Default)]
pub(crate) struct Lane {
    /// While `flight` is there, the first row is on its way.
    rows: VecDeque<Row>,
    /// Cancels an attempt that has not begun to send.
    pub(crate) flight: Option<Arc<Notify>>,
    /// Waits for its sink to have room.
    pub(crate) queued: bool,
    /// Where it stands among the wake-ups.
    pub(crate) wake: Option<Instant>,
    /// No row expires before this.
    earliest: Option<Instant>,
}

impl Row {
    pub(crate) fn new(row: OutboxRow) -> Self {
        let expires = row.outgoing.expires_at;
        let last = match &row.outgoing.body {
            // What people are told keeps its meaning: its own end counts, however late.
            OutgoingBody::Notification { .. } => {
                expires.unwrap_or(row.outgoing.committed_at + limits::NOTIFICATION_AGE)
            }
            OutgoingBody::Command { .. } | OutgoingBody::Publish { .. } => {
                let oldest = row.outgoing.committed_at + limits::OUTBOX_AGE;
                expires.map_or(oldest, |expires| expires.min(oldest))
            }
        };
        let planned = (row.attempts == 0 && row.due > row.outgoing.committed_at).then_some(row.due);
        Self { outgoing: Arc::new(row.outgoing), attempts: row.attempts, due: row.due, planned, last, marked: false }
    }

    /// When its turn comes in its lane.
    pub(crate) fn turn(&self) -> Instant {
        self.planned.unwrap_or(self.outgoing.committed_at)
    }

    pub(crate) fn is_momentary(&self) -> bool {
        is_momentary(&self.outgoing)
    }

    /// Whether its own expiry ends it, not the age that any effect may have.
    pub(crate) fn expires_itself(&self) -> bool {
        self.outgoing.expires_at == Some(self.last)
    }
}

pub(crate) fn is_momentary(outgoing: &Outgoing) -> bool {
    matches!(outgoing.body, OutgoingBody::Command { momentary: true, .. })
}

impl Lane {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn head(&self) -> Option<&Row> {
        self.rows.front()
    }

    pub(crate) fn head_mut(&mut self) -> Option<&mut Row> {
        self.rows.front_mut()
    }

    /// Adds a row behind the others, but before those that are planned for later; returns the oldest that is not on its
    /// way when there are too many.
    pub(crate) fn push(&mut self, row: Row) -> Option<Row> {
        self.earliest = Some(self.earliest.map_or(row.last, |earliest| earliest.min(row.last)));
        let mut place = self.rows.len();
        while place > self.grounded() && self.rows[place - 1].planned.is_some_and(|planned| planned > row.turn()) {
            place -= 1;
        }
        self.rows.insert(place, row);
        if self.rows.len() <= limits::OUTBOX_PER_TARGET {
            return None;
        }
        self.rows.remove(self.grounded())
    }

    /// Takes out the rows that may no longer be sent, without the one on its way.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Row> {
        if self.earliest.is_none_or(|earliest| now <= earliest) {
            return Vec::new();
        }
        let grounded = self.rows.split_off(self.grounded());
        let (expired, kept): (Vec<_>, Vec<_>) = grounded.into_iter().partition(|row| row.last < now);
        self.earliest = kept.iter().map(|row| row.last).min();
        self.rows.extend(kept);
        expired
    }

    /// Takes out one row; the one on its way is told instead, and ends by itself.
    pub(crate) fn withdraw(&mut self, effect: Id) -> Option<Row> {
        let place = self.rows.iter().position(|row| row.outgoing.effect == effect)?;
        match &self.flight {
            Some(flight) if place == 0 => {
                flight.notify_one();
                None
            }
            _ => self.rows.remove(place),
        }
    }

    /// The rows that are not on their way, in order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().skip(self.grounded())
    }

    /// Takes out one row unless it is on its way.
    pub(crate) fn take(&mut self, effect: Id) -> Option<Row> {
        let place = self.rows.iter().position(|row| row.outgoing.effect == effect)?;
        if place < self.grounded() { None } else { self.rows.remove(place) }
    }

    pub(crate) fn next(&self, now: Instant) -> Next {
        let expiry = self.earliest.map(|earliest| Instant(earliest.0.saturating_add(1)));
        match self.rows.front() {
            None => Next::Nothing,
            Some(_) if self.flight.is_some() => expiry.map_or(Next::Nothing, Next::At),
            Some(head) if head.due > now => Next::At(expiry.map_or(head.due, |expiry| expiry.min(head.due))),
            Some(_) => Next::Start,
        }
    }

    /// The row on its way has come to an end.
    pub(crate) fn finish(&mut self) -> Option<Row> {
        self.flight.take()?;
        self.rows.pop_front()
    }

    /// The row on its way is to be sent again, not before `due`. Its expiry counts again.
    pub(crate) fn again(&mut self, due: Instant) {
        self.flight = None;
        if let Some(head) = self.rows.front_mut() {
            head.due = due;
            self.earliest = Some(self.earliest.map_or(head.last, |earliest| earliest.min(head.last)));
        }
    }

    fn grounded(&self) -> usize {
        usize::from(self.flight.is_some())
    }
}

#[cfg(test)]
mod tests;
