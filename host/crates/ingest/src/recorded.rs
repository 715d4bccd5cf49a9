//! Recordings: the lines that `replay`, `backtest` and `rule test` read and that a journal exports to.

mod fields;
mod instant;
mod journal;
mod line;
mod names;
mod readings;
mod write;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Name, limits};

pub use journal::{Bytes, EXPORT_VERSION, Export, Hash, JournalPart, Loss};
pub use line::{Kind, Line, LineError};
pub use write::{Entry, Timed, to_bare_line, to_journal_line, to_line, to_raw_line};

pub(crate) use fields::Fields;
pub(crate) use names::{Names, Vocabulary};

/// Longest line: the largest payload as base64 or escaped text, with room for the rest.
pub const LINE_BYTES: usize = 8 * limits::PAYLOAD_BYTES;

/// What happens at a line that is wrong.
#[derive(Debug, Clone, Copy, Default)]
pub enum BadLines {
    #[default]
    Stop,
    /// Counted, told with its number, and left out.
    Skip(fn(u64, &LineError)),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to open recording {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to read recording after line {after}")]
    Read {
        after: u64,
        #[source]
        source: io::Error,
    },
    #[error("line {number}: {reason}")]
    Line { number: u64, reason: LineError },
}

/// Reads a recording line by line, in constant memory. Empty lines are passed over.
pub struct Reader<R> {
    input: R,
    bad: BadLines,
    buffer: Vec<u8>,
    names: Names,
    number: u64,
    skipped: u64,
    at: Option<model::Instant>,
    read: Arc<AtomicU64>,
}

/// Counts what is read of a file, before it is decompressed.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A recording from a file, compressed or not.
pub type FileReader = Reader<Box<dyn BufRead + Send>>;

impl FileReader {
    /// Opens a `.jsonl` file, or one compressed with zstd when its name ends in `.zst`.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open(path: &Path, bad: BadLines) -> Result<Self, Error> {
        let failed = |source| Error::Open { path: path.to_owned(), source };
        let read = Arc::new(AtomicU64::new(0));
        let file = Counted { file: File::open(path).map_err(failed)?, read: Arc::clone(&read) };
        #[cfg(feature = "network")]
        if path.extension().is_some_and(|end| end == "zst") {
            let input = BufReader::new(zstd::Decoder::new(file).map_err(failed)?);
            return Ok(Self { read, ..Self::new(Box::new(input), bad) });
        }
        Ok(Self { read, ..Self::new(Box::new(BufReader::with_capacity(128 * 1024, file)), bad) })
    }

    /// Bytes of the file that were read so far, as they lie in it.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl<R: BufRead> Reader<R> {
    pub fn new(input: R, bad: BadLines) -> Self {
        let names = Names::new(Vocabulary::Open);
        Self { input, bad, buffer: Vec::new(), names, number: 0, skipped: 0, at: None, read: Arc::default() }
    }

    /// Lines left out so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next line; none at the end. After an error it may go on with the line that follows.
    ///
    /// # Errors
    /// [`Error::Line`] for a bad line unless bad lines are skipped, [`Error::Read`].
    pub fn next_line(&mut self) -> Result<Option<Line>, Error> {
        loop {
            match self.fill()? {
                Filled::End => return Ok(None),
                Filled::Blank => continue,
                Filled::Line => {}
            }
            match self.parse() {
                Ok(line) => {
                    self.at = Some(line.at);
                    return Ok(Some(line));
                }
                Err(reason) => self.reject(self.number, reason)?,
            }
        }
    }

    /// Counts and tells of a line that was malformed or named something that does not exist, where bad lines are skipped.
    ///
    /// # Errors
    /// [`Error::Line`] where they are not.
    pub fn reject(&mut self, number: u64, reason: LineError) -> Result<(), Error> {
        match self.bad {
            BadLines::Stop => Err(Error::Line { number, reason }),
            BadLines::Skip(tell) => {
                self.skipped += 1;
                tell(number, &reason);
                Ok(())
            }
        }
    }

    fn fill(&mut self) -> Result<Filled, Error> {
        let after = self.number;
        let failed = |source| Error::Read { after, source };
        self.buffer.clear();
        let limit = LINE_BYTES as u64 + 1;
        let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.buffer).map_err(failed)?;
        if read == 0 {
            return Ok(Filled::End);
        }
        self.number += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() > LINE_BYTES {
            skip_line(&mut self.input).map_err(failed)?;
        }
        let blank = self.buffer.iter().all(u8::is_ascii_whitespace);
        Ok(if blank { Filled::Blank } else { Filled::Line })
    }

    fn parse(&mut self) -> Result<Line, LineError> {
        if self.buffer.len() > LINE_BYTES {
            return Err(LineError::TooLong);
        }
        let text = std::str::from_utf8(&self.buffer).map_err(|error| LineError::NotUtf8(error.valid_up_to()))?;
        Line::from_fields(self.number, Fields::parse(text, &mut self.names)?, &mut self.names, self.at)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Line, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

enum Filled {
    Line,
    Blank,
    End,
}

/// Reads away what is left of a line that is too long, a buffer at a time.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |index| index + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// The id of a line that gives none.
fn line_id(number: u64) -> Name {
    Name::from(format!("line:{number}"))
}

#[cfg(test)]
mod tests;
