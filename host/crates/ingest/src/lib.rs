//! From the world to inputs: MQTT, the embedded broker, HTTP, recordings.

#[cfg(feature = "network")]
pub mod broker;
pub mod codecs;
pub mod devices;
pub mod http;
pub mod ids;
#[cfg(feature = "network")]
pub mod inlet;
pub mod intake;
#[cfg(feature = "network")]
pub mod mqtt;
mod nearest;
pub mod recorded;
pub mod rejection;
#[cfg(feature = "network")]
pub mod status;
#[cfg(test)]
mod testing;

pub use devices::DeviceMap;
pub use ids::Ids;
#[cfg(feature = "network")]
pub use inlet::{Delivery, Inlet, Outlet, Receipt, Ticket};
pub use intake::Intake;
pub use rejection::Rejection;
