//! What decision records cost: turns through the engine and the store as they are, and with their decisions left out
//! of the commit, in turn; and the encoding, which the engine does in either case, by itself.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^53")]

use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use anyhow::{Context as _, Result};
use engine::Persistence;
use model::limits;
use store::{Options, Store};

use crate::installation::{Feed, Size, Wakes};
use crate::spread::Spread;

/// Decisions of one event: each of three rules is woken and decides.
const DECISIONS: f64 = 3.0;
/// Turns that may wait for the disk at once.
const AHEAD: usize = 64;

/// Prints the time of one decision, in the store and in its encoding.
///
/// # Errors
/// When a store cannot be written.
pub fn print(rounds: usize, events: usize) -> Result<()> {
    let (mut with, mut without, mut encoding) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        // Whichever goes first may find the machine colder, so they take turns.
        let first = round % 2 == 0;
        let a = run(events, first)?;
        let b = run(events, !first)?;
        let (kept, left) = if first { (a, b) } else { (b, a) };
        with.push(kept.0);
        without.push(left.0);
        encoding.push((kept.1 + left.1) / 2.0);
    }
    let each = with.iter().zip(&without).map(|(with, without)| (with - without) / DECISIONS).collect();
    println!("us, {rounds} pairs of {events} events with {DECISIONS} decisions each:");
    println!("  an event with its decisions      {}", Spread::of(with));
    println!("  the same with none of them kept  {}", Spread::of(without));
    println!("  one decision in the store        {}", Spread::of(each));
    println!("  one decision encoded             {}", Spread::of(encoding));
    Ok(())
}

/// Microseconds of one event, and of the encoding of one decision.
fn run(events: usize, keep: bool) -> Result<(f64, f64)> {
    let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
    let (writer, _) = Store::open(folder.path(), &Options::default())?.into_writer();
    let size = Size { devices: 1_000, wakes: Wakes::Always, persistence: Persistence::Store, ..Size::default() };
    let mut feed = Feed::cold(size);
    let (written, done) = sync_channel(AHEAD);
    let turns = events.div_ceil(limits::TURN_INPUTS);
    let mut last = Vec::new();
    let start = Instant::now();
    for turn in 0..turns {
        let mut given = feed.turn(limits::TURN_INPUTS);
        if !keep {
            given.commits.iter_mut().for_each(|commit| commit.decisions.clear());
        }
        let written = written.clone();
        writer.submit(given.commits, Box::new(move || _ = written.send(())))?;
        last = given.decisions;
        if turn >= AHEAD / 2 {
            done.recv()?;
        }
    }
    for _ in 0..turns.min(AHEAD / 2) {
        done.recv()?;
    }
    let spent = start.elapsed().as_secs_f64() * 1e6 / (turns * limits::TURN_INPUTS) as f64;
    writer.stop()?;
    let start = Instant::now();
    last.iter().for_each(|decision| _ = black_box(rmp_serde::to_vec_named(decision)));
    Ok((spent, start.elapsed().as_secs_f64() * 1e6 / last.len() as f64))
}
