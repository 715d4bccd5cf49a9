//! What a guest prints, kept until the call ends and then written to the rule's log.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::guest::Level;
use model::limits;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes of both streams of one call: as much as the log takes, and one more so that the log sees the overflow.
const OUTPUT_BYTES: usize = limits::LOG_PER_EVENT + 1;

/// Bytes that a stream takes at once. What does not fit is swallowed, so that printing never fails.
const WRITE_BYTES: usize = 64 * 1024;

/// Both streams of one instance.
#[derive(Default)]
pub(super) struct Output {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Output {
    /// The lines of standard output, then of standard error. Bytes that are no text are replaced.
    pub(super) fn take(&mut self) -> Vec<(Level, String)> {
        let lines = |level, bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.lines().map(|line| (level, line.to_owned())).collect::<Vec<_>>()
        };
        let mut all = lines(Level::Info, std::mem::take(&mut self.out));
        all.extend(lines(Level::Warn, std::mem::take(&mut self.err)));
        all
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let room = OUTPUT_BYTES.saturating_sub(self.out.len() + self.err.len());
        let kept = &bytes[..bytes.len().min(room)];
        match stream {
            Stream::Out => self.out.extend_from_slice(kept),
            Stream::Err => self.err.extend_from_slice(kept),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Out,
    Err,
}

/// One of the two, as WASI sees it: always ready, never full.
pub(super) struct Printer {
    pub(super) output: Arc<Mutex<Output>>,
    pub(super) stream: Stream,
}

#[async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_up_to_its_limit_and_read_by_line() {
        let mut output = Output::default();
        output.write(Stream::Err, b"bad\xff\n");
        output.write(Stream::Out, b"one\ntwo");
        let line = |level, text: &str| (level, text.to_owned());
        assert_eq!(
            output.take(),
            [line(Level::Info, "one"), line(Level::Info, "two"), line(Level::Warn, "bad\u{fffd}")]
        );
        output.write(Stream::Out, &vec![b'x'; OUTPUT_BYTES + 1]);
        assert_eq!(output.take()[0].1.len(), OUTPUT_BYTES);
        assert_eq!(output.take(), []);
    }
}
