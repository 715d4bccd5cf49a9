//! Histories of a partition: which readings they take, and what of them is written.

use std::sync::Arc;

use model::event::{Quality, Reading};
use model::{DeviceNo, Instant, Name};
use store::Table;

use crate::partition::Partition;
use crate::rows;

impl Partition {
    pub(crate) fn record_history(&mut self, device: DeviceNo, readings: &[Reading], at: Instant) {
        let plan = Arc::clone(&self.plan);
        let Some(keeping) = plan.histories.get(&device) else { return };
        for planned in keeping.iter().map(|number| &plan.deployments[*number as usize]) {
            let Some(role) = planned.spec.role_of(device) else { continue };
            if plan.partition_for(&planned.spec, device) != Some(self.number) {
                continue;
            }
            for (number, history) in (0_u16..).zip(&planned.spec.histories) {
                let reading = readings.iter().find(|r| r.capability == history.capability && r.quality != Quality::Bad);
                let value = reading.and_then(|reading| reading.value.as_f64());
                let Some(value) = value.filter(|_| history.role == role.name) else { continue };
                let key = (planned.spec.name.clone(), device, number);
                let series = self.world().histories.entry(key).or_default();
                let changed = series.add(history, at, value);
                let gone = series.expire(history, at);
                if self.persistence == crate::turn::Persistence::Store {
                    self.write_history(&planned.spec.name, device, number, &changed, &gone);
                }
            }
        }
    }

    fn write_history(&mut self, deployment: &Name, device: DeviceNo, number: u16, changed: &[i64], gone: &[i64]) {
        let place = |bucket: i64| rows::history_key(deployment, device, number, bucket);
        let key = (deployment.clone(), device, number);
        let Some(series) = self.view().histories.get(&key) else { return };
        let mut changes: Vec<_> = changed
            .iter()
            .filter_map(|number| Some((place(*number), Some(rows::encode(series.bucket(*number)?)))))
            .collect();
        changes.extend(gone.iter().map(|number| (place(*number), None)));
        if let Some(last) = series.last() {
            changes.push((place(i64::MAX), Some(rows::encode(&last))));
        }
        for (key, value) in changes {
            self.record.change(Table::History, key, value);
        }
    }
}
