//! From the world to inputs: MQTT, the embedded broker, HTTP, recordings.

pub mod broker;
pub mod codecs;
pub mod devices;
pub mod http;
pub mod ids;
pub mod inlet;
pub mod intake;
pub mod mqtt;
mod nearest;
pub mod recorded;
pub mod rejection;
pub mod status;
#[cfg(test)]
mod testing;

pub use devices::DeviceMap;
pub use ids::Ids;
pub use inlet::{Delivery, Inlet, Outlet, Ticket};
pub use intake::Intake;
pub use rejection::Rejection;
