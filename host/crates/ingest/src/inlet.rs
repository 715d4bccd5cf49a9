//! The inlet: how messages pass from the sources to the engine thread, bounded by bytes and acknowledged after the commit.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Input, limits};
use tokio::sync::Notify;

use crate::intake::Taken;

/// Bytes that wait for the engine by default: some seconds of a busy hub, small beside its memory.
pub const INLET_BYTES: usize = 8 * 1024 * 1024;

/// Deliveries with which a turn begins though another one is on its way to the disk: with more, a turn costs so little
/// less for each that it is better to use both processors.
const ENOUGH: usize = 64;
/// The longest wait for a commit. It ends by itself but on a full disk, where the engine must still see what is due.
const COMMIT_LONGEST: Duration = Duration::from_millis(500);

/// All that one message gave: several inputs, one acknowledgement.
#[derive(Debug)]
pub struct Delivery {
    pub inputs: Vec<Input>,
    /// Reason codes of what else it held and can never become an input.
    pub rejected: Vec<&'static str>,
    /// What it counts against the inlet's bound and a turn's: the payload and [`crate::intake::DELIVERY_OVERHEAD`].
    pub bytes: usize,
    pub ticket: Ticket,
}

impl Delivery {
    /// One that held nothing to be rejected.
    #[must_use]
    pub fn new(inputs: Vec<Input>, bytes: usize, ticket: Ticket) -> Self {
        Self { inputs, rejected: Vec::new(), bytes, ticket }
    }
}

impl Taken {
    /// What the engine must know of it; none where it concerns nobody.
    pub(crate) fn delivery(self, ticket: Ticket) -> Result<Delivery, Ticket> {
        if self.inputs.is_empty() && self.rejections.is_empty() {
            return Err(ticket);
        }
        let rejected = self.rejections.iter().map(|rejection| rejection.reason.code()).collect();
        Ok(Delivery { inputs: self.inputs, rejected, bytes: self.bytes, ticket })
    }
}

/// The right to acknowledge one message. Dropped without that, the message counts as not taken: its source sends it
/// again where it can.
pub struct Ticket {
    acknowledge: Option<Box<dyn FnOnce(Receipt) + Send>>,
    receipt: Receipt,
}

/// What an acknowledged message was to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Receipt {
    #[default]
    New,
    /// Everything in it had come before, and was dropped.
    Duplicate,
}

impl Ticket {
    /// A ticket that runs `acknowledge` after the commit. It must not block: the engine's writer thread calls it.
    pub fn new(acknowledge: impl FnOnce() + Send + 'static) -> Self {
        Self::answered(|_| acknowledge())
    }

    /// [`Ticket::new`] for a source that tells its sender whether the message was new.
    pub fn answered(acknowledge: impl FnOnce(Receipt) + Send + 'static) -> Self {
        Self { acknowledge: Some(Box::new(acknowledge)), receipt: Receipt::New }
    }

    /// For what no sender waits for: QoS 0, wills.
    #[must_use]
    pub fn none() -> Self {
        Self { acknowledge: None, receipt: Receipt::New }
    }

    /// Notes what the message was, before it is acknowledged.
    pub fn note(&mut self, receipt: Receipt) {
        self.receipt = receipt;
    }

    /// Tells the source that the message is committed.
    pub fn acknowledge(self) {
        if let Some(acknowledge) = self.acknowledge {
            acknowledge(self.receipt);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.acknowledge.is_some() { "Ticket(awaited)" } else { "Ticket(none)" })
    }
}

/// Why a delivery was not put; it comes back.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error("the inlet is full")]
    Full(Delivery),
    #[error("the engine has stopped taking inputs")]
    Closed(Delivery),
}

/// Makes a connected pair that holds at most `bytes`. A larger delivery passes alone.
#[must_use]
pub fn channel(bytes: usize) -> (Inlet, Outlet) {
    let shared = Arc::new(Shared {
        bound: bytes,
        queue: Mutex::new(Queue::default()),
        filled: Condvar::new(),
        drained: Notify::new(),
    });
    (Inlet { shared: shared.clone() }, Outlet { shared })
}

/// The sources' end. Clones share the bound.
#[derive(Clone)]
pub struct Inlet {
    shared: Arc<Shared>,
}

/// The engine's end.
pub struct Outlet {
    shared: Arc<Shared>,
}

/// Makes a waiting [`Outlet::take`] return at once, or the next one if none waits.
#[derive(Clone)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bound: usize,
    queue: Mutex<Queue>,
    filled: Condvar,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    /// Turns that are on their way to the disk.
    committing: usize,
    /// Deliveries that end the engine's wait: it is not woken for each one before.
    wanted: usize,
    woken: bool,
    closed: bool,
}

impl Queue {
    /// Whether as much waits as the engine waits for, or as a turn takes.
    fn is_wanted(&self) -> bool {
        self.deliveries.len() >= self.wanted || self.bytes >= limits::TURN_BYTES
    }
}

/// A turn on its way to the disk. Dropped when it is there, or given up.
#[derive(Debug)]
pub struct Committing {
    shared: Arc<Shared>,
}

impl Inlet {
    /// Hands over without waiting.
    ///
    /// # Errors
    /// [`PutError::Full`] when the bound is reached, [`PutError::Closed`] when the outlet is gone.
    pub fn try_put(&self, delivery: Delivery) -> Result<(), PutError> {
        let mut queue = self.shared.lock();
        if queue.closed {
            return Err(PutError::Closed(delivery));
        }
        if !queue.deliveries.is_empty() && queue.bytes + delivery.bytes > self.shared.bound {
            return Err(PutError::Full(delivery));
        }
        queue.bytes += delivery.bytes;
        queue.deliveries.push_back(delivery);
        let wanted = queue.is_wanted();
        drop(queue);
        if wanted {
            self.shared.filled.notify_one();
        }
        Ok(())
    }

    /// Hands over as soon as there is room. Cancelling it drops the delivery: not taken.
    ///
    /// # Errors
    /// [`PutError::Closed`] when the outlet is gone.
    pub async fn put(&self, delivery: Delivery) -> Result<(), PutError> {
        let mut delivery = delivery;
        loop {
            let drained = self.shared.drained.notified();
            match self.try_put(delivery) {
                Err(PutError::Full(back)) => delivery = back,
                done => return done,
            }
            drained.await;
        }
    }

    /// Waits until at most half of the bound is in use, or the outlet is gone.
    pub async fn drained(&self) {
        loop {
            let drained = self.shared.drained.notified();
            {
                let queue = self.shared.lock();
                if queue.closed || queue.bytes <= self.shared.bound / 2 {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Bytes that wait now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.lock().bytes
    }
}

impl Outlet {
    /// Waits up to `timeout` for a first delivery, then up to `linger` for company, and then as long as a turn is on
    /// its way to the disk: what comes until then could not be committed sooner by a turn of its own, and one turn
    /// for all costs less. A turn's worth ends the linger, [`ENOUGH`] the wait for the disk, a wake-up any of them.
    pub fn gather(&self, timeout: Duration, linger: Duration) {
        let shared = &self.shared;
        let queue = shared.wait(shared.lock(), 1, timeout, |_| false);
        if queue.deliveries.is_empty() {
            return;
        }
        let queue = shared.wait(queue, limits::TURN_INPUTS, linger, |_| false);
        drop(shared.wait(queue, ENOUGH, COMMIT_LONGEST, |queue| queue.committing == 0));
    }

    /// Says that a turn is on its way to the disk.
    #[must_use]
    pub fn committing(&self) -> Committing {
        self.shared.lock().committing += 1;
        Committing { shared: self.shared.clone() }
    }

    /// Takes what is ready, in order of arrival, within both limits; waits up to `timeout` when nothing is.
    ///
    /// A first delivery that is larger than a limit comes alone. Empty after the timeout or a wake-up.
    #[must_use]
    pub fn take(&self, inputs_max: usize, bytes_max: usize, timeout: Duration) -> Vec<Delivery> {
        let mut queue = self.shared.wait(self.shared.lock(), 1, timeout, |_| false);
        queue.woken = false;
        let (mut taken, mut inputs, mut bytes) = (Vec::new(), 0, 0);
        while let Some(next) = queue.deliveries.front() {
            let fits = inputs + next.inputs.len() <= inputs_max && bytes + next.bytes <= bytes_max;
            if !fits && !taken.is_empty() {
                break;
            }
            inputs += next.inputs.len();
            bytes += next.bytes;
            taken.extend(queue.deliveries.pop_front());
        }
        queue.bytes -= bytes;
        drop(queue);
        if !taken.is_empty() {
            self.shared.drained.notify_waiters();
        }
        taken
    }

    /// Whether something waits to be taken.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.shared.lock().deliveries.is_empty()
    }

    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker { shared: self.shared.clone() }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let dropped = {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.bytes = 0;
            std::mem::take(&mut queue.deliveries)
        };
        // Outside the lock: a ticket's drop may run code of its source.
        drop(dropped);
        self.shared.drained.notify_waiters();
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.committing -= 1;
        if queue.committing == 0 && !queue.deliveries.is_empty() {
            drop(queue);
            self.shared.filled.notify_one();
        }
    }
}

impl Waker {
    pub fn wake(&self) {
        self.shared.lock().woken = true;
        self.shared.filled.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for so many deliveries, a turn's bytes, a wake-up or what `ends` it; at most `timeout`.
    fn wait<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
        deliveries: usize,
        timeout: Duration,
        ends: fn(&Queue) -> bool,
    ) -> MutexGuard<'a, Queue> {
        queue.wanted = deliveries;
        let waits = |queue: &mut Queue| !queue.woken && !queue.is_wanted() && !ends(queue);
        self.filled.wait_timeout_while(queue, timeout, waits).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::input::Body;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SOON: Duration = Duration::from_secs(20);

    fn delivery(name: &str, bytes: usize) -> Delivery {
        let input = Input {
            id: name.into(),
            source: "test".into(),
            own_id: false,
            occurred_at: None,
            body: Body::Advance,
            attributes: Vec::new(),
            redelivery: None,
        };
        Delivery::new(vec![input], bytes, Ticket::none())
    }

    fn ids(taken: &[Delivery]) -> Vec<&str> {
        taken.iter().flat_map(|d| &d.inputs).map(|input| &*input.id).collect()
    }

    #[test]
    fn the_bound_counts_bytes_and_one_byte_more_is_refused() {
        let (inlet, outlet) = channel(100);
        inlet.try_put(delivery("a", 60)).expect("room");
        assert!(matches!(inlet.try_put(delivery("b", 41)), Err(PutError::Full(_))));
        inlet.try_put(delivery("c", 40)).expect("room to the last byte");
        assert_eq!(ids(&outlet.take(10, 1000, SOON)), ["a", "c"]);
        inlet.try_put(delivery("large", 1000)).expect("a larger one passes alone");
    }

    #[test]
    fn a_turn_takes_what_fits_and_never_less_than_one() {
        let (inlet, outlet) = channel(1000);
        for name in ["a", "b", "c"] {
            inlet.try_put(delivery(name, 100)).expect("room");
        }
        assert_eq!(ids(&outlet.take(2, 1000, SOON)), ["a", "b"]);
        assert_eq!(ids(&outlet.take(2, 10, SOON)), ["c"]);
    }

    #[test]
    fn a_turn_takes_its_bytes_and_not_one_more() {
        let (inlet, outlet) = channel(2 * limits::TURN_BYTES);
        for (name, bytes) in [("a", limits::TURN_BYTES - 1), ("b", 1), ("c", 1)] {
            inlet.try_put(delivery(name, bytes)).expect("room");
        }
        assert_eq!(ids(&outlet.take(limits::TURN_INPUTS, limits::TURN_BYTES, SOON)), ["a", "b"]);
        assert_eq!(ids(&outlet.take(limits::TURN_INPUTS, limits::TURN_BYTES, SOON)), ["c"]);
    }

    #[test]
    fn a_wake_up_ends_the_wait_without_deliveries() {
        let (_inlet, outlet) = channel(10);
        outlet.waker().wake();
        assert!(outlet.take(1, 1, SOON).is_empty());
    }

    #[test]
    fn the_first_delivery_waits_for_company_until_a_turn_is_full_or_the_engine_is_woken() {
        let hour = Duration::from_secs(3_600);
        let (inlet, outlet) = channel(2 * limits::TURN_BYTES);
        for _ in 0..limits::TURN_INPUTS {
            inlet.try_put(delivery("a", 1)).expect("room");
        }
        outlet.gather(SOON, hour);
        assert_eq!(outlet.take(limits::TURN_INPUTS, 1000, SOON).len(), limits::TURN_INPUTS);
        inlet.try_put(delivery("large", limits::TURN_BYTES)).expect("room");
        outlet.gather(SOON, hour);
        assert_eq!(ids(&outlet.take(1, 1, SOON)), ["large"]);
        inlet.try_put(delivery("one", 1)).expect("room");
        outlet.waker().wake();
        outlet.gather(SOON, hour);
        assert_eq!(ids(&outlet.take(2, 1000, SOON)), ["one"]);
    }

    #[test]
    fn what_comes_during_a_commit_waits_for_its_end() {
        let (inlet, outlet) = channel(1000);
        let committing = outlet.committing();
        inlet.try_put(delivery("a", 1)).expect("room");
        let putting = std::thread::spawn({
            let inlet = inlet.clone();
            move || {
                while inlet.shared.lock().wanted != ENOUGH {
                    std::thread::yield_now();
                }
                inlet.try_put(delivery("b", 1)).expect("room");
                drop(committing);
            }
        });
        outlet.gather(SOON, Duration::ZERO);
        assert_eq!(ids(&outlet.take(10, 1000, Duration::ZERO)), ["a", "b"]);
        putting.join().expect("it runs");
    }

    #[test]
    fn a_closed_outlet_gives_deliveries_back_and_drops_what_waited() {
        let (inlet, outlet) = channel(10);
        inlet.try_put(delivery("a", 1)).expect("room");
        drop(outlet);
        assert!(matches!(inlet.try_put(delivery("b", 1)), Err(PutError::Closed(_))));
        assert_eq!(inlet.bytes(), 0);
    }

    #[test]
    fn only_acknowledging_runs_the_acknowledgement() {
        let count = Arc::new(AtomicUsize::new(0));
        let ticket = || {
            let count = count.clone();
            Ticket::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            })
        };
        drop(ticket());
        assert_eq!(count.load(Ordering::SeqCst), 0);
        ticket().acknowledge();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn whoever_asks_hears_whether_the_message_was_new() {
        for receipt in [Receipt::New, Receipt::Duplicate] {
            let (tell, told) = std::sync::mpsc::sync_channel(1);
            let mut ticket = Ticket::answered(move |receipt| tell.send(receipt).expect("somebody listens"));
            ticket.note(receipt);
            ticket.acknowledge();
            assert_eq!(told.recv(), Ok(receipt));
        }
    }

    #[tokio::test]
    async fn a_put_waits_for_room_and_then_goes_on() {
        let (inlet, outlet) = channel(10);
        inlet.put(delivery("a", 10)).await.expect("room");
        let waiting = tokio::spawn({
            let inlet = inlet.clone();
            async move { inlet.put(delivery("b", 10)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(ids(&outlet.take(1, 10, SOON)), ["a"]);
        assert!(waiting.await.expect("it runs"));
        assert_eq!(ids(&outlet.take(1, 10, SOON)), ["b"]);
        inlet.drained().await;
    }
}
