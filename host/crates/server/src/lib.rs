//! The HTTP API of a host: on loopback for programs, on a Unix socket for the operator's command line.
//!
//! The crate speaks HTTP and nothing else. What it answers comes from three trait objects that the host supplies
//! ([`State`]), so it never meets a sandbox, a source or a sink. Commands, backups and the journal are reachable
//! through the socket alone: on TCP there are no users yet who could be told apart.

pub mod client;
mod connections;
mod events;
mod export;
mod guard;
pub mod metrics;
mod operator;
mod problem;
mod server;
mod socket;
pub mod state;
mod views;

pub use prometheus_client;
pub use server::{BindError, Options, Server};
pub use socket::socket_path;
pub use state::{Intake, Operator, State, Views};

#[cfg(test)]
mod tests;
