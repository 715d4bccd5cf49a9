//! When a partition's state is kept as a checkpoint, so that replay need not start at the beginning.
//!
//! Whether one is due follows from the records alone, so that a replay lets warm instances retire where the live run
//! did. It is made by the commit that comes next, of the state as it was before.

use model::limits;

use crate::hidden::Sampler;
use crate::partition::Partition;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

impl Partition {
    /// Ends a turn: where a checkpoint has become due, the next commit makes it.
    pub(crate) fn plan_checkpoint(&mut self) {
        let (last, at) = self.checkpoint;
        let day = |at: model::Instant| at.0.div_euclid(DAY);
        let due = self.sequence - last >= limits::CHECKPOINT_RECORDS || day(self.recorded_at) > day(at);
        if self.sequence > last && due {
            self.keep_checkpoint();
            // Devices may have joined since the configuration was last stored whole.
            let stored = &self.plan.configuration;
            if self.configuration.is_some_and(|named| named != stored.digest) {
                self.configuration = Some(stored.digest);
                self.record.commit.configuration = Some(stored.row());
            }
        }
    }

    /// The state as it stands now is kept by the next commit; no instance lives on over it, except where they are kept
    /// to show what they hide.
    pub(crate) fn keep_checkpoint(&mut self) {
        self.checkpoint = (self.sequence, self.recorded_at);
        self.checkpoint_due = self.sequence > 0;
        if self.sampler != Sampler::Every {
            self.drop_instances();
        }
    }

    pub(crate) fn drop_instances(&mut self) {
        for state in &mut self.deployments {
            state.instance = None;
            state.handled = 0;
        }
    }
}
