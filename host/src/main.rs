//! The `pointsman` program: a rules engine for devices.

mod api;
mod app;
mod backtest;
mod cli;
mod demo;
mod installation;
mod journal;
mod kebab;
mod replay;
mod usable;
mod why;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The crates that speak TLS bring no provider of their own; a second call in one process is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cli::Cli::parse().run()
}
