//! The load: publishes readings of many rooms at QoS 1, one in ten above the limit, and hears the commands that follow.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::wire::{self, Packets};

/// Rooms that report in turn where nothing else is said. So many that none is commanded more often than a relay bears.
pub const ROOMS: u32 = 1_000;
/// One event in this many makes a command.
pub const ONE_IN: u64 = 10;
/// How long anybody may take for what was asked.
const PATIENCE: Duration = Duration::from_secs(60);
/// Commands that may be heard and not yet counted.
const HEARD: usize = 65_536;

/// Connections to a broker.
pub struct Load {
    publisher: TcpStream,
    heard: Receiver<(u32, Instant)>,
    /// Whose rooms these are, and how many.
    name: String,
    rooms: u32,
    /// Events published so far.
    number: u64,
}

/// A command that is still to be heard: since when.
type Waiting = Vec<VecDeque<Instant>>;

impl Load {
    /// Of one contestant, whose rooms report under `in/NAME/` and are commanded under `cool/NAME/`.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn connect(port: u16, name: &str, rooms: u32) -> Result<Self> {
        let (publisher, acknowledged) = open(port, &format!("load-{name}"))?;
        // Read, so that the broker can write them; the last command says that all were taken.
        listen(acknowledged, |_| Ok(()));
        let (mut subscriber, packets) = open(port, &format!("heard-{name}"))?;
        subscriber.write_all(&wire::subscribe(&format!("cool/{name}/+")))?;
        let (commands, heard) = sync_channel(HEARD);
        let (granted, subscribed) = sync_channel(1);
        listen(packets, move |packet| hear(packet, &commands, &granted));
        subscribed.recv_timeout(PATIENCE).context("the broker grants no subscription")?;
        Ok(Self { publisher, heard, name: name.to_owned(), rooms, number: 0 })
    }

    /// Publishes as fast as the broker takes it. Returns how long it took until the last command was heard.
    ///
    /// # Errors
    /// When commands are missing.
    pub fn burst(&mut self, events: u64) -> Result<Duration> {
        let mut bytes = Vec::new();
        let mut wanted = (0..events).filter(|_| self.lay_out(&mut bytes).1).count();
        // Writing must not wait for commands to be counted, nor these for the writing.
        let mut publisher = self.publisher.try_clone()?;
        let start = Instant::now();
        let writing = std::thread::spawn(move || publisher.write_all(&bytes));
        let mut last = start;
        while wanted > 0 {
            let heard = self.heard.recv_timeout(PATIENCE);
            (_, last) = heard.map_err(|_| anyhow::anyhow!("{}: {wanted} commands did not come", self.name))?;
            wanted -= 1;
        }
        writing.join().map_err(|_| anyhow::anyhow!("the publisher failed"))??;
        Ok(last - start)
    }

    /// Publishes without listening for commands.
    ///
    /// # Errors
    /// When the broker has gone.
    pub fn publish(&mut self, events: u64) -> Result<()> {
        let mut bytes = Vec::new();
        (0..events).for_each(|_| _ = self.lay_out(&mut bytes));
        Ok(self.publisher.write_all(&bytes)?)
    }

    /// Publishes evenly, `rate` a second. Returns how long each command took from the instant at which its event was due.
    ///
    /// # Errors
    /// When commands are missing.
    pub fn steady(&mut self, rate: u32, events: u64) -> Result<Vec<Duration>> {
        let mut waiting: Waiting = vec![VecDeque::new(); self.rooms as usize];
        let (mut left, mut latencies) = (0_u64, Vec::new());
        let start = Instant::now();
        let mut bytes = Vec::new();
        for event in 0..events {
            let due = start + Duration::from_secs_f64(event as f64 / f64::from(rate));
            while let Some(rest) = due.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
                // What comes while we wait is told with the instant at which it came.
                match self.heard.recv_timeout(rest) {
                    Ok(heard) => left -= u64::from(take(&mut waiting, heard, &mut latencies)?),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => bail!("the broker has gone"),
                }
            }
            bytes.clear();
            let (room, high) = self.lay_out(&mut bytes);
            if high {
                waiting[room as usize].push_back(due);
                left += 1;
            }
            self.publisher.write_all(&bytes)?;
        }
        while left > 0 {
            let heard = self.heard.recv_timeout(PATIENCE);
            let heard = heard.map_err(|_| anyhow::anyhow!("{}: {left} commands did not come", self.name))?;
            left -= u64::from(take(&mut waiting, heard, &mut latencies)?);
        }
        Ok(latencies)
    }

    /// Lays out the next event. Returns its room and whether it makes a command.
    fn lay_out(&mut self, into: &mut Vec<u8>) -> (u32, bool) {
        let number = self.number;
        self.number += 1;
        let room = u32::try_from(number % u64::from(self.rooms)).expect("it is below the number of rooms");
        let high = is_high(number, self.rooms);
        let celsius = if high { "30.5" } else { "21.5" };
        // Identifiers go round long before one is used twice at once.
        let identifier = u16::try_from(number % 65_000).expect("it fits") + 1;
        let topic = format!("in/{}/{room:04}", self.name);
        wire::publish(into, &topic, identifier, &format!("{{\"temperature\":{celsius}}}"));
        (room, high)
    }
}

/// Each room in turn, and each round other rooms.
fn is_high(number: u64, rooms: u32) -> bool {
    (number / u64::from(rooms) + number % u64::from(rooms)).is_multiple_of(ONE_IN)
}

fn take(waiting: &mut Waiting, (room, at): (u32, Instant), latencies: &mut Vec<Duration>) -> Result<bool> {
    let due = waiting.get_mut(room as usize).and_then(VecDeque::pop_front);
    let due = due.with_context(|| format!("a command to room {room} that nothing asked for"))?;
    latencies.push(at.saturating_duration_since(due));
    Ok(true)
}

fn hear(packet: &wire::Packet<'_>, commands: &SyncSender<(u32, Instant)>, granted: &SyncSender<()>) -> Result<()> {
    let at = Instant::now();
    match packet.kind {
        wire::PUBLISH => {
            let room = packet.topic()?.rsplit('/').next().unwrap_or_default();
            commands.send((room.parse().context("a room is a number")?, at))?;
        }
        wire::SUBACK => granted.send(())?,
        _ => {}
    }
    Ok(())
}

fn open(port: u16, client: &str) -> Result<(TcpStream, Packets<TcpStream>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("failed to reach the broker")?;
    stream.set_nodelay(true)?;
    stream.write_all(&wire::connect(client))?;
    let mut packets = Packets::new(stream.try_clone()?);
    let answer = packets.next()?;
    if answer.kind != wire::CONNACK || answer.body.get(1) != Some(&0) {
        bail!("the broker refuses {client}");
    }
    Ok((stream, packets))
}

/// Reads in a thread of its own until the broker ends the connection.
fn listen(mut packets: Packets<TcpStream>, mut each: impl FnMut(&wire::Packet<'_>) -> Result<()> + Send + 'static) {
    std::thread::spawn(move || {
        while let Ok(packet) = packets.next() {
            if each(&packet).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_in_ten_makes_a_command_and_every_room_gets_its_turn() {
        for rooms in [10, 100, ROOMS] {
            let events = 0..ONE_IN * u64::from(rooms);
            let mut high: Vec<u64> = events.filter(|number| is_high(*number, rooms)).collect();
            assert_eq!(high.len(), rooms as usize);
            high.iter_mut().for_each(|number| *number %= u64::from(rooms));
            high.sort_unstable();
            high.dedup();
            assert_eq!(high.len(), rooms as usize);
        }
    }
}
