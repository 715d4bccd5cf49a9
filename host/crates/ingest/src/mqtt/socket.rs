//! The socket to a broker: TCP, with TLS over it where the address says so.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Address;

/// Room for one reading: some hundred messages of devices.
const READ_BYTES: usize = 64 * 1024;

pub(super) enum Reader {
    Plain(OwnedReadHalf),
    Tls(Box<ReadHalf<TlsStream<TcpStream>>>),
}

pub(super) enum Writer {
    /// Shared with whoever writes without waiting.
    Plain(Arc<OwnedWriteHalf>),
    Tls(Box<WriteHalf<TlsStream<TcpStream>>>),
}

pub(super) async fn open(address: &Address, tls: Option<&Arc<ClientConfig>>) -> io::Result<(Reader, Writer)> {
    let tcp = TcpStream::connect(format!("{}:{}", address.host, address.port)).await?;
    tcp.set_nodelay(true)?;
    let Some(config) = tls else {
        let (read, write) = tcp.into_split();
        return Ok((Reader::Plain(read), Writer::Plain(Arc::new(write))));
    };
    // Brackets belong to the address of a socket, not to the name in a certificate.
    let name = address.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
    let (read, write) = tokio::io::split(stream);
    Ok((Reader::Tls(Box::new(read)), Writer::Tls(Box::new(write))))
}

impl Reader {
    /// Reads what is there. May be dropped: what was read is in the buffer.
    pub(super) async fn read(&mut self, into: &mut BytesMut) -> Result<(), String> {
        into.reserve(READ_BYTES);
        let read = match self {
            Self::Plain(half) => half.read_buf(into).await,
            Self::Tls(half) => half.read_buf(into).await,
        };
        match read {
            Ok(0) => Err("the broker has closed the connection".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Writes all of it over TLS.
pub(super) async fn write_tls(half: &mut WriteHalf<TlsStream<TcpStream>>, bytes: &mut BytesMut) -> io::Result<()> {
    half.write_all_buf(bytes).await?;
    half.flush().await
}
