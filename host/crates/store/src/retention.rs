//! Retention: the oldest rows removed in small pieces between commits, so that no commit waits long.

use model::{Instant, limits};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::books::{Books, End};
use crate::checkpoint;
use crate::options::Retention;
use crate::schema;

/// Journal rows or decisions removed at once: some ten milliseconds on a flash card.
pub(crate) const CHUNK: u64 = 1_000;
/// Free pages that stay in the file for the next rows; those beyond are given back to the disk.
const FREE_PAGES_KEPT: u32 = 2_048;
/// Free pages given back at once.
const PAGES_AT_ONCE: u32 = 512;

/// The number of the `meta` table that counts removed dead letters.
const REMOVED: &str = "dead-letters-removed";

/// Removes one piece of what is too old or too much. Returns whether there may be more.
pub(crate) fn step(connection: &Connection, retention: &Retention, books: &mut Books) -> rusqlite::Result<bool> {
    Ok(cut_journal(connection, retention, books)?
        || cut_decisions(connection, books.now.before(retention.decisions_age))?
        || cut_dead_letters(connection, books.now.before(retention.decisions_age))?
        || give_back(connection)?)
}

/// Cuts from the partition whose front is the oldest: first what is too old, then what is too much.
fn cut_journal(connection: &Connection, retention: &Retention, books: &mut Books) -> rusqlite::Result<bool> {
    let kept = books.journal_bytes() + checkpoint::bytes(connection)?;
    let excess = kept.saturating_sub(retention.journal_bytes);
    for (partition, at) in by_age(connection, books)? {
        let Some(upto) = cut_end(connection, retention, books, excess, (partition, at))? else { continue };
        let anchor = books.anchors[usize::from(partition)];
        books.anchors[usize::from(partition)] = cut(connection, partition, anchor, upto)?;
        return Ok(true);
    }
    Ok(false)
}

/// Where the next piece of a partition's journal that goes ends; none where nothing goes.
///
/// Rows go only up to a checkpoint, so that what is left can be replayed from there; where there is none yet, nothing
/// could be replayed but from the beginning, and rows go as they grow old.
fn cut_end(
    connection: &Connection,
    retention: &Retention,
    books: &Books,
    excess: u64,
    (partition, at): (u16, Instant),
) -> rusqlite::Result<Option<u64>> {
    let old = books.now.before(retention.journal_age);
    let anchor = books.anchors[usize::from(partition)];
    let first = anchor.sequence + 1;
    // The last row stays, whatever its age: it carries the chain on.
    let last = (anchor.sequence + CHUNK).min(books.tails[usize::from(partition)].sequence - 1);
    let checkpoints = checkpoint::list(connection, partition)?;
    if checkpoints.is_empty() {
        return if at < old {
            last_before(connection, partition, first, last, old).map(Some)
        } else if excess > 0 {
            first_reaching(connection, partition, first, last, anchor.extent.saturating_add_unsigned(excess)).map(Some)
        } else {
            Ok(None)
        };
    }
    let mut floor = None;
    // Of the journal, and of the checkpoints in front of the new floor.
    let mut passed: u64 = checkpoints.iter().filter(|found| found.sequence < first).map(|found| found.bytes).sum();
    let mut freed = 0;
    for found in checkpoints.iter().filter(|found| found.sequence >= first) {
        if found.at >= old && freed >= excess {
            break;
        }
        floor = Some(found.sequence);
        let rows = u64::try_from(extent_at(connection, partition, found.sequence)? - anchor.extent);
        freed = rows.map_or(u64::MAX, |rows| rows.saturating_add(passed));
        passed += found.bytes;
    }
    Ok(floor.map(|floor| floor.min(last)))
}

/// The partitions that have more than one row, the one with the oldest first row first.
fn by_age(connection: &Connection, books: &Books) -> rusqlite::Result<Vec<(u16, Instant)>> {
    let mut found = Vec::new();
    let mut front = connection.prepare_cached("SELECT at FROM journal WHERE place = ?1")?;
    for (partition, (tail, anchor)) in (0_u16..).zip(books.tails.iter().zip(&books.anchors)) {
        if tail.sequence <= anchor.sequence + 1 {
            continue;
        }
        let place = schema::place(partition, anchor.sequence + 1);
        let at = front.query_row([place], |row| row.get(0).map(Instant)).optional()?;
        // A front row that is missing is damage; it is cut like one that is old.
        found.push((partition, at.unwrap_or(Instant::MIN)));
    }
    found.sort_by_key(|(_, at)| *at);
    Ok(found)
}

fn extent_at(connection: &Connection, partition: u16, sequence: u64) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT extent FROM journal WHERE place = ?1")?
        .query_row([schema::place(partition, sequence)], |row| row.get(0))
        .optional()
        .map(|extent| extent.unwrap_or(i64::MAX))
}

/// The last sequence within `first..=last` whose row is older than `old`; at least the first.
fn last_before(connection: &Connection, partition: u16, first: u64, last: u64, old: Instant) -> rusqlite::Result<u64> {
    let place: Option<i64> = connection
        .prepare_cached("SELECT max(place) FROM journal WHERE place BETWEEN ?1 AND ?2 AND at < ?3")?
        .query_row(params![schema::place(partition, first), schema::place(partition, last), old.0], |row| row.get(0))?;
    Ok(place.map_or(first, schema::sequence))
}

/// The first sequence within `first..=last` at which the journal has grown to `extent`, else the last.
fn first_reaching(
    connection: &Connection,
    partition: u16,
    first: u64,
    last: u64,
    extent: i64,
) -> rusqlite::Result<u64> {
    let place: Option<i64> = connection
        .prepare_cached("SELECT min(place) FROM journal WHERE place BETWEEN ?1 AND ?2 AND extent >= ?3")?
        .query_row(params![schema::place(partition, first), schema::place(partition, last), extent], |row| {
            row.get(0)
        })?;
    Ok(place.map_or(last, schema::sequence))
}

/// Removes a partition's rows up to and with this sequence and returns the last of them, the new anchor.
fn cut(connection: &Connection, partition: u16, anchor: End, upto: u64) -> rusqlite::Result<End> {
    let transaction = connection.unchecked_transaction()?;
    let (chain, extent) = transaction
        .prepare_cached("SELECT chain, extent FROM journal WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT 1")?
        .query_row([schema::place(partition, 1), schema::place(partition, upto)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .unwrap_or((anchor.chain, anchor.extent));
    let anchor = End { sequence: upto, chain, extent };
    transaction
        .prepare_cached("INSERT OR REPLACE INTO anchors (partition, sequence, extent, chain) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![partition, upto.cast_signed(), extent, chain])?;
    transaction
        .prepare_cached("DELETE FROM journal WHERE place BETWEEN ?1 AND ?2")?
        .execute([schema::place(partition, 1), schema::place(partition, upto)])?;
    checkpoint::forget_before(&transaction, partition, upto)?;
    transaction.commit()?;
    Ok(anchor)
}

/// Decisions are in the order of their commits and nearly in that of their instants: only the front is looked at.
fn cut_decisions(connection: &Connection, old: Instant) -> rusqlite::Result<bool> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM decisions WHERE at < ?1 AND place IN (SELECT place FROM decisions ORDER BY place LIMIT ?2)",
        )?
        .execute(params![old.0, CHUNK.cast_signed()])?;
    Ok(removed > 0)
}

/// Dead letters go with the decisions that say why, and earlier where there are too many or they weigh too much. What
/// was removed is counted.
fn cut_dead_letters(connection: &Connection, old: Instant) -> rusqlite::Result<bool> {
    let transaction = connection.unchecked_transaction()?;
    let newest: i64 = transaction.query_row("SELECT ifnull(max(place), 0) FROM dead_letters", [], |row| row.get(0))?;
    let heavy: Option<i64> = transaction
        .prepare_cached(
            "SELECT place FROM (SELECT place, sum(length(evidence)) OVER (ORDER BY place DESC) AS bytes FROM dead_letters)
             WHERE bytes > ?1 ORDER BY place DESC LIMIT 1",
        )?
        .query_row([limits::DEAD_LETTER_BYTES.cast_signed()], |row| row.get(0))
        .optional()?;
    let last = (newest - limits::DEAD_LETTERS.cast_signed()).max(heavy.unwrap_or(i64::MIN));
    // Places are given one after the other, and only the front is removed.
    let removed = transaction
        .prepare_cached(
            "DELETE FROM dead_letters WHERE (at < ?1 OR place <= ?2)
             AND place IN (SELECT place FROM dead_letters ORDER BY place LIMIT ?3)",
        )?
        .execute(params![old.0, last, CHUNK.cast_signed()])?;
    if removed == 0 {
        return Ok(false);
    }
    transaction
        .prepare_cached(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        )?
        .execute(params![REMOVED, i64::try_from(removed).unwrap_or(i64::MAX)])?;
    transaction.commit()?;
    Ok(true)
}

/// How many dead letters were ever removed.
pub(crate) fn dead_letters_removed(connection: &Connection) -> rusqlite::Result<i64> {
    let found =
        connection.query_row("SELECT value FROM meta WHERE name = ?1", [REMOVED], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}

fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let free: u32 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let spare = free.saturating_sub(FREE_PAGES_KEPT).min(PAGES_AT_ONCE);
    if spare == 0 {
        return Ok(false);
    }
    // One page goes with each row that the statement gives.
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({spare})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(true)
}
