//! Restoring a backup into an empty folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::backup::{finding, part_of, place};
use crate::lock::{LOCK_NAME, Lock, LockError};
use crate::open::{self, OpenError};
use crate::schema::FILE_NAME;

/// Added to the count of starts, so that the runs after a restore do not number what they make like those that ran
/// after the backup was taken: receivers would take the new for the old.
const STARTS_SKIPPED: i64 = 1_000_000;

/// Why nothing was restored. The folder is then as empty as before, but for its lock file.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("there is no backup at {}", path.display())]
    Missing { path: PathBuf },
    #[error("the folder {} is not empty: it holds {entry}", folder.display())]
    NotEmpty { folder: PathBuf, entry: String },
    #[error("the folder {} is in use by another process", folder.display())]
    Locked { folder: PathBuf },
    #[error("failed to write {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the backup {} is damaged: {finding}", path.display())]
    Damaged { path: PathBuf, finding: String },
    #[error("the backup {} cannot be used", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: Box<OpenError>,
    },
}

/// Puts the store of this backup into `folder`, which is made if it is not there. The copy is checked before it takes
/// its name, and on disk before this returns.
///
/// # Errors
/// When the folder holds anything, or the file is no sound store of a version that this program knows.
pub fn restore(file: &Path, folder: &Path) -> Result<(), RestoreError> {
    if !file.is_file() {
        return Err(RestoreError::Missing { path: file.to_owned() });
    }
    let io = |source| RestoreError::File { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(io)?;
    for entry in fs::read_dir(folder).map_err(io)? {
        // The lock file of a restore that failed says nothing: whether it is held is asked below.
        let entry = entry.map_err(io)?.file_name();
        if entry != LOCK_NAME {
            let entry = entry.display().to_string();
            return Err(RestoreError::NotEmpty { folder: folder.to_owned(), entry });
        }
    }
    let _lock = Lock::take(folder).map_err(|error| match error {
        LockError::Held => RestoreError::Locked { folder: folder.to_owned() },
        LockError::Io(source) => io(source),
    })?;
    let target = folder.join(FILE_NAME);
    let part = part_of(&target);
    let made = fs::copy(file, &part).map_err(io).and_then(|_| check(&part, file));
    let made = made.and_then(|()| place(&part, &target).map_err(io));
    if made.is_err() {
        for rest in ["", "-wal", "-shm", "-journal"] {
            let mut left = part.as_os_str().to_owned();
            left.push(rest);
            // Best effort: the error that is reported is the first.
            let _ = fs::remove_file(left);
        }
    }
    made
}

/// Checks the copy `part` of `file` and moves its count of starts on.
fn check(part: &Path, file: &Path) -> Result<(), RestoreError> {
    let unusable = |source| RestoreError::Unusable { path: file.to_owned(), source: Box::new(source) };
    let database = |source| unusable(OpenError::database("read", file)(source));
    let copy = Connection::open(part).map_err(database)?;
    open::version(&copy, file).map_err(unusable)?;
    if let Some(finding) = finding(&copy).map_err(database)? {
        return Err(RestoreError::Damaged { path: file.to_owned(), finding });
    }
    copy.execute("UPDATE meta SET value = value + ?1 WHERE name = 'starts'", [STARTS_SKIPPED]).map_err(database)?;
    copy.close().map_err(|(_, source)| database(source))
}
