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
