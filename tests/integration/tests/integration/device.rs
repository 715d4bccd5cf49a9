//! A small device: MQTT 3.1.1 by hand, that says again, under the DUP flag, whatever was not acknowledged.
//!
//! A library may forget messages with the session; a device with a queue of its own does not.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::client::wait_until;

/// Between two looks at what there is to send or to hear, and between two tries to connect.
const PAUSE: Duration = Duration::from_millis(5);

/// A message on its way: published or not, it stays until it is acknowledged.
struct Message {
    packet: u16,
    payload: String,
    published: bool,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    said: u64,
    /// Publishes with the DUP flag.
    again: u64,
    done: bool,
}

pub(crate) struct Device {
    queue: Arc<Mutex<Queue>>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    /// One that publishes on `topic`, to whoever listens on `port`, whenever that is.
    pub(crate) fn start(port: u16, topic: &'static str) -> Self {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let shared = Arc::clone(&queue);
        let thread = std::thread::spawn(move || {
            while !lock(&shared).done {
                // A connection that ends or cannot be made is tried again: the host may be dead at the moment.
                let _ = talk(port, topic, &shared);
                std::thread::sleep(PAUSE);
            }
        });
        Self { queue, thread: Some(thread) }
    }

    pub(crate) fn say(&self, payload: String) {
        let mut queue = lock(&self.queue);
        // Fewer than these wait at a time, so no number is used twice.
        let packet = u16::try_from(queue.said % 65_535).expect("below 65 535") + 1;
        queue.said += 1;
        queue.messages.push_back(Message { packet, payload, published: false });
    }

    /// Waits until everything that was said is acknowledged.
    pub(crate) fn acknowledged(&self) -> Result<()> {
        wait_until("the device's messages are acknowledged", || Ok(lock(&self.queue).messages.is_empty()))
    }

    /// How often something was said again.
    pub(crate) fn again(&self) -> u64 {
        lock(&self.queue).again
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        lock(&self.queue).done = true;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> std::sync::MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection, from its beginning to its end.
fn talk(port: u16, topic: &str, queue: &Mutex<Queue>) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("failed to connect")?;
    stream.set_read_timeout(Some(PAUSE)).context("failed to set a timeout")?;
    // Protocol level 4, a lasting session, no keep-alive.
    let mut connect = vec![0x10, 16, 0, 4];
    connect.extend(b"MQTT\x04\x00\x00\x00\x00\x04load");
    stream.write_all(&connect).context("failed to ask for a session")?;
    let mut heard = Vec::new();
    while heard.len() < 4 {
        hear(&mut stream, &mut heard)?;
        ensure!(!lock(queue).done, "nobody waits any more");
    }
    ensure!(heard[0] == 0x20 && heard[3] == 0, "the session was refused");
    heard.drain(..4);
    let mut sent = 0;
    while !lock(queue).done {
        sent += publish(&mut stream, topic, queue, sent)?;
        hear(&mut stream, &mut heard)?;
        while heard.len() >= 4 {
            ensure!(heard[0] == 0x40, "only acknowledgements are expected");
            let packet = u16::from_be_bytes([heard[2], heard[3]]);
            heard.drain(..4);
            let mut queue = lock(queue);
            let before = queue.messages.len();
            queue.messages.retain(|message| message.packet != packet);
            sent -= before - queue.messages.len();
        }
    }
    Ok(())
}

/// Publishes what this connection has not published yet: all but the first `sent`. Returns how many.
fn publish(stream: &mut TcpStream, topic: &str, queue: &Mutex<Queue>, sent: usize) -> Result<usize> {
    let mut packets = Vec::new();
    let mut queue = lock(queue);
    let Queue { messages, again, .. } = &mut *queue;
    let new = messages.iter_mut().skip(sent);
    let mut count = 0;
    for message in new {
        *again += u64::from(message.published);
        // PUBLISH at QoS 1, with DUP where it is not the first time.
        packets.push(if message.published { 0x3a } else { 0x32 });
        let length = 2 + topic.len() + 2 + message.payload.len();
        packets.push(u8::try_from(length).context("a device says little")?);
        ensure!(length < 128, "a device says little");
        packets.extend([0, u8::try_from(topic.len()).context("a short topic")?]);
        packets.extend(topic.as_bytes());
        packets.extend(message.packet.to_be_bytes());
        packets.extend(message.payload.as_bytes());
        message.published = true;
        count += 1;
    }
    drop(queue);
    stream.write_all(&packets).context("failed to publish")?;
    Ok(count)
}

/// Adds what came meanwhile.
fn hear(stream: &mut TcpStream, heard: &mut Vec<u8>) -> Result<()> {
    let mut bytes = [0; 1_024];
    match stream.read(&mut bytes) {
        Ok(0) => anyhow::bail!("the connection was closed"),
        Ok(count) => heard.extend(&bytes[..count]),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        Err(error) => return Err(error).context("failed to hear"),
    }
    Ok(())
}
