//! News: what happens in the demo, on its way to the view.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Decision, Name};
use tokio::sync::mpsc;

/// News that wait to be shown: some seconds of the demo at its busiest.
const WAITING: usize = 1_024;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum News {
    /// A device said something; with a note where a person would have seen it.
    Message {
        place: &'static str,
        note: Option<&'static str>,
    },
    /// The host decided.
    Decision(Box<Decision>),
    /// A rule logged a line.
    Log {
        deployment: Name,
        message: String,
    },
    /// A command reached its device.
    Command {
        place: &'static str,
        does: String,
    },
    /// A message reached people.
    Notification {
        group: String,
        title: String,
        body: String,
    },
    /// How things stand at a place.
    State {
        place: &'static str,
        state: String,
    },
    End,
}

/// Where news are handed in. Never makes anybody wait: what the view cannot keep up with is missed and counted.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    sender: mpsc::Sender<News>,
    missed: Arc<AtomicU64>,
}

/// Where they come out.
pub(super) struct Outlet {
    pub(super) news: mpsc::Receiver<News>,
    missed: Arc<AtomicU64>,
}

impl Desk {
    pub(super) fn new() -> (Self, Outlet) {
        let (sender, news) = mpsc::channel(WAITING);
        let missed = Arc::<AtomicU64>::default();
        (Self { sender, missed: Arc::clone(&missed) }, Outlet { news, missed })
    }

    pub(super) fn tell(&self, news: News) {
        if self.sender.try_send(news).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells that nothing more will come; waits for its turn.
    pub(super) async fn end(&self) {
        // The view may be gone already, which is as good.
        let _ = self.sender.send(News::End).await;
    }
}

impl Outlet {
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_missed_and_counted() {
        let (desk, outlet) = Desk::new();
        for _ in 0..WAITING {
            desk.tell(News::End);
        }
        assert_eq!(outlet.missed(), 0);
        desk.tell(News::End);
        assert_eq!(outlet.missed(), 1);
    }
}
