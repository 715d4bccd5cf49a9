//! What the benchmarks share: an installation to measure, the guest, the bare call, pairs of measurements; and what the
//! program measures with processes: a broker, hosts, baselines and their load.

pub mod bare;
pub mod baseline;
pub mod broker;
pub mod calls;
pub mod contest;
pub mod decisions;
pub mod disk;
pub mod guest;
pub mod host;
pub mod installation;
pub mod load;
pub mod memory;
pub mod native;
pub mod pairs;
pub mod process;
pub mod recovery;
pub mod sandboxed;
pub mod spread;
mod wire;
