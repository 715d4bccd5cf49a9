//! What stands in for a webhook's receiver: it answers every request alike, and remembers each that came whole.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::client::now;

/// Answers every request with this status, and notes when it came and under which id.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    status: &'static str,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Receiver {
    pub(crate) fn start(status: &'static str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to listen for webhooks")?;
        let port = listener.local_addr().context("failed to listen for webhooks")?.port();
        let receiver = Self { port, status, asked: Arc::default() };
        let answering = receiver.clone();
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that was killed in the middle of a request is no request.
                let _ = answering.answer(stream);
            }
        });
        Ok(receiver)
    }

    fn answer(&self, mut stream: std::net::TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut id, mut length, mut line) = (String::new(), 0, String::new());
        let cut_off = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        loop {
            let read = reader.read_line(&mut line)?;
            if !line.ends_with('\n') {
                return Err(cut_off());
            }
            if read <= 2 {
                break;
            }
            let lower = line.trim().to_lowercase();
            if let Some(value) = lower.strip_prefix("webhook-id:") {
                id = value.trim().to_owned();
            }
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        if std::io::copy(&mut reader.take(length), &mut std::io::sink())? < length {
            return Err(cut_off());
        }
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((now(), id));
        write!(stream, "HTTP/1.1 {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", self.status)
    }

    pub(crate) fn asked(&self) -> Vec<(Instant, String)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
