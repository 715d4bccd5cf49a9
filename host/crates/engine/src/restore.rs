//! Restoring a partition from the rows of its store.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{DeviceNo, Id, Instant, Name};
use store::Table;

use crate::flight::Flight;
use crate::history::Bucket;
use crate::partition::Partition;
use crate::pending::PendingRow;
use crate::rows::{self, DeploymentRow, PartitionRow, RowError, TriggerRow, decode};
use crate::slots::SlotKey;
use crate::state::Entry;
use crate::timers::TimerRow;

impl Partition {
    /// Takes the rows in any order; deadlines are computed from what they say.
    pub(crate) fn restore<'a>(
        &mut self,
        sequence: u64,
        rows: impl Iterator<Item = (Table, &'a [u8], &'a [u8])>,
    ) -> Result<(), RowError> {
        let mut triggers: BTreeMap<SlotKey, TriggerRow> = BTreeMap::new();
        let mut deployments: BTreeMap<Name, DeploymentRow> = BTreeMap::new();
        let mut seen: Vec<(Instant, Id)> = Vec::new();
        self.sequence = sequence;
        for (table, key, value) in rows {
            match table {
                Table::Partition => {
                    let row: PartitionRow = decode("partition", value)?;
                    self.clock = row.clock;
                    self.recorded_at = row.clock;
                    self.accounts = row.accounts;
                    self.configuration = row.configuration;
                    self.checkpoint = row.checkpoint;
                    // It was to be made by the next commit, and that never came.
                    self.checkpoint_due = row.checkpoint.0 == sequence;
                    self.wall = row.wall;
                    self.caught_up = !row.catching_up;
                    self.rejected = row.rejected;
                }
                Table::Twin => {
                    let twin: crate::twin::Twin = decode("twin", value)?;
                    self.world().twins.insert(twin.device, twin);
                }
                Table::Trigger => {
                    let ([deployment, trigger], rest) = rows::texts::<2>("trigger", key)?;
                    let (group, device) = rows::grouped("trigger", rest)?;
                    let device = (device != DeviceNo(u32::MAX)).then_some(device);
                    let key = (deployment.into(), trigger.into(), device, group.into());
                    triggers.insert(key, decode("trigger", value)?);
                }
                Table::Deployment => {
                    let ([deployment], _) = rows::texts::<1>("deployment", key)?;
                    deployments.insert(deployment.into(), decode("deployment", value)?);
                }
                Table::Seen => {
                    let id = key.try_into().map(Id).map_err(|_| RowError::Key { table: "seen" })?;
                    seen.push((decode("seen", value)?, id));
                }
                Table::State => self.restore_state(key, value)?,
                Table::Timer => self.restore_timer(key, value)?,
                Table::Pending => self.restore_pending(key, value)?,
                Table::History => self.restore_history(key, value)?,
                Table::Flight => self.restore_flight(value)?,
                Table::Published => {
                    let ([topic], _) = rows::texts::<1>("published", key)?;
                    self.published.insert(topic.into(), decode("published", value)?);
                }
                Table::Notified => self.restore_notified(key, value)?,
                Table::Quarantine => self.restore_standing(key, value)?,
                // Within one host a transfer is taken in the turn that sends it: there is nothing to restore.
                Table::Transfer => {}
            }
        }
        seen.sort_unstable();
        seen.into_iter().for_each(|(at, id)| self.seen.insert(id, at));
        self.lay_slots(triggers, deployments);
        if !self.caught_up {
            self.owe_all_levels();
        }
        self.arm_all_waiting();
        Ok(())
    }

    /// As the start did that the sources have not caught up with.
    fn owe_all_levels(&mut self) {
        let plan = Arc::clone(&self.plan);
        for slot in &mut self.slots {
            slot.owed = crate::slots::trigger_in(&plan, slot).spec.kind.keep();
        }
    }

    fn restore_state(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        let ([deployment, state_key, name], _) = rows::texts::<3>("state", key)?;
        let entry: Entry = decode("state", value)?;
        let place = (Name::from(deployment), Name::from(state_key));
        self.world().states.entry(place).or_default().insert(name.into(), entry);
        Ok(())
    }

    fn restore_timer(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        let ([deployment, state_key, name], _) = rows::texts::<3>("timer", key)?;
        let row: TimerRow = decode("timer", value)?;
        self.timers.set_rule((deployment.into(), state_key.into(), name.into()), row);
        Ok(())
    }

    fn restore_pending(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        let ([deployment, state_key], rest) = rows::texts::<2>("pending", key)?;
        let number = rest.try_into().map(u64::from_be_bytes).map_err(|_| RowError::Key { table: "pending" })?;
        let row: PendingRow = decode("pending", value)?;
        self.pending.insert(&deployment.into(), &state_key.into(), number, row);
        Ok(())
    }

    fn restore_standing(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        let ([deployment, held], _) = rows::texts::<2>("quarantine", key)?;
        if held.is_empty() {
            self.standings.deployments.insert(deployment.into(), decode("quarantine", value)?);
        } else {
            self.standings.keys.insert((deployment.into(), held.into()), decode("quarantine", value)?);
        }
        Ok(())
    }

    fn restore_history(&mut self, key: &[u8], value: &[u8]) -> Result<(), RowError> {
        let bad = || RowError::Key { table: "history" };
        let ([deployment], rest) = rows::texts::<1>("history", key)?;
        let tail: [u8; 14] = rest.try_into().map_err(|_| bad())?;
        let (device, rest) = tail.split_first_chunk::<4>().ok_or_else(bad)?;
        let (number, bucket) = rest.split_first_chunk::<2>().ok_or_else(bad)?;
        let bucket = i64::from_be_bytes(bucket.try_into().map_err(|_| bad())?);
        let place = (Name::from(deployment), DeviceNo(u32::from_be_bytes(*device)), u16::from_be_bytes(*number));
        let series = self.world().histories.entry(place).or_default();
        if bucket == i64::MAX {
            series.restore_last(decode("history", value)?);
        } else {
            let row: Bucket = decode("history", value)?;
            series.restore(bucket, row);
        }
        Ok(())
    }

    fn restore_flight(&mut self, value: &[u8]) -> Result<(), RowError> {
        let flight: Flight = decode("flight", value)?;
        if let Some(due) = flight.confirm_due() {
            self.timers.arm_confirm(due, &flight.origin.deployment, &flight.origin.key, flight.origin.id);
        }
        self.flights.insert(flight);
        Ok(())
    }
}
