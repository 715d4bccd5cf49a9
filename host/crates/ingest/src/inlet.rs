//! The inlet: how messages pass from the sources to the engine thread, bounded by bytes and acknowledged after the commit.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Input;
use tokio::sync::Notify;

/// Bytes that wait for the engine by default: some seconds of a busy hub, small beside its memory.
pub const INLET_BYTES: usize = 8 * 1024 * 1024;

/// All that one message gave: several inputs, one acknowledgement.
#[derive(Debug)]
pub struct Delivery {
    pub inputs: Vec<Input>,
    /// What it counts against the inlet's bound and a turn's: the payload and [`crate::intake::DELIVERY_OVERHEAD`].
    pub bytes: usize,
    pub ticket: Ticket,
}

/// The right to acknowledge one message. Dropped without that, the message counts as not taken: its source sends it
/// again where it can.
pub struct Ticket(Option<Box<dyn FnOnce() + Send>>);

impl Ticket {
    /// A ticket that runs `acknowledge` after the commit. It must not block: the engine's writer thread calls it.
    pub fn new(acknowledge: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(acknowledge)))
    }

    /// For what no sender waits for: QoS 0, wills.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Tells the source that the message is committed.
    pub fn acknowledge(self) {
        if let Some(acknowledge) = self.0 {
            acknowledge();
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Ticket(awaited)" } else { "Ticket(none)" })
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

struct Shared {
    bound: usize,
    queue: Mutex<Queue>,
    filled: Condvar,
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    woken: bool,
    closed: bool,
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
        drop(queue);
        self.shared.filled.notify_one();
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
    /// Takes what is ready, in order of arrival, within both limits; waits up to `timeout` when nothing is.
    ///
    /// A first delivery that is larger than a limit comes alone. Empty after the timeout or a wake-up.
    #[must_use]
    pub fn take(&self, inputs_max: usize, bytes_max: usize, timeout: Duration) -> Vec<Delivery> {
        let queue = self.shared.lock();
        let (mut queue, _) = self
            .shared
            .filled
            .wait_timeout_while(queue, timeout, |queue| queue.deliveries.is_empty() && !queue.woken)
            .unwrap_or_else(PoisonError::into_inner);
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
        Delivery { inputs: vec![input], bytes, ticket: Ticket::none() }
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
    fn a_wake_up_ends_the_wait_without_deliveries() {
        let (_inlet, outlet) = channel(10);
        outlet.waker().wake();
        assert!(outlet.take(1, 1, SOON).is_empty());
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
