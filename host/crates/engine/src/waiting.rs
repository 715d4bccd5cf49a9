//! Steps that wait: put aside, tried again in order, given up where too many wait.

use model::{Instant, Name, Value, limits};
use store::Table;

use crate::partition::Partition;
use crate::pending::PendingRow;
use crate::rows;
use crate::step::Wake;
use crate::turn::Persistence;

impl Partition {
    /// Lets a new step wait behind those of its key that already do. Past the limit it is given up.
    pub(crate) fn wait(&mut self, deployment: &Name, wake: Wake, why: &'static str) {
        let key = &wake.event.key;
        let full = self.pending.of_key(deployment, key) >= limits::PENDING_PER_KEY
            || self.pending.of(deployment) >= limits::PENDING_PER_DEPLOYMENT;
        if full {
            self.accounts.overflowed += 1;
            self.bury_event(&wake, why, "too many events of its key or deployment wait");
            return;
        }
        let number = self.pending.number(self.sequence);
        self.put_aside(deployment, wake, number, self.clock);
    }

    /// Lets a step that failed for a passing reason wait for its next try, in front of those behind it.
    pub(crate) fn wait_again(&mut self, deployment: &Name, wake: Wake, number: Option<u64>, due: Instant) {
        let number = number.unwrap_or_else(|| self.pending.number(self.sequence));
        self.put_aside(deployment, wake, number, due);
    }

    fn put_aside(&mut self, deployment: &Name, wake: Wake, number: u64, due: Instant) {
        self.accounts.pending += 1;
        let key = wake.event.key.clone();
        let Wake { event, depth, attempt, because, .. } = wake;
        let row = PendingRow { event, depth, attempt, due, because };
        self.write_pending(deployment, &key, number, Some(&row));
        self.pending.insert(deployment, &key, number, row);
        self.arm_waiting(deployment, &key);
    }

    /// The first waiting step of a key may be due, or the probe of a deployment that is held (an empty key).
    pub(crate) fn retry(&mut self, deployment: &Name, key: &Name) {
        let Some(index) = self.plan.deployment_named(deployment) else { return };
        if key.is_empty() {
            return self.probe(index, deployment);
        }
        for _ in 0..limits::PENDING_AT_ONCE {
            if self.next_try(deployment, key).is_none_or(|at| at > self.clock) {
                return self.arm_waiting(deployment, key);
            }
            self.run_waiting(index, deployment, key);
        }
        self.pause(deployment, key);
    }

    /// Many steps of one key have run: others have their turn before it goes on.
    fn pause(&mut self, deployment: &Name, key: &Name) {
        if let Some((number, front)) = self.pending.front(deployment, key) {
            let row = PendingRow { due: front.due.max(self.clock + limits::PENDING_PAUSE), ..front.clone() };
            self.write_pending(deployment, key, number, Some(&row));
            self.pending.insert(deployment, key, number, row);
            self.arm_waiting(deployment, key);
        }
    }

    /// Tries the step of a held deployment that waits longest.
    fn probe(&mut self, index: u32, deployment: &Name) {
        if self.is_patience_over(deployment) {
            return self.stop(deployment, Name::from("over-budget"));
        }
        if self.standings.of(deployment).is_none_or(|hold| hold.probe_at > self.clock) {
            return;
        }
        let Some(key) = self.pending.first_of(deployment) else { return };
        self.run_waiting(index, deployment, &key);
        let passing = self.pending.front(deployment, &key).map(|(_, front)| front.due);
        let standing = self.standings.deployments.get_mut(deployment).and_then(|s| s.sentence.hold.as_mut());
        if let Some(hold) = standing.filter(|hold| hold.probe_at <= self.clock) {
            // The probe neither succeeded nor failed for good: its own next try is the next probe.
            hold.probe_at = passing.unwrap_or(self.clock).max(self.clock + limits::PROBE_FIRST);
            self.write_standing(deployment);
            self.arm_waiting(deployment, &key);
        }
    }

    /// Runs the first waiting step of a key: it re-enters the journal, and what follows from it comes at once.
    fn run_waiting(&mut self, index: u32, deployment: &Name, key: &Name) {
        let Some((number, row)) = self.pending.pop(deployment, key) else { return };
        self.accounts.pending -= 1;
        self.caused = 0;
        self.write_pending(deployment, key, number, None);
        let mut event = row.event;
        event.received_at = self.clock;
        if !event.attributes.iter().any(|(name, _)| &**name == "delayed") {
            event.attributes.push((Name::from("delayed"), Value::Boolean(true)));
        }
        self.journal_derived("retry", key, &(&event, row.attempt));
        let wake = Wake { deployment: index, event, depth: row.depth, attempt: row.attempt, because: row.because };
        self.execute(wake, Some(number));
        self.drain();
        if self.standings.deployments.contains_key(deployment) && self.pending.of(deployment) == 0 {
            self.forget_budget(deployment);
            self.write_standing(deployment);
        }
    }

    fn write_pending(&mut self, deployment: &Name, key: &Name, number: u64, row: Option<&PendingRow>) {
        if self.persistence == Persistence::Store {
            let place = rows::key(&[deployment.as_bytes(), key.as_bytes(), &number.to_be_bytes()]);
            // By name: readings leave out what they do not have.
            self.record.change(Table::Pending, place, row.map(rows::encode_named));
        }
    }
}
