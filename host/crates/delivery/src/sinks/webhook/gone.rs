//! Receivers that are gone for good: a mark in the data folder, so that it holds over restarts until an operator takes it
//! away or gives the sink another address.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The mark of one sink. The file is the truth: another process may remove it while the host runs.
#[derive(Debug)]
pub struct Gone {
    file: PathBuf,
    url: String,
}

impl Gone {
    /// The mark of a sink at this address, in a folder of marks.
    #[must_use]
    pub fn new(marks: &Path, sink: &str, url: &str) -> Self {
        Self { file: marks.join(sink), url: url.to_owned() }
    }

    /// Whether the receiver at this address has said so. A mark that cannot be read is none: it will say so again.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|url| url == self.url)
    }

    /// Takes the mark away, so that it is sent to again.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn enable(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn mark(&self) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::create(&self.file)?;
        file.write_all(self.url.as_bytes())?;
        file.sync_all()
    }
}
