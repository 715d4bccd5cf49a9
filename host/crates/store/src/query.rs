//! The statements that read, shared by the store before it runs and by its readers.

use std::collections::BTreeMap;

use model::{DeviceNo, Id, Instant, Name};
use rusqlite::{Connection, Params, Row, TransactionBehavior, params, types::Type};

use crate::books::End;
use crate::commit::{DeadLetterRow, DecisionRow, OutboxRow, Table};
use crate::entry::{DeadLetterHead, JournalEntry, Placed, StateRow, Visit};
use crate::schema;

const ENTRY: &str = "SELECT place, at, observed, kind, subject, key, digest, chain, payload, begins FROM journal";

/// The first `limit` rows from a sequence on.
pub(crate) fn journal(
    connection: &Connection,
    partition: u16,
    from: u64,
    limit: usize,
) -> rusqlite::Result<Vec<JournalEntry>> {
    let places = schema::places(partition, from.max(1));
    let sql = format!("{ENTRY} WHERE place BETWEEN ?1 AND ?2 ORDER BY place LIMIT ?3");
    all(connection, &sql, params![places.start(), places.end(), bound(limit)], entry)
}

/// The first `limit` rows of one kind from a sequence on.
pub(crate) fn journal_of_kind(
    connection: &Connection,
    partition: u16,
    kind: &str,
    from: u64,
    limit: usize,
) -> rusqlite::Result<Vec<JournalEntry>> {
    let places = schema::places(partition, from.max(1));
    let sql = format!("{ENTRY} WHERE place BETWEEN ?1 AND ?2 AND kind = ?3 ORDER BY place LIMIT ?4");
    all(connection, &sql, params![places.start(), places.end(), kind, bound(limit)], entry)
}

/// The last `count` rows, in order.
pub(crate) fn journal_tail(
    connection: &Connection,
    partition: u16,
    count: usize,
) -> rusqlite::Result<Vec<JournalEntry>> {
    let places = schema::places(partition, 1);
    let sql = format!("{ENTRY} WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT ?3");
    let mut rows = all(connection, &sql, params![places.start(), places.end(), bound(count)], entry)?;
    rows.reverse();
    Ok(rows)
}

/// The row with this sequence.
pub(crate) fn journal_row(
    connection: &Connection,
    partition: u16,
    sequence: u64,
) -> rusqlite::Result<Option<JournalEntry>> {
    let rows = all(connection, &format!("{ENTRY} WHERE place = ?1"), [schema::place(partition, sequence)], entry)?;
    Ok(rows.into_iter().next())
}

/// Shows every row of a partition's state, by table and key, and returns the partition's last sequence.
pub(crate) fn load(connection: &Connection, partition: u16, row: &mut Visit<'_>) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare("SELECT key, value FROM state WHERE partition = ?1 AND kind = ?2")?;
    for table in Table::ALL {
        let mut rows = statement.query(params![partition, table as u8])?;
        while let Some(found) = rows.next()? {
            row(table, blob(found, 0)?, blob(found, 1)?);
        }
    }
    End::tail(connection, partition).map(|tail| tail.sequence)
}

/// The rows of one table whose keys begin with `prefix`, by key.
pub(crate) fn state(
    connection: &Connection,
    partition: u16,
    table: Table,
    prefix: &[u8],
) -> rusqlite::Result<Vec<StateRow>> {
    let row = |row: &Row<'_>| Ok(StateRow { key: blob(row, 0)?.into(), value: blob(row, 1)?.into() });
    let sql = "SELECT key, value FROM state WHERE partition = ?1 AND kind = ?2 AND key >= ?3";
    match end_of(prefix) {
        Some(end) => {
            let sql = format!("{sql} AND key < ?4 ORDER BY key");
            all(connection, &sql, params![partition, table as u8, prefix, end], row)
        }
        None => all(connection, &format!("{sql} ORDER BY key"), params![partition, table as u8, prefix], row),
    }
}

/// The first `limit` effects that wait, in the order in which they were first committed.
pub(crate) fn outbox(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Placed<OutboxRow>>> {
    let sql = "SELECT partition, attempts, due, outgoing FROM outbox ORDER BY place LIMIT ?1";
    all(connection, sql, [bound(limit)], waiting)
}

/// The rows of one effect that wait, in the order in which they were first committed.
pub(crate) fn outbox_of(connection: &Connection, effect: Id) -> rusqlite::Result<Vec<Placed<OutboxRow>>> {
    let sql = "SELECT partition, attempts, due, outgoing FROM outbox WHERE effect = ?1 ORDER BY place";
    all(connection, sql, [effect.0], waiting)
}

/// The newest `limit` dead letters, the newest first.
pub(crate) fn dead_letters(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<DeadLetterHead>> {
    let sql = "SELECT place, partition, sequence, at, deployment, key, reason, message FROM dead_letters
               ORDER BY place DESC LIMIT ?1";
    all(connection, sql, [bound(limit)], |row| {
        Ok(DeadLetterHead {
            number: row.get::<_, i64>(0)?.cast_unsigned(),
            partition: row.get(1)?,
            sequence: row.get::<_, i64>(2)?.cast_unsigned(),
            at: Instant(row.get(3)?),
            deployment: row.get(4)?,
            key: row.get(5)?,
            reason: row.get(6)?,
            message: row.get(7)?,
        })
    })
}

/// The dead letter of this number, with its case.
pub(crate) fn dead_letter(connection: &Connection, number: u64) -> rusqlite::Result<Option<Placed<DeadLetterRow>>> {
    let sql = "SELECT partition, sequence, at, deployment, key, reason, message, evidence FROM dead_letters
               WHERE place = ?1";
    let rows = all(connection, sql, [number.cast_signed()], |row| {
        let letter = DeadLetterRow {
            sequence: row.get::<_, i64>(1)?.cast_unsigned(),
            at: Instant(row.get(2)?),
            deployment: row.get(3)?,
            key: row.get(4)?,
            reason: row.get(5)?,
            message: row.get(6)?,
            case: blob(row, 7)?.into(),
        };
        Ok(Placed { partition: row.get(0)?, row: letter })
    })?;
    Ok(rows.into_iter().next())
}

/// How many dead letters are kept, by reason.
pub(crate) fn dead_letter_reasons(connection: &Connection) -> rusqlite::Result<BTreeMap<Name, u64>> {
    let sql = "SELECT reason, count(*) FROM dead_letters GROUP BY reason";
    let counts = all(connection, sql, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
    Ok(counts.into_iter().collect())
}

/// The decisions on this effect, in the order of their commits.
pub(crate) fn decisions_on(connection: &Connection, effect: Id) -> rusqlite::Result<Vec<Placed<DecisionRow>>> {
    let sql = "SELECT partition, sequence, idx, at, deployment, key, payload, effect FROM decisions
               WHERE effect = ?1 ORDER BY place";
    all(connection, sql, [effect.0], decision)
}

/// The first `limit` effects with ids within `low..=high` that were decided, by id.
pub(crate) fn effects_between(
    connection: &Connection,
    (low, high): (Id, Id),
    limit: usize,
) -> rusqlite::Result<Vec<Id>> {
    let sql = "SELECT DISTINCT effect FROM decisions WHERE effect IS NOT NULL AND effect BETWEEN ?1 AND ?2
               ORDER BY effect LIMIT ?3";
    all(connection, sql, params![low.0, high.0, bound(limit)], |row| row.get(0).map(Id))
}

/// The newest `limit` decisions of a deployment's key within `from..=until`, the oldest first.
pub(crate) fn decisions_about(
    connection: &Connection,
    (deployment, key): (&str, &str),
    (from, until): (Instant, Instant),
    limit: usize,
) -> rusqlite::Result<Vec<Placed<DecisionRow>>> {
    let sql = "SELECT partition, sequence, idx, at, deployment, key, payload, effect, 1 FROM decisions
               WHERE deployment = ?1 AND key = ?2 AND at BETWEEN ?3 AND ?4
               UNION ALL
               SELECT partition, sequence, idx, at, deployment, key, payload, NULL, 0 FROM recent
               WHERE deployment = ?1 AND key = ?2 AND at BETWEEN ?3 AND ?4
               UNION ALL
               SELECT partition, sequence, idx, at, deployment, key, payload, NULL, 0 FROM quiet
               WHERE deployment = ?1 AND key = ?2 AND at BETWEEN ?3 AND ?4
               ORDER BY at DESC, sequence DESC, idx DESC LIMIT ?5";
    let mut rows = all(connection, sql, params![deployment, key, from.0, until.0, bound(limit)], |row| {
        let mut found = decision(row)?;
        found.row.notable = row.get(8)?;
        Ok(found)
    })?;
    rows.reverse();
    Ok(rows)
}

/// The decisions with an effect or a refusal that records within `first..=last` caused, in order.
pub(crate) fn decisions_within(
    connection: &Connection,
    partition: u16,
    (first, last): (u64, u64),
) -> rusqlite::Result<Vec<DecisionRow>> {
    let sql = "SELECT partition, sequence, idx, at, deployment, key, payload, effect FROM decisions
               WHERE partition = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY sequence, idx";
    let rows = all(connection, sql, params![partition, first.cast_signed(), last.cast_signed()], decision)?;
    Ok(rows.into_iter().map(|placed| placed.row).collect())
}

/// The configuration that the journal names by this digest.
pub(crate) fn configuration(connection: &Connection, digest: &[u8; 32]) -> rusqlite::Result<Option<Vec<u8>>> {
    let found = all(connection, "SELECT body FROM configurations WHERE digest = ?1", [digest], |row| row.get(0))?;
    Ok(found.into_iter().next())
}

/// Gives each of these devices its number, a new one where it has none, in a transaction of its own.
pub(crate) fn number_devices(connection: &Connection, ids: &[Name]) -> rusqlite::Result<Vec<DeviceNo>> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let mut add = transaction.prepare_cached("INSERT OR IGNORE INTO devices (id) VALUES (?1)")?;
    let mut find = transaction.prepare_cached("SELECT number FROM devices WHERE id = ?1")?;
    let mut numbers = Vec::with_capacity(ids.len());
    for id in ids {
        add.execute([id])?;
        numbers.push(DeviceNo(find.query_row([id], |row| row.get(0))?));
    }
    drop((add, find));
    transaction.commit()?;
    Ok(numbers)
}

/// All devices that ever had a number, by number.
pub(crate) fn devices(connection: &Connection) -> rusqlite::Result<Vec<(DeviceNo, Name)>> {
    all(connection, "SELECT number, id FROM devices ORDER BY number", [], |row| {
        Ok((DeviceNo(row.get(0)?), row.get(1)?))
    })
}

/// A number of the `meta` table.
pub(crate) fn meta(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    Ok(JournalEntry {
        sequence: schema::sequence(row.get(0)?),
        at: Instant(row.get(1)?),
        observed: row.get(2)?,
        kind: row.get(3)?,
        subject: row.get(4)?,
        key: row.get(5)?,
        digest: row.get(6)?,
        chain: row.get(7)?,
        payload: row.get_ref(8)?.as_blob_or_null()?.map(Into::into),
        begins: row.get(9)?,
    })
}

fn decision(row: &Row<'_>) -> rusqlite::Result<Placed<DecisionRow>> {
    let decision = DecisionRow {
        sequence: row.get::<_, i64>(1)?.cast_unsigned(),
        index: row.get(2)?,
        at: Instant(row.get(3)?),
        deployment: row.get(4)?,
        key: row.get(5)?,
        effect: row.get::<_, Option<[u8; 16]>>(7)?.map(Id),
        notable: true,
        payload: blob(row, 6)?.into(),
    };
    Ok(Placed { partition: row.get(0)?, row: decision })
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Placed<OutboxRow>> {
    let outgoing = rmp_serde::from_slice(blob(row, 3)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(3, Type::Blob, Box::new(error)))?;
    let waiting = OutboxRow { outgoing, attempts: row.get(1)?, due: Instant(row.get(2)?) };
    Ok(Placed { partition: row.get(0)?, row: waiting })
}

fn blob<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(column)?.as_blob()?)
}

/// The first key after all those that begin with `prefix`; none when there is no such key.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_that_does_not_begin_with_it() {
        assert_eq!(end_of(b"a"), Some(b"b".to_vec()));
        assert_eq!(end_of(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(end_of(b"\xff"), None);
        assert_eq!(end_of(b""), None);
    }
}
