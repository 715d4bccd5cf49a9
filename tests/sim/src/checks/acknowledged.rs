//! Nothing acknowledged is lost: every message that the broker may forget stands in the journal, once, and in the end
//! so does every message that was said.

use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence, _calm: &Evidence) -> Vec<String> {
    let journalled = evidence.journalled();
    let lost = evidence.acknowledged.iter().filter(|number| !journalled.contains_key(number));
    let lost = lost.map(|number| format!("message {number} was acknowledged and is not in the journal"));
    let missing = evidence.said.difference(&evidence.acknowledged).filter(|_| evidence.quiet_after.is_some());
    let missing = missing.map(|number| format!("message {number} was said and never acknowledged"));
    let doubled = journalled.iter().filter(|(_, count)| **count > 1);
    let doubled = doubled.map(|(number, count)| format!("message {number} was taken {count} times"));
    let damaged = (evidence.damaged > 0).then(|| format!("{} rows of the journal are damaged", evidence.damaged));
    lost.chain(missing).chain(doubled).chain(damaged).collect()
}
