//! What is no longer deployed is forgotten: a deployment of the same name that comes later begins anew.
//!
//! The checkpoint at the switch still has all of it.

use std::sync::Arc;

use model::Name;
use store::{DeadLetterRow, Table};

use crate::partition::Partition;
use crate::rows;
use crate::slots::SlotKey;
use crate::turn::Persistence;

impl Partition {
    /// Trigger state that nothing takes over.
    pub(crate) fn forget_triggers(&mut self, keys: impl Iterator<Item = SlotKey>) {
        if self.persistence != Persistence::Store {
            return;
        }
        for (deployment, trigger, device, group) in keys {
            self.record.change(Table::Trigger, rows::trigger_key(&deployment, &trigger, device, &group), None);
        }
    }

    /// State, timers, histories and waiting steps of deployments that the plan does not have.
    pub(crate) fn forget_undeployed(&mut self) {
        let plan = Arc::clone(&self.plan);
        let gone = |name: &Name| plan.deployment_named(name).is_none();
        let mut rows = Vec::new();
        let world = self.world();
        world.states.retain(|(deployment, key), names| {
            let stays = !gone(deployment);
            if !stays {
                let places = names.keys().map(|name| [deployment.as_bytes(), key.as_bytes(), name.as_bytes()]);
                rows.extend(places.map(|parts| (Table::State, rows::key(&parts))));
            }
            stays
        });
        world.histories.retain(|(deployment, device, number), series| {
            let stays = !gone(deployment);
            if !stays {
                let places = series.numbers().chain([i64::MAX]);
                let place = |bucket| rows::history_key(deployment, *device, *number, bucket);
                rows.extend(places.map(|bucket| (Table::History, place(bucket))));
            }
            stays
        });
        for key in self.timers.rule_keys().filter(|(deployment, ..)| gone(deployment)).cloned().collect::<Vec<_>>() {
            self.timers.remove_rule(&key);
            rows.push((Table::Timer, rows::key(&[key.0.as_bytes(), key.1.as_bytes(), key.2.as_bytes()])));
        }
        if self.persistence == Persistence::Store {
            rows.into_iter().for_each(|(table, key)| self.record.change(table, key, None));
        }
        for key in self.notified.of_gone(gone) {
            self.forget_notified(&key);
        }
        self.forget_standings(gone);
        let waiting: Vec<_> = self.pending.places().into_iter().filter(|(d, _)| gone(d)).collect();
        waiting.into_iter().for_each(|(deployment, key)| self.bury_undeployed(&deployment, &key));
    }

    fn bury_undeployed(&mut self, deployment: &Name, key: &Name) {
        while let Some((number, _)) = self.pending.pop(deployment, key) {
            self.accounts.pending -= 1;
            self.accounts.dead_lettered += 1;
            if self.persistence != Persistence::Store {
                continue;
            }
            let place = rows::key(&[deployment.as_bytes(), key.as_bytes(), &number.to_be_bytes()]);
            self.record.change(Table::Pending, place, None);
            self.record.bury(DeadLetterRow {
                sequence: self.sequence,
                at: self.recorded_at,
                deployment: deployment.clone(),
                key: key.clone(),
                reason: Name::from("undeployed"),
                message: Name::from("the deployment was removed while this event waited"),
                // Without its deployment there is nothing that could run it again.
                case: Box::default(),
            });
        }
    }
}
