//! Backtests of this installation: where the stream comes from, and what a set of deployments is.

mod past;
mod recording;
mod set;

pub(crate) use past::{Past, look_back};
pub(crate) use recording::over_recording;
pub(crate) use set::{Numbers, Set};
