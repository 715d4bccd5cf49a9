//! The client of the command line: asks a running host over the socket in its data folder.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::socket::socket_path;

/// Largest answer that is held in memory; a page of twins has about a megabyte. Longer ones are downloads.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Asks one running host. Each request takes a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

/// Why there was no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No host runs with this data folder.
    #[error("no host is running: nobody answers at `{}`", path.display())]
    NotRunning { path: PathBuf },
    #[error("failed to reach the host at `{}`", path.display())]
    Connect {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The host refused, or could not do it.
    #[error("{detail}")]
    Problem {
        status: u16,
        /// Kebab-case code.
        reason: String,
        detail: String,
    },
    #[error("failed to ask the host for `{path}`")]
    Exchange {
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("failed to read the host's answer to `{path}`")]
    Answer {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("failed to write what the host sent for `{path}`")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
}

impl Client {
    /// A client for the host that runs with this data folder.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when none does; the caller may then read the store itself.
    pub async fn connect(data: &Path) -> Result<Self, Error> {
        let client = Self { path: socket_path(data) };
        client.stream().await?;
        Ok(client)
    }

    /// The JSON answer to `GET path`. Parts of the path that hold names go through [`segment`].
    ///
    /// # Errors
    /// [`Error::Problem`] when the host refuses; else when the exchange itself fails.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let response = self.ask(Method::GET, path, Bytes::new()).await?;
        answer(path, response).await
    }

    /// The JSON answer to `POST path` with a JSON body.
    ///
    /// # Errors
    /// [`Error::Problem`] when the host refuses; else when the exchange itself fails.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|source| Error::Answer { path: path.to_owned(), source })?;
        let response = self.ask(Method::POST, path, body.into()).await?;
        answer(path, response).await
    }

    /// Writes the answer to `GET path` into `to` as it arrives, and returns the number of its bytes.
    ///
    /// # Errors
    /// As [`Client::get`], also when the answer ends too early, and when `to` cannot be written.
    pub async fn download(&self, path: &str, to: &mut (impl AsyncWrite + Unpin)) -> Result<u64, Error> {
        let mut response = self.ask(Method::GET, path, Bytes::new()).await?;
        if !response.status().is_success() {
            return Err(problem(path, response).await);
        }
        let unwritten = |source| Error::Write { path: path.to_owned(), source };
        let mut written = 0;
        while let Some(frame) = response.frame().await {
            let frame = frame.map_err(|source| exchange(path, source))?;
            if let Ok(data) = frame.into_data() {
                to.write_all(&data).await.map_err(unwritten)?;
                written += data.len() as u64;
            }
        }
        to.flush().await.map_err(unwritten)?;
        Ok(written)
    }

    async fn stream(&self) -> Result<UnixStream, Error> {
        UnixStream::connect(&self.path).await.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NotRunning { path: self.path.clone() },
            _ => Error::Connect { path: self.path.clone(), source },
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Error> {
        let io = TokioIo::new(self.stream().await?);
        let (mut sender, connection) = http1::handshake(io).await.map_err(|source| exchange(path, source))?;
        // The task ends with the answer's body, or when the answer is dropped.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "pointsman")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|source| exchange(path, source))?;
        sender.send_request(request).await.map_err(|source| exchange(path, source))
    }
}

/// One part of a path, with everything escaped that could be taken for more than a name.
#[must_use]
pub fn segment(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => {
                escaped.push('%');
                for digit in [byte >> 4, byte & 15] {
                    escaped.push(char::from_digit(u32::from(digit), 16).expect("four bits").to_ascii_uppercase());
                }
            }
        }
    }
    escaped
}

async fn answer<T: DeserializeOwned>(path: &str, response: Response<Incoming>) -> Result<T, Error> {
    if !response.status().is_success() {
        return Err(problem(path, response).await);
    }
    let body = whole(path, response).await?;
    serde_json::from_slice(&body).map_err(|source| Error::Answer { path: path.to_owned(), source })
}

async fn whole(path: &str, response: Response<Incoming>) -> Result<Bytes, Error> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    Ok(body.map_err(|source| Error::Exchange { path: path.to_owned(), source })?.to_bytes())
}

async fn problem(path: &str, response: Response<Incoming>) -> Error {
    #[derive(Deserialize)]
    struct Shape {
        reason: String,
        detail: String,
    }
    let status: StatusCode = response.status();
    match whole(path, response).await {
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(Shape { reason, detail }) => Error::Problem { status: status.as_u16(), reason, detail },
            // `/readyz` answers 503 with its checks, which are no problem object.
            Err(_) => Error::Problem {
                status: status.as_u16(),
                reason: "failed".to_owned(),
                detail: String::from_utf8_lossy(&body).into_owned(),
            },
        },
        Err(error) => error,
    }
}

fn exchange(path: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Exchange { path: path.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_escapes_what_could_leave_its_place() {
        assert_eq!(segment("truck-7/probe 1?x=ä"), "truck-7%2Fprobe%201%3Fx%3D%C3%A4");
        assert_eq!(segment("a-b_c.d~E9"), "a-b_c.d~E9");
    }
}
