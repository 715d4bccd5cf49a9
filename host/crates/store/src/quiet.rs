//! Quiet decisions, those with neither effect nor refusal: of each (deployment, key) the last 16 are kept.
//!
//! There is one for nearly every event, so they must cost little. They are appended to one table, `recent`, without an
//! index. When it has grown past its bound, its oldest rows go: those of a key that has 16 newer ones in it are simply
//! removed, those of a key that is seldom heard of move into `quiet`, a ring for each key. Writing the ring at once
//! would touch a page of its own for every event.

use std::collections::HashMap;

use model::Name;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// How many each (deployment, key) keeps at least: enough to see a pattern.
pub(crate) const KEPT: u8 = 16;
/// Rows removed from `recent` at once: some milliseconds.
pub(crate) const CHUNK: u64 = 1_000;
/// `recent` may always have this many rows, 2 MiB of them.
pub(crate) const ROWS_MIN: u64 = 4_096;
/// It never has more than this, 100 MiB of them, and a few megabytes of counts in memory.
const ROWS_MAX: u64 = 262_144;
/// Between the two it has this many for each key in it: so keys that are about equally busy rarely need the ring.
const ROWS_PER_KEY: u64 = 32;

/// How many rows of each key `recent` holds.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    counts: HashMap<Name, HashMap<Name, u32>>,
    keys: u64,
    rows: u64,
}

/// One of the oldest rows of `recent`.
struct Oldest {
    place: i64,
    deployment: Name,
    key: Name,
}

impl Quiet {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut quiet = Self::default();
        let mut statement = connection.prepare("SELECT deployment, key, count(*) FROM recent GROUP BY 1, 2")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let count: u32 = row.get(2)?;
            quiet.counts.entry(row.get(0)?).or_default().insert(row.get(1)?, count);
            quiet.keys += 1;
            quiet.rows += u64::from(count);
        }
        Ok(quiet)
    }

    /// Counts a row that was appended.
    pub(crate) fn count(&mut self, deployment: &Name, key: &Name) {
        self.rows += 1;
        if let Some(count) = self.counts.get_mut(deployment).and_then(|keys| keys.get_mut(key)) {
            *count += 1;
            return;
        }
        self.keys += 1;
        self.counts.entry(deployment.clone()).or_default().insert(key.clone(), 1);
    }

    /// Removes the oldest rows when there are too many. Returns whether it did.
    pub(crate) fn fold(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let bound = (self.keys * ROWS_PER_KEY).clamp(ROWS_MIN, ROWS_MAX);
        if self.rows < bound + CHUNK {
            return Ok(false);
        }
        let transaction = connection.unchecked_transaction()?;
        let oldest = oldest(&transaction)?;
        // Counted down beside the counts: they must stay true if this fails.
        let mut gone: HashMap<(&str, &str), u32> = HashMap::new();
        for row in &oldest {
            let gone = gone.entry((&row.deployment, &row.key)).or_default();
            if self.of(row).saturating_sub(*gone) <= u32::from(KEPT) {
                keep(&transaction, row)?;
            }
            *gone += 1;
        }
        if let Some(last) = oldest.last() {
            transaction.prepare_cached("DELETE FROM recent WHERE place <= ?1")?.execute([last.place])?;
        }
        transaction.commit()?;
        oldest.iter().for_each(|row| self.forget(row));
        Ok(true)
    }

    fn of(&self, row: &Oldest) -> u32 {
        self.counts.get(&row.deployment).and_then(|keys| keys.get(&row.key)).copied().unwrap_or(0)
    }

    fn forget(&mut self, row: &Oldest) {
        self.rows -= 1;
        let Some(keys) = self.counts.get_mut(&row.deployment) else { return };
        let Some(count) = keys.get_mut(&row.key) else { return };
        *count -= 1;
        if *count == 0 {
            keys.remove(&row.key);
            self.keys -= 1;
        }
    }
}

fn oldest(connection: &Connection) -> rusqlite::Result<Vec<Oldest>> {
    let read = |row: &Row<'_>| Ok(Oldest { place: row.get(0)?, deployment: row.get(1)?, key: row.get(2)? });
    connection
        .prepare_cached("SELECT place, deployment, key FROM recent ORDER BY place LIMIT ?1")?
        .query_map([CHUNK.cast_signed()], read)?
        .collect()
}

/// Moves a row into its key's ring, over the oldest there.
fn keep(connection: &Connection, row: &Oldest) -> rusqlite::Result<()> {
    let newest: Option<u8> = connection
        .prepare_cached(
            "SELECT slot FROM quiet WHERE deployment = ?1 AND key = ?2 ORDER BY sequence DESC, idx DESC LIMIT 1",
        )?
        .query_row(params![row.deployment, row.key], |row| row.get(0))
        .optional()?;
    let slot = newest.map_or(0, |slot| (slot + 1) % KEPT);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO quiet (deployment, key, slot, partition, sequence, idx, at, payload)
             SELECT deployment, key, ?2, partition, sequence, idx, at, payload FROM recent WHERE place = ?1",
        )?
        .execute(params![row.place, slot])?;
    Ok(())
}
