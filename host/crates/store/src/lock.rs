//! The lock file that lets one process at a time write a store.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

pub(crate) const LOCK_NAME: &str = "pointsman.lock";

/// Held for as long as the store is open; the system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Why the lock was not had.
pub(crate) enum LockError {
    Held,
    Io(io::Error),
}

impl Lock {
    pub(crate) fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(LOCK_NAME);
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held),
            Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
        }
    }
}
