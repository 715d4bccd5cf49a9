//! Between the store and the dispatcher: what a commit tells it, what it is asked before it sends, and how its results
//! come back as inputs.

use std::sync::Arc;

use delivery::{Gate, Handle, Unreadable};
use engine::{Turn, Twin, rows};
use ingest::inlet::Ticket;
use ingest::{Ids, Inlet};
use model::input::{Body, Settled};
use model::outgoing::OutgoingBody;
use model::{DeviceNo, Name};
use store::{OutboxRow, Reader, Table};
use tokio::sync::mpsc;

use crate::own;

/// Tells the dispatcher what a committed turn has put into the outbox and taken out of it.
pub fn hint(sinks: &Handle, turn: &Turn) {
    for commit in &turn.commits {
        sinks.settled(&commit.settled);
        sinks.offer(commit.outbox.clone());
    }
}

/// The oldest `limit` rows that wait in the outbox.
///
/// # Errors
/// When the store cannot be read.
pub fn waiting(reader: &Reader, limit: usize) -> Result<Vec<OutboxRow>, Unreadable> {
    Ok(reader.outbox(limit)?.into_iter().map(|placed| placed.row).collect())
}

/// Results of sinks become inputs; a mark is confirmed to the dispatcher once it is committed.
pub async fn take_results(mut results: mpsc::Receiver<Settled>, inlet: Inlet, ids: Ids, sinks: Handle) {
    while let Some(settled) = results.recv().await {
        let marked = sinks.clone();
        let (effect, sink) = (settled.effect, settled.sink.clone());
        let ticket = Ticket::new(move || marked.marked(effect, &sink));
        if inlet.put(own::delivery(own::input(&ids, Body::Settled(settled)), ticket)).await.is_err() {
            return;
        }
    }
}

/// Asked right before a command is sent: its conditions may have stopped holding since it was committed.
#[must_use]
pub fn gate(reader: Reader) -> Gate {
    Arc::new(move |outgoing| {
        let OutgoingBody::Command { device, only_if, .. } = &outgoing.body else { return Ok(()) };
        if only_if.is_empty() {
            return Ok(());
        }
        let twin = twin(&reader, *device).map_err(|error| {
            tracing::warn!(%error, "a command was not sent: its conditions cannot be checked");
            Name::from("precondition-unknown")
        })?;
        if engine::preconditions_hold(only_if, twin.as_ref()) { Ok(()) } else { Err(Name::from("precondition")) }
    })
}

/// A device's twin, as the store has it: the newest of those that partitions keep.
///
/// # Errors
/// When the store cannot be read.
pub fn twin(reader: &Reader, device: DeviceNo) -> Result<Option<Twin>, store::Error> {
    let mut newest: Option<Twin> = None;
    for partition in 0..reader.partitions() {
        for row in reader.rows(partition, Table::Twin, &device.0.to_be_bytes())? {
            let Ok(twin) = rows::decode::<Twin>("twin", &row.value) else { continue };
            if newest.as_ref().is_none_or(|known| known.newest < twin.newest) {
                newest = Some(twin);
            }
        }
    }
    Ok(newest)
}
