//! Notified: two notifications of one deployment to one audience with the same key are one, for a while.
//!
//! A key is kept where its audience is decided, so that rules in different partitions mean the same one. It is given
//! back when the notification that holds it certainly told nobody.

use std::collections::BTreeSet;

use model::{Id, Instant, Name, limits};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use store::Table;

use crate::flight::Flight;
use crate::partition::Partition;
use crate::rows::{self, RowError};
use crate::turn::Persistence;

/// Deployment, and hash of audience and key.
pub(crate) type NotifiedKey = (Name, Id);

/// A row of [`store::Table::Notified`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NotifiedRow {
    until: Instant,
    effect: Id,
}

#[derive(Debug, Default)]
pub(crate) struct Notified {
    rows: FxHashMap<NotifiedKey, NotifiedRow>,
    /// The same, the first to end first.
    ends: BTreeSet<(Instant, NotifiedKey)>,
}

/// The key of a notification of this deployment to a group.
pub(crate) fn key_of(deployment: &Name, group: &Name, dedupe: &Name) -> NotifiedKey {
    (deployment.clone(), Id::of(&[group.as_bytes(), dedupe.as_bytes()]))
}

impl Notified {
    pub(crate) fn holds(&self, key: &NotifiedKey, now: Instant) -> bool {
        self.rows.get(key).is_some_and(|row| now < row.until)
    }

    fn insert(&mut self, key: NotifiedKey, row: NotifiedRow) {
        self.remove(&key);
        self.ends.insert((row.until, key.clone()));
        self.rows.insert(key, row);
    }

    fn remove(&mut self, key: &NotifiedKey) -> Option<NotifiedRow> {
        let row = self.rows.remove(key)?;
        self.ends.remove(&(row.until, key.clone()));
        Some(row)
    }

    /// The key that ends first, where it has ended or is one too many.
    fn surplus(&self, now: Instant) -> Option<NotifiedKey> {
        let (until, key) = self.ends.first()?;
        (*until <= now || self.rows.len() > limits::DEDUPE_KEYS).then(|| key.clone())
    }

    /// The keys of deployments that are gone, in order.
    pub(crate) fn of_gone(&self, gone: impl Fn(&Name) -> bool) -> Vec<NotifiedKey> {
        let mut keys: Vec<_> = self.rows.keys().filter(|(deployment, _)| gone(deployment)).cloned().collect();
        keys.sort();
        keys
    }
}

impl Partition {
    /// From now on a notification with this key is a duplicate of that effect.
    pub(crate) fn keep_notified(&mut self, key: NotifiedKey, effect: Id) {
        let row = NotifiedRow { until: self.clock + limits::DEDUPE_WITHIN, effect };
        self.notified.insert(key.clone(), row);
        self.write_notified(&key, Some(row));
        while let Some(old) = self.notified.surplus(self.clock) {
            self.forget_notified(&old);
        }
    }

    pub(crate) fn forget_notified(&mut self, key: &NotifiedKey) {
        if self.notified.remove(key).is_some() {
            self.write_notified(key, None);
        }
    }

    /// Nobody was told: the next one with this key is the first again.
    pub(crate) fn give_back(&mut self, flight: &Flight) {
        let Some(dedupe) = flight.dedupe else { return };
        let key = (flight.origin.deployment.clone(), dedupe);
        if self.notified.rows.get(&key).is_some_and(|row| row.effect == flight.origin.id) {
            self.forget_notified(&key);
        }
    }

    pub(crate) fn restore_notified(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        let ([deployment], rest) = rows::texts::<1>("notified", key)?;
        let id = rest.try_into().map(Id).map_err(|_| RowError::Key { table: "notified" })?;
        self.notified.insert((deployment.into(), id), rows::decode("notified", value)?);
        Ok(())
    }

    fn write_notified(&mut self, (deployment, id): &NotifiedKey, row: Option<NotifiedRow>) {
        if self.persistence == Persistence::Store {
            let place = rows::key(&[deployment.as_bytes(), &id.0]);
            self.record.change(Table::Notified, place, row.map(|row| rows::encode(&row)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_keys_are_remembered_as_the_limit_says_and_the_first_to_end_goes_first() {
        let mut notified = Notified::default();
        let key = |n: usize| (Name::from("d"), Id::of(&[&n.to_be_bytes()]));
        for n in 0..limits::DEDUPE_KEYS {
            notified.insert(key(n), NotifiedRow { until: Instant(1_000 + n as i64), effect: Id([0; 16]) });
        }
        assert_eq!(notified.surplus(Instant(999)), None);
        assert_eq!(notified.surplus(Instant(1_000)), Some(key(0)), "it has ended");
        let one_more = NotifiedRow { until: Instant(i64::MAX), effect: Id([0; 16]) };
        notified.insert(key(limits::DEDUPE_KEYS), one_more);
        assert_eq!(notified.surplus(Instant(999)), Some(key(0)), "it is one too many");
    }
}
