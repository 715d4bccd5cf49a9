//! What the benchmarks share: an installation to measure, the guest, the bare call, and pairs of measurements.

pub mod bare;
pub mod guest;
pub mod installation;
pub mod native;
pub mod pairs;
pub mod sandboxed;
