//! From the world to inputs: MQTT, the embedded broker, HTTP, recordings.

pub mod codecs;
pub mod devices;
pub mod http;
pub mod ids;
pub mod inlet;
pub mod intake;
mod nearest;
pub mod recorded;
pub mod rejection;

pub use devices::DeviceMap;
pub use ids::Ids;
pub use inlet::{Delivery, Inlet, Outlet, Ticket};
pub use intake::Intake;
pub use rejection::Rejection;
