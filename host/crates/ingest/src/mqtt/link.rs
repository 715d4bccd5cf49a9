//! The link: what the driver needs of one protocol version. The simulator has a link of its own.

use std::time::Duration;

use bytes::Bytes;
use model::Name;

/// Seconds between pings: half of what a home router's NAT forgets a quiet connection after.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Messages that the broker may send unacknowledged: some turns' worth.
pub(super) const RECEIVE_MAXIMUM: u16 = 2_048;
/// Acknowledgements and subscriptions that wait for the socket: some brokers send more than the receive maximum.
pub(super) const REQUESTS: usize = 4 * RECEIVE_MAXIMUM as usize;
/// Largest packet taken from a broker that can be told: the largest payload of ours, and room to refuse larger ones
/// ourselves with a reason.
pub(super) const PACKET_BYTES: u32 = 1024 * 1024;
/// How long the broker keeps the session of a host that is away, in seconds: a day.
pub(super) const SESSION_SECONDS: u32 = 86_400;

/// One protocol version's client.
pub trait Link: Send + 'static {
    type Acker: SendAck;

    /// Waits for the next event, connecting first where there is no connection. After an error there is none.
    ///
    /// # Errors
    /// Why there is no connection, or none any more.
    fn poll(&mut self) -> impl Future<Output = Result<Happening, String>> + Send;

    /// Drops the connection and everything that belonged to it: events not yet seen, requests not yet sent.
    fn reset(&mut self);

    /// Asks for the filters at QoS 1; false when too many requests wait.
    fn subscribe(&mut self, filters: &[Name]) -> bool;

    /// Takes one filter back; false when too many requests wait.
    fn unsubscribe(&mut self, filter: &Name) -> bool;

    fn acker(&self) -> Self::Acker;
}

/// Sends acknowledgements from any thread.
pub trait SendAck: Send + Sync + 'static {
    /// False when too many requests wait.
    fn try_ack(&self, packet: u16) -> bool;
}

/// What came over the connection.
#[derive(Debug)]
pub enum Happening {
    Connected {
        session_present: bool,
    },
    Message(Incoming),
    /// The answer to a subscription: for each filter whether it was granted.
    Subscribed(Vec<bool>),
    /// One filter was taken back, or was not there.
    Unsubscribed,
    /// The broker has shown that it is there.
    Alive,
    Other,
}

/// One message.
#[derive(Debug)]
pub struct Incoming {
    pub topic: Bytes,
    pub payload: Bytes,
    pub retained: bool,
    pub content_type: Option<String>,
    /// Packet identifier and DUP flag; none for QoS 0.
    pub sent: Option<(u16, bool)>,
}
