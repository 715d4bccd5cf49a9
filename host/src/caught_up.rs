//! Caught up: after a start, holds wait until the sources have delivered what waited for us.

use std::time::Duration;

use ingest::status::Status;
use ingest::{Ids, Inlet};
use model::input::{Body, HostEvent};
use model::limits;

use crate::own;

/// A source that has been connected and quiet for this long has delivered what waited.
const QUIET: Duration = Duration::from_millis(500);

/// Waits until every source is connected and quiet, at most [`limits::CATCH_UP`], and says so to the engine.
pub async fn watch(statuses: Vec<Status>, inlet: Inlet, ids: Ids) {
    let longest = Duration::from_micros(limits::CATCH_UP.0);
    if tokio::time::timeout(longest, quiet(&statuses)).await.is_err() {
        tracing::warn!("not every source is connected: holds go on with what is known");
    }
    // Fails only when the host is stopping.
    let _ = inlet.put(own::record(&ids, Body::Host(HostEvent::CaughtUp))).await;
}

async fn quiet(statuses: &[Status]) {
    let received = || statuses.iter().map(|status| status.counts().received).sum::<u64>();
    let connected = || statuses.iter().all(|status| status.state().connected);
    loop {
        let before = received();
        tokio::time::sleep(QUIET).await;
        if connected() && received() == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_source_that_is_away_is_waited_for_as_long_as_the_limit_says_and_no_longer() {
        let (inlet, outlet) = ingest::inlet::channel(1_024);
        let waiting = watch(vec![Status::default()], inlet, Ids::new("host".into(), 1));
        let longest = Duration::from_micros(limits::CATCH_UP.0);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(longest - Duration::from_millis(1), &mut waiting).await.is_err());
        assert!(!outlet.has_more());
        tokio::time::timeout(Duration::from_millis(2), waiting).await.expect("the wait has an end");
        assert!(outlet.has_more());
    }
}
