//! Serves connections: bounded in number, closed when idle, and drained at the end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections of one listener; the next ones wait in the operating system's queue.
const CONNECTIONS: usize = 256;
/// A connection that sends no complete request head for this long is closed, so that idle ones cannot keep others out.
const IDLE: Duration = Duration::from_secs(60);
/// How long answers in progress may take after the end was announced.
const GRACE: Duration = Duration::from_secs(10);
/// Pause after a failed accept: it fails for want of file descriptors, which others have to give back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from.
pub(crate) trait Listener: Send + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    fn accept(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listener for TcpListener {
    type Io = tokio::net::TcpStream;
    async fn accept(&self) -> io::Result<Self::Io> {
        let (io, _) = Self::accept(self).await?;
        // Answers are small and wanted at once.
        io.set_nodelay(true)?;
        Ok(io)
    }
}

impl Listener for UnixListener {
    type Io = tokio::net::UnixStream;
    async fn accept(&self) -> io::Result<Self::Io> {
        Self::accept(self).await.map(|(io, _)| io)
    }
}

/// Serves until `stop` changes, then lets requests in progress end.
pub(crate) async fn serve(listener: impl Listener, router: Router, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut tasks = JoinSet::new();
    loop {
        // All arms are cancel-safe: a permit or a finished task is handed out whole, and a connection that was not
        // accepted stays in the queue.
        let permit = tokio::select! {
            _ = stop.changed() => break,
            Some(_) = tasks.join_next() => continue,
            permit = room.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
        };
        let accepted = tokio::select! {
            _ = stop.changed() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(io) => {
                let connection = connection(io, router.clone(), stop.clone());
                tasks.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::warn!(open = tasks.len(), "requests were cut off: they did not end in time");
        tasks.shutdown().await;
    }
}

async fn connection(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    // The connection is polled on after the other arm has won, so nothing of it is lost.
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}
