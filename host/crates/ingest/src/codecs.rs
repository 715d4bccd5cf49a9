//! Codecs: payloads to readings.

pub mod json;
mod lenient;
mod stamp;

pub use stamp::instant_of;
