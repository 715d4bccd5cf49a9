//! Room: the outbox as a whole has a limit; past it the oldest row that is not on its way expires, whatever its target.

use model::event::Outcome;
use model::{Id, limits};

use super::Dispatcher;
use crate::counts;
use crate::lane::{Key, Lane};

/// Rows that one look over all lanes finds, so that a flood does not look for each of them.
const FOUND: usize = 256;

impl Dispatcher {
    /// Makes room for one more row.
    pub(super) async fn make_room(&mut self) {
        while self.held.len() >= limits::OUTBOX {
            let Some((key, effect)) = self.oldest() else { return };
            let Some(row) = self.lanes.get_mut(&key).and_then(|lane| lane.take(effect)) else { continue };
            counts::add(&self.counters.expired_full);
            let expired = self.counters.read().expired_full;
            if expired.is_power_of_two() {
                tracing::warn!(sink = %key.sink, target = %key.target, expired,
                    "too many effects wait, the oldest of all has expired");
            }
            self.settle(row, Outcome::Expired, Some("outbox-full".into()), 0).await;
            self.advance(key).await;
        }
    }

    /// The row that waits longest; one that is planned for later waits from then on.
    fn oldest(&mut self) -> Option<(Key, Id)> {
        if self.oldest.is_empty() {
            let waiting = |(key, lane): (&Key, &Lane)| {
                lane.waiting().map(|row| (row.turn(), key.clone(), row.outgoing.effect)).collect::<Vec<_>>()
            };
            let mut rows: Vec<_> = self.lanes.iter().flat_map(waiting).collect();
            if rows.len() > FOUND {
                rows.select_nth_unstable(FOUND);
                rows.truncate(FOUND);
            }
            rows.sort_unstable();
            self.oldest.extend(rows.into_iter().map(|(_, key, effect)| (key, effect)));
        }
        self.oldest.pop_front()
    }
}
