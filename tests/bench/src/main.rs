//! Measures what a library's benchmark cannot: instructions of a call, and whole processes under load.

use std::path::PathBuf;

use anyhow::ensure;
use bench::calls::{self, Variant};
use bench::contest::{Beside, Contest, WARM_UP};
use bench::guest::Answer;
use bench::host::Sites;
use bench::load::ONE_IN;
use bench::{baseline, decisions, disk, memory, recovery};
use clap::{Parser, Subcommand};
use model::limits;

/// Every command but the first wants a `pointsman` of a release build.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Repeats one call, for a tool that counts instructions.
    Call { variant: Variant, answer: Answer, calls: u32 },
    /// Throughput of hosts and baselines in bursts.
    Saturated {
        host: PathBuf,
        #[arg(long, default_value_t = 21)]
        rounds: usize,
        #[arg(long, default_value_t = 20_000)]
        events: u64,
        /// Beside the host, one that runs no event again to find rules that keep something in their memory.
        #[arg(long)]
        unsampled: bool,
        /// All rooms in one building, which is one partition, where each is a home of its own otherwise. So many events
        /// as to stay below what one partition may command in a minute: `--events 2600`.
        #[arg(long)]
        one_site: bool,
    },
    /// Processor time and latency of hosts and baselines at a steady rate.
    Steady {
        host: PathBuf,
        #[arg(long, default_value_t = 21)]
        rounds: usize,
        /// Events a second.
        #[arg(long, default_value_t = 1_000)]
        rate: u32,
        #[arg(long, default_value_t = 2_000)]
        events: u64,
        /// Beside the host, one that waits so long for company before a commit.
        #[arg(long)]
        linger: Option<String>,
        /// All rooms in one building, which is one partition, where each is a home of its own otherwise.
        #[arg(long)]
        one_site: bool,
    },
    /// Time that decision records take.
    Decisions {
        #[arg(long, default_value_t = 21)]
        rounds: usize,
        #[arg(long, default_value_t = 50_000)]
        events: usize,
    },
    /// Bytes written to disk for one event.
    Disk {
        host: PathBuf,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Memory after a minute without events.
    Memory { host: PathBuf },
    /// Time until a host is ready after a kill -9.
    Recovery { host: PathBuf, events: u64 },
    /// A baseline, until it is killed.
    #[command(hide = true)]
    Baseline { port: u16, name: String, store: Option<PathBuf> },
    /// Fills a store and ends as if killed.
    #[command(hide = true)]
    Fill { folder: PathBuf, events: u64 },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Call { variant, answer, calls } => {
            println!("{} effects", calls::repeat(variant, answer, calls)?);
            Ok(())
        }
        Command::Saturated { host, rounds, events, unsampled, one_site } => {
            let commands = (rounds as u64 * events + WARM_UP) / ONE_IN;
            ensure!(
                !one_site || commands <= u64::from(limits::EFFECTS_PER_MINUTE),
                "{commands} commands are more than one partition may give in a minute: ask for fewer rounds or events"
            );
            let beside = if unsampled { Beside::Unsampled } else { Beside::Nothing };
            Contest::new(&host, sites(one_site), beside)?.saturated(rounds, events)
        }
        Command::Steady { host, rounds, rate, events, linger, one_site } => {
            let beside = linger.as_deref().map_or(Beside::Nothing, Beside::Lingering);
            Contest::new(&host, sites(one_site), beside)?.steady(rounds, rate, events)
        }
        Command::Decisions { rounds, events } => decisions::print(rounds, events),
        Command::Disk { host, seconds } => disk::print(&host, seconds),
        Command::Memory { host } => memory::print(&host),
        Command::Recovery { host, events } => recovery::print(&host, events),
        Command::Baseline { port, name, store } => baseline::run(port, &name, store.as_deref()),
        Command::Fill { folder, events } => recovery::fill(&folder, events),
    }
}

fn sites(one: bool) -> Sites {
    if one { Sites::One } else { Sites::Each }
}
