//! The few packets of MQTT 3.1.1 that the load speaks, laid out by hand: a client library would cost the machine as much
//! as what is measured.

use std::io::{self, Read};

/// Type of a packet, in the upper half of its first byte.
pub(crate) const CONNACK: u8 = 2;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const SUBACK: u8 = 9;

/// A packet as it came.
pub(crate) struct Packet<'a> {
    pub(crate) kind: u8,
    /// What follows the length.
    pub(crate) body: &'a [u8],
}

impl Packet<'_> {
    /// The topic of a [`PUBLISH`].
    pub(crate) fn topic(&self) -> io::Result<&str> {
        let length = self.body.first_chunk().map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
        let topic = self.body.get(2..2 + length).ok_or(io::ErrorKind::UnexpectedEof)?;
        std::str::from_utf8(topic).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

pub(crate) fn connect(client: &str) -> Vec<u8> {
    // Protocol's name and level, a clean session, no keep-alive.
    let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
    text(&mut body, client);
    packet(0x10, &body)
}

/// To one filter, at QoS 0: what is heard is only counted.
pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    text(&mut body, filter);
    body.push(0);
    packet(0x82, &body)
}

/// At QoS 1.
pub(crate) fn publish(into: &mut Vec<u8>, topic: &str, number: u16, payload: &str) {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    body.extend(number.to_be_bytes());
    body.extend(payload.as_bytes());
    into.extend(packet(0x32, &body));
}

fn text(into: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("our texts are short");
    into.extend(length.to_be_bytes());
    into.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let more = if left > 127 { 128 } else { 0 };
        packet.push(u8::try_from(left & 127).expect("seven bits fit") | more);
        left >>= 7;
        if left == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// Takes packets off a stream.
pub(crate) struct Packets<R> {
    stream: R,
    buffer: Vec<u8>,
    /// What of the buffer has been given out, and what of it is filled.
    taken: usize,
    filled: usize,
}

/// Large enough for every packet that the load can get.
const BUFFER: usize = 64 * 1024;

impl<R: Read> Packets<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, buffer: vec![0; BUFFER], taken: 0, filled: 0 }
    }

    /// Waits for the next packet.
    pub(crate) fn next(&mut self) -> io::Result<Packet<'_>> {
        let (start, end) = loop {
            if let Some((start, end)) = whole(&self.buffer[self.taken..self.filled]) {
                break (self.taken + start, self.taken + end);
            }
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
            match self.stream.read(&mut self.buffer[self.filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.filled += read,
            }
        };
        let kind = self.buffer[self.taken] >> 4;
        self.taken = end;
        Ok(Packet { kind, body: &self.buffer[start..end] })
    }
}

/// Where the body of the first packet begins and ends, if all of it is there.
fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate().skip(1).take(4) {
        length |= usize::from(byte & 127) << (7 * (index - 1));
        if byte & 128 == 0 {
            let end = index + 1 + length;
            return (end <= bytes.len()).then_some((index + 1, end));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_out_is_read_back_however_it_is_cut() {
        let mut bytes = Vec::new();
        publish(&mut bytes, "in/room-1", 7, &"x".repeat(200));
        publish(&mut bytes, "in/room-2", 8, "{}");
        for cut in [1, 5, 100] {
            let mut packets = Packets::new(Slow { bytes: &bytes, cut });
            for topic in ["in/room-1", "in/room-2"] {
                let packet = packets.next().expect("a packet");
                assert_eq!((packet.kind, packet.topic().expect("a topic")), (PUBLISH, topic));
            }
            assert!(packets.next().is_err());
        }
    }

    struct Slow<'a> {
        bytes: &'a [u8],
        cut: usize,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let length = self.cut.min(into.len()).min(self.bytes.len());
            let (now, later) = self.bytes.split_at(length);
            into[..length].copy_from_slice(now);
            self.bytes = later;
            Ok(length)
        }
    }
}
