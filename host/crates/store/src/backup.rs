//! Backups: one verified file, taken while the store runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::connection;
use crate::error::Error;
use crate::reader::Reader;

/// Why there is no backup. The file at the target is then what it was before.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("failed to write the backup {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to copy the store to {}", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the backup {} did not pass its check: {finding}", path.display())]
    Damaged { path: PathBuf, finding: String },
    #[error("failed to back up the store while it is locked")]
    Busy,
    #[error(transparent)]
    Store(#[from] Error),
}

/// Copies one moment of the store into `file`, which is replaced if it is there. The copy is checked before it takes
/// the name, and on disk before this returns. Commits go on meanwhile.
///
/// # Errors
/// When the store cannot be read, the file cannot be written, or the copy does not pass its check.
pub fn backup(reader: &Reader, file: &Path) -> Result<(), BackupError> {
    let mut result = Ok(());
    reader.ask("back up the store", |connection| {
        result = copy(connection, file);
        Ok(())
    })?;
    result
}

/// [`backup`] over a connection at hand.
pub(crate) fn copy(from: &Connection, file: &Path) -> Result<(), BackupError> {
    let part = part_of(file);
    let io = |source| BackupError::File { path: file.to_owned(), source };
    // What an interrupted backup left is worthless.
    match fs::remove_file(&part) {
        Ok(()) => (),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        Err(error) => return Err(io(error)),
    }
    let made = fill(from, &part, file).and_then(|()| place(&part, file).map_err(io));
    if made.is_err() {
        // Best effort: the error that is reported is the first.
        let _ = fs::remove_file(&part);
    }
    made
}

/// What SQLite's own check says about a database; none when it is sound.
pub(crate) fn finding(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let finding: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok((finding != "ok").then_some(finding))
}

/// Gives a finished file its name, on disk before this returns.
pub(crate) fn place(part: &Path, file: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The name under which a file is written before it is whole.
pub(crate) fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn fill(from: &Connection, part: &Path, file: &Path) -> Result<(), BackupError> {
    let database = |source| BackupError::Database { path: file.to_owned(), source };
    let mut to = Connection::open(part).map_err(database)?;
    // All pages in one step: between steps a commit would make the copy start again, for ever on a busy store.
    match Backup::new(from, &mut to).and_then(|backup| backup.step(-1)).map_err(database)? {
        StepResult::Done => (),
        _ => return Err(BackupError::Busy),
    }
    // One file that needs no log beside it.
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(database)?;
    to.close().map_err(|(_, source)| database(source))?;
    let copy = connection::reading(part).map_err(database)?;
    match finding(&copy).map_err(database)? {
        None => Ok(()),
        Some(finding) => Err(BackupError::Damaged { path: file.to_owned(), finding }),
    }
}
