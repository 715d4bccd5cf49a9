//! Secrets: read from files of their own, never from settings, never shown.

use std::fmt;
use std::io;
use std::path::Path;

/// A password or signing key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadSecretError {
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: io::Error },
    #[error("{file} is empty: expected a secret")]
    Empty { file: String },
}

impl Secret {
    /// The text of `file`, seen from `folder`, without one line end at its end.
    pub(super) fn read(folder: &Path, file: &Path) -> Result<Self, ReadSecretError> {
        let name = || file.display().to_string();
        let text = std::fs::read_to_string(folder.join(file))
            .map_err(|source| ReadSecretError::Read { file: name(), source })?;
        let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() { Err(ReadSecretError::Empty { file: name() }) } else { Ok(Self(text.to_owned())) }
    }

    /// The secret itself. What is done with it must not reach a log.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path as File;

    #[test]
    fn a_secret_is_read_without_its_line_end_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "hunter2 \r\n").expect("written");
        let secret = Secret::read(folder.path(), File::new("secret")).expect("a secret");
        assert_eq!(secret.reveal(), "hunter2 ");
        assert!(!format!("{secret:?}").contains("hunter2"));
        std::fs::write(&file, "\n").expect("written");
        assert!(matches!(Secret::read(folder.path(), File::new("secret")), Err(ReadSecretError::Empty { .. })));
    }
}
