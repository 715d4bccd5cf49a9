//! Bringing an older store to this program's version, after a copy of it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::backup;
use crate::open::OpenError;
use crate::schema::{self, VERSION};

/// One step: from a version to the next one.
struct Step {
    from: u32,
    /// Statements that leave a store of version `from + 1`.
    sql: &'static str,
}

/// Every step that there ever was, in order. Version 1 is the first.
const STEPS: &[Step] = &[Step { from: 1, sql: schema::FROM_1_TO_2 }];

/// Migrates a store of version `found`, if it is older. The copy lies beside it as `pointsman.db.v<found>.bak`.
pub(crate) fn migrate(connection: &Connection, path: &Path, found: u32) -> Result<(), OpenError> {
    run(connection, path, (found, VERSION), STEPS)
}

fn run(connection: &Connection, path: &Path, (found, to): (u32, u32), steps: &[Step]) -> Result<(), OpenError> {
    if found == to {
        return Ok(());
    }
    let steps: Vec<&Step> = (found..to)
        .map(|from| steps.iter().find(|step| step.from == from))
        .collect::<Option<_>>()
        .ok_or(OpenError::NoMigration { found, supported: to })?;
    let copy = copy_path(path, found);
    backup::copy(connection, &copy).map_err(OpenError::Copy)?;
    tracing::info!(from = found, to, copy = %copy.display(), "the store is migrated");
    apply(connection, to, &steps).map_err(OpenError::database("migrate", path))
}

/// All steps in one transaction: the store has the old version or the new one.
fn apply(connection: &Connection, to: u32, steps: &[&Step]) -> rusqlite::Result<()> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    for step in steps {
        transaction.execute_batch(step.sql)?;
    }
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}

fn copy_path(path: &Path, version: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".v{version}.bak"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection;
    use crate::schema::FILE_NAME;

    const TO_ONE: Step =
        Step { from: 0, sql: "ALTER TABLE things ADD COLUMN weight INTEGER; UPDATE things SET weight = 7" };

    /// A store of a version before the first, with one row.
    fn ancient(folder: &Path) -> (Connection, PathBuf) {
        let path = folder.join(FILE_NAME);
        let connection = connection::writing(&path).expect("opens");
        connection.execute_batch("CREATE TABLE things (name TEXT); INSERT INTO things VALUES ('a')").expect("creates");
        (connection, path)
    }

    #[test]
    fn an_older_store_is_migrated_after_a_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        let (connection, path) = ancient(folder.path());
        run(&connection, &path, (0, 1), &[TO_ONE]).expect("migrates");
        let weight: i64 = connection.query_row("SELECT weight FROM things", [], |row| row.get(0)).expect("a column");
        assert_eq!(weight, 7);
        assert_eq!(connection::identity(&connection).expect("reads").1, 1);

        let copy = connection::reading(&folder.path().join("pointsman.db.v0.bak")).expect("the copy opens");
        let names: String = copy.query_row("SELECT name FROM things", [], |row| row.get(0)).expect("the old row");
        assert_eq!(names, "a");
        assert!(copy.prepare("SELECT weight FROM things").is_err(), "the copy is the old version");
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let (connection, path) = ancient(folder.path());
        let broken = Step { from: 1, sql: "UPDATE nothing SET a = 1" };
        assert!(run(&connection, &path, (0, 2), &[TO_ONE, broken]).is_err());
        assert!(connection.prepare("SELECT weight FROM things").is_err(), "the first step was rolled back too");
        assert_eq!(connection::identity(&connection).expect("reads").1, 0);
    }

    #[test]
    fn a_version_without_a_step_is_refused_and_untouched() {
        let folder = tempfile::tempdir().expect("a folder");
        let (connection, path) = ancient(folder.path());
        let refused = run(&connection, &path, (0, 2), &[TO_ONE]);
        assert!(matches!(refused, Err(OpenError::NoMigration { found: 0, supported: 2 })), "{refused:?}");
        assert!(!folder.path().join("pointsman.db.v0.bak").exists());
    }
}
