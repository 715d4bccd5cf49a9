//! The journal read back: what ran, replayed exactly, and everything that this takes.

mod archive;
mod exact;
mod stored;

pub(crate) use archive::Archive;
pub(crate) use exact::{Entry, Replayed, Replayer};
pub(crate) use stored::Stored;
