//! Flight: what is on its way. Starts attempts where the sink has room, and takes their ends.

use std::sync::Arc;

use model::Name;
use model::event::Outcome;
use model::input::{RETRYING, Settled};
use tokio::sync::Notify;
use tokio::task::JoinError;

use super::Dispatcher;
use crate::Reached;
use crate::attempt::{Attempt, Ended};
use crate::counts;
use crate::lane::{Key, Lane, Next, Row};

impl Dispatcher {
    /// Starts attempts until the sink has no more room.
    pub(super) async fn fill(&mut self, sink: &Name) {
        while !self.closing {
            let Some(outlet) = self.sinks.get_mut(sink) else {
                return;
            };
            if outlet.flying >= outlet.sink.concurrency().max(1) {
                return;
            }
            let Some(key) = outlet.waiting.pop_front() else {
                return;
            };
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            lane.queued = false;
            let now = (self.clock)();
            let mut expired = lane.expire(now);
            if lane.next(now) == Next::Start {
                self.start(&key);
            }
            expired.extend(self.plan(&key));
            for row in expired {
                self.expire(row).await;
            }
        }
    }

    fn start(&mut self, key: &Key) {
        let (Some(lane), Some(outlet)) = (self.lanes.get_mut(key), self.sinks.get_mut(&key.sink)) else {
            return;
        };
        let withdrawn = Arc::new(Notify::new());
        let Some(head) = lane.head() else { return };
        let attempt = Attempt {
            outgoing: head.outgoing.clone(),
            number: head.attempts + 1,
            last: head.last,
            mark: head.is_momentary() && !head.marked,
            sink: outlet.sink.clone(),
            withdrawn: withdrawn.clone(),
            clock: self.clock.clone(),
            gate: self.gate.clone(),
            marks: self.marks.clone(),
            results: self.results.clone(),
        };
        lane.flight = Some(withdrawn);
        outlet.flying += 1;
        let task = self.flights.spawn(attempt.run());
        self.flying.insert(task.id(), key.clone());
    }

    /// Takes the end of an attempt.
    pub(super) async fn land(&mut self, landed: Result<(tokio::task::Id, (Ended, bool)), JoinError>) {
        let (task, (ended, marked)) = landed.unwrap_or_else(|error| {
            tracing::error!(%error, "an attempt failed inside its sink");
            let ended = Ended::Passing { reason: "sink-panicked".into(), reached: Reached::Perhaps, wait: None };
            (error.id(), (ended, true))
        });
        let Some(key) = self.flying.remove(&task) else {
            return;
        };
        if let Some(outlet) = self.sinks.get_mut(&key.sink) {
            outlet.flying = outlet.flying.saturating_sub(1);
        }
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        if let Some(head) = lane.head_mut() {
            head.marked |= marked;
        }
        match ended {
            Ended::Passing { reason, reached, wait } => self.passing(&key, reason, reached, wait).await,
            Ended::Accepted => self.finish(&key, Outcome::Accepted, None).await,
            Ended::Refused(reason) => self.finish(&key, Outcome::Failed, Some(reason)).await,
            Ended::Held(reason) => self.finish(&key, Outcome::Refused, Some(reason)).await,
            Ended::Expired => {
                if let Some(row) = lane.finish() {
                    self.expire(row).await;
                }
            }
            Ended::Withdrawn => self.called_back(&key),
        }
        self.advance(key).await;
    }

    /// The attempt did not begin to send: the commit has finished the effect, or we are stopping.
    fn called_back(&mut self, key: &Key) {
        let Some(row) = self.lanes.get_mut(key).and_then(Lane::finish) else {
            return;
        };
        self.held.remove(&(row.outgoing.effect, row.outgoing.sink.clone()));
        if !self.closing {
            counts::add(&self.counters.withdrawn);
        }
    }

    async fn passing(&mut self, key: &Key, reason: Name, reached: Reached, wait: Option<model::Span>) {
        let now = (self.clock)();
        let (Some(lane), Some(outlet)) = (self.lanes.get_mut(key), self.sinks.get(&key.sink)) else {
            return;
        };
        let Some(head) = lane.head_mut() else { return };
        if head.is_momentary() && reached == Reached::Perhaps {
            return self.finish(key, Outcome::Failed, Some("unknown".into())).await;
        }
        let scheduled = outlet.sink.retry_after(head.attempts + 1, head.outgoing.effect);
        let Some(scheduled) = scheduled else {
            return self.finish(key, Outcome::Failed, Some(reason)).await;
        };
        head.attempts += 1;
        let due = now + wait.unwrap_or(scheduled);
        tracing::info!(sink = %key.sink, target = %key.target, effect = %head.outgoing.effect,
            attempt = head.attempts, %reason, again = %due, "sending again later");
        // A momentary command's attempts say whether it is marked, and one that certainly did not leave is not.
        let told = (!head.is_momentary()).then(|| Settled {
            effect: head.outgoing.effect,
            sink: key.sink.clone(),
            outcome: Outcome::Other(RETRYING.into()),
            reason: Some(reason),
            attempt: head.attempts,
            due: Some(due),
        });
        lane.again(due);
        counts::add(&self.counters.retried);
        if let Some(settled) = told {
            self.tell(settled).await;
        }
    }

    async fn finish(&mut self, key: &Key, outcome: Outcome, reason: Option<Name>) {
        if let Some(row) = self.lanes.get_mut(key).and_then(Lane::finish) {
            self.settle(row, outcome, reason, 1).await;
        }
    }

    pub(super) async fn expire(&mut self, row: Row) {
        let (counter, reason) = if row.expires_itself() {
            (&self.counters.expired, "expires-at")
        } else {
            tracing::warn!(sink = %row.outgoing.sink, target = %row.outgoing.target, effect = %row.outgoing.effect,
                "an effect has waited too long and expired");
            (&self.counters.expired_old, "too-old")
        };
        counts::add(counter);
        self.settle(row, Outcome::Expired, Some(reason.into()), 0).await;
    }

    /// Reports an end. `made` is 1 where the last attempt is not yet counted in the row.
    pub(super) async fn settle(&mut self, row: Row, outcome: Outcome, reason: Option<Name>, made: u32) {
        match &outcome {
            Outcome::Accepted => counts::add(&self.counters.accepted),
            Outcome::Failed => counts::add(&self.counters.failed),
            Outcome::Refused => counts::add(&self.counters.refused),
            Outcome::Expired | Outcome::Confirmed | Outcome::Delivered | Outcome::Superseded | Outcome::Other(_) => {}
        }
        let id = (row.outgoing.effect, row.outgoing.sink.clone());
        self.held.remove(&id);
        self.recent.add(id.clone(), row.due.max((self.clock)()));
        let attempt = (row.attempts + made).max(1);
        self.tell(Settled { effect: id.0, sink: id.1, outcome, reason, attempt, due: None }).await;
    }

    async fn tell(&mut self, settled: Settled) {
        // With nobody to report to, sending on would repeat everything at the next start.
        if self.results.send(settled).await.is_err() {
            self.closing = true;
        }
    }
}
