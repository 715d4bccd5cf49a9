//! The real program against real brokers: one binary, so that it is linked once.
//!
//! `POINTSMAN` names the program, and packages lie in `packages` of the target folder: `cargo xtask test` sees to both.

mod broker;
mod client;
mod device;
mod heating;
mod host;
mod proxy;
mod receiver;

mod absent;
mod backtest;
mod clocks;
mod commands;
mod compatibility;
mod delivery;
mod demo;
mod disk;
mod exact;
mod fleets;
mod floods;
mod holds;
mod kills;
mod lasting;
mod listening;
mod misread;
mod operator;
mod projects;
mod refusals;
mod rehearsal;
mod replaced;
mod trouble;
mod why;
