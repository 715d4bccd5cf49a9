//! Secrets: texts that come from files and never reach a log.

use std::fmt;
use std::path::{Path, PathBuf};

/// Largest secret file: a key or a password, never a document.
const SECRET_BYTES: usize = 4_096;

/// A secret text. Shows as `***` wherever it is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to read the secret file {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the secret file {0} is empty")]
    Empty(PathBuf),
    #[error("the secret file {0} is longer than {SECRET_BYTES} bytes")]
    TooLong(PathBuf),
}

impl Secret {
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The file's text without white space at either end.
    ///
    /// # Errors
    /// When the file cannot be read as UTF-8, is empty or longer than 4 096 bytes.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        match text.trim() {
            "" => Err(Error::Empty(path.to_owned())),
            long if long.len() > SECRET_BYTES => Err(Error::TooLong(path.to_owned())),
            text => Ok(Self::new(text)),
        }
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Secret, Error> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Secret::read(file.path())
    }

    #[test]
    fn a_secret_is_read_without_its_line_end_and_never_shown() {
        let secret = read("hunter2\n").expect("a secret");
        assert_eq!(secret.reveal(), "hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }

    #[test]
    fn empty_and_oversized_files_are_refused() {
        assert!(matches!(read(" \n"), Err(Error::Empty(_))));
        assert!(read(&"s".repeat(SECRET_BYTES)).is_ok());
        assert!(matches!(read(&"s".repeat(SECRET_BYTES + 1)), Err(Error::TooLong(_))));
        assert!(matches!(Secret::read(Path::new("no/such/file")), Err(Error::Read { .. })));
    }
}
