//! What connects engine, store, sources and sinks whatever these are: the program and the simulator run the same.

pub mod caught_up;
pub mod outward;
pub mod own;
pub mod past;
pub mod pipeline;
pub mod system_clock;
