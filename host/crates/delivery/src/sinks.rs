//! Sinks: the ways out.

pub mod capture;
pub mod mqtt;
pub mod topic;
pub mod webhook;
