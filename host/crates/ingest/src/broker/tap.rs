//! The tap: passes bytes between devices and the broker, and notes which publishes carry the DUP flag.
//!
//! The broker's hook does not tell, and without it a message that was committed just before the host was killed could
//! not be told from a new one. Nothing is changed on the way.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connections::{Connections, Marks};

/// Read at a time from a device.
const CHUNK: usize = 16 * 1024;
/// Wait after a failed accept, such as for want of file descriptors.
const ACCEPT_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// Accepts devices and connects each to the broker, until `stop` resolves. When it returns, no connection is left.
pub(super) async fn run(
    listener: TcpListener,
    broker: SocketAddr,
    noted: Arc<Connections>,
    stop: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    tokio::select! {
        // Either way, asked or abandoned, there is nothing more to serve.
        _ = stop => {}
        () = accept(listener, broker, &noted, &mut connections) => {}
    }
    connections.shutdown().await;
}

async fn accept(
    listener: TcpListener,
    broker: SocketAddr,
    noted: &Arc<Connections>,
    connections: &mut JoinSet<io::Result<()>>,
) {
    loop {
        match listener.accept().await {
            Ok((device, _)) => {
                connections.spawn(connect(device, broker, noted.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Passes bytes both ways until either side is done. Errors are the ordinary end of a device's connection.
async fn connect(device: TcpStream, broker: SocketAddr, noted: Arc<Connections>) -> io::Result<()> {
    let broker = TcpStream::connect(broker).await?;
    let tapped = noted.tap(broker.local_addr()?);
    device.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (device_read, mut device_write) = device.into_split();
    let (mut broker_read, broker_write) = broker.into_split();
    let up = pass_up(device_read, broker_write, &tapped.marks);
    let down = io::copy(&mut broker_read, &mut device_write);
    tokio::pin!(up, down);
    tokio::select! {
        // What the device sent last must be read by the broker, which then ends its side.
        _ = &mut up => down.await.map(drop),
        done = &mut down => done.map(drop),
    }
}

/// Ends with the broker's side closed for writing, however the device's ended.
async fn pass_up(mut device: OwnedReadHalf, mut broker: OwnedWriteHalf, marks: &Marks) -> io::Result<()> {
    let mut scanner = Scanner::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match device.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        scanner.scan(&buffer[..read], |packet| marks.mark(packet));
        if broker.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    broker.shutdown().await
}

/// Follows the packets that a client sends.
#[derive(Debug, Default)]
struct Scanner {
    at: At,
    /// The part of the current packet that is looked at.
    kept: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
enum At {
    #[default]
    Header,
    Length {
        first: u8,
        value: usize,
        shift: u32,
    },
    Body {
        first: u8,
        left: usize,
    },
    /// Not MQTT; the broker will say so.
    Lost,
}

impl Scanner {
    fn scan(&mut self, mut bytes: &[u8], mut mark: impl FnMut(u16)) {
        while let [byte, rest @ ..] = bytes {
            match self.at {
                At::Lost => return,
                At::Header => {
                    self.at = At::Length { first: *byte, value: 0, shift: 0 };
                    bytes = rest;
                }
                At::Length { shift: 28, .. } => self.at = At::Lost,
                At::Length { first, value, shift } => {
                    let value = value | usize::from(byte & 0x7f) << shift;
                    bytes = rest;
                    self.at = if byte & 0x80 != 0 {
                        At::Length { first, value, shift: shift + 7 }
                    } else if value == 0 {
                        At::Header
                    } else {
                        At::Body { first, left: value }
                    };
                }
                At::Body { first, left } => {
                    let (part, rest) = bytes.split_at(bytes.len().min(left));
                    self.keep(first, part);
                    bytes = rest;
                    if part.len() < left {
                        self.at = At::Body { first, left: left - part.len() };
                        return;
                    }
                    self.at = At::Header;
                    self.end_packet(first, &mut mark);
                }
            }
        }
    }

    fn keep(&mut self, first: u8, part: &[u8]) {
        let wanted = match first >> 4 {
            3 if is_repeated(first) => match self.kept.first_chunk().copied().or(part.first_chunk().copied()) {
                // A topic that is cut between its two length bytes is kept as far as it goes.
                None => 2,
                Some(length) => usize::from(u16::from_be_bytes(length)) + 4,
            },
            _ => 0,
        };
        let room = wanted.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end_packet(&mut self, first: u8, mark: &mut impl FnMut(u16)) {
        if first >> 4 == 3
            && is_repeated(first)
            && let Some(packet) = packet_id(&self.kept)
        {
            mark(packet);
        }
        self.kept.clear();
    }
}

/// The DUP flag on QoS 1 or 2.
fn is_repeated(first: u8) -> bool {
    first & 0b1000 != 0 && first & 0b0110 != 0
}

/// Of a PUBLISH: behind the topic.
fn packet_id(publish: &[u8]) -> Option<u16> {
    let (_topic, rest) = text(publish)?;
    Some(u16::from_be_bytes(*rest.first_chunk()?))
}

/// A field with its length in front, and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packets;
    use proptest::prelude::*;

    fn marks(chunks: impl IntoIterator<Item = Vec<u8>>) -> Vec<u16> {
        let mut scanner = Scanner::default();
        let mut marks = Vec::new();
        for chunk in chunks {
            scanner.scan(&chunk, |packet| marks.push(packet));
        }
        marks
    }

    fn conversation() -> Vec<u8> {
        let again = |packet| packets::Publish { again: true, ..packets::Publish::qos1("a/b", packet, b"payload") };
        [
            packets::connect("probe-1", false),
            packets::Publish::qos1("a/b", 1, b"first").bytes(),
            again(2).bytes(),
            vec![0xc0, 0],
            again(700).bytes(),
        ]
        .concat()
    }

    #[test]
    fn repeated_publishes_are_marked_and_others_not() {
        assert_eq!(marks([conversation()]), [2, 700]);
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(cuts in prop::collection::vec(1_usize..9, 1..80)) {
            let all = conversation();
            let (mut rest, mut chunks, mut cuts) = (&all[..], Vec::new(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (chunk, tail) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                chunks.push(chunk.to_vec());
                rest = tail;
            }
            prop_assert_eq!(marks(chunks), marks([all]));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            marks([packets::connect("c", true), bytes]);
        }
    }
}
