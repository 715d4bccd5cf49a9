//! The journal read back: what ran, replayed exactly, and everything that this takes.

mod archive;
mod exact;
mod export;
mod exported;
mod lost;
mod merged;
mod same_instant;
mod stored;

pub(crate) use archive::Archive;
pub(crate) use exact::{Entry, Replayed, Replayer, Traced, Watcher};
pub(crate) use export::{export, refuse};
pub(crate) use exported::{inputs, is_export, replay as replay_export};
pub(crate) use lost::{Losses, Lost};
pub(crate) use merged::Merged;
pub(crate) use same_instant::SameInstant;
pub(crate) use stored::{Stored, entry, nearest_checkpoint, refuse_older};
