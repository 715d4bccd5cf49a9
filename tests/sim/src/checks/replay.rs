//! The exact replay of each partition's journal, however often the host ended while it was written, comes to the same
//! records and the same decisions.

use engine::{Difference, Exact, Recorded};

use crate::evidence::{Evidence, Record};
use crate::rules;
use crate::world::World;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let differs = |partition| replay(evidence, partition).err().map(|found| format!("partition {partition}: {found}"));
    (0..evidence.plan.partitions).filter_map(differs).collect()
}

fn replay(evidence: &Evidence, partition: u16) -> Result<(), Difference> {
    let setup = rules::setup(&evidence.plan, &World::of(&evidence.plan));
    let mut exact = Exact::new(partition, setup)?;
    for record in evidence.journal.iter().filter(|record| record.partition == partition) {
        exact.take(&recorded(record), None)?;
    }
    exact.finish()
}

fn recorded(record: &Record) -> Recorded<'_> {
    Recorded {
        sequence: record.sequence,
        at: record.at,
        begins: record.begins,
        kind: &record.kind,
        observed: record.input.as_ref(),
        digest: record.digest,
    }
}
