//! `cargo xtask sim`: as many seeds as asked, with what is wrong with each.

#![expect(clippy::print_stderr, reason = "a test program talks to the terminal")]

use std::io::{IsTerminal, stderr};
use std::num::NonZeroUsize;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use pointsman_sim::{Plan, check};

/// Runs the simulator.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds run side by side; without it, one for each processor.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
}

/// How often a line says how far it is where no terminal shows a bar, in seeds.
const SAID_EVERY: u64 = 100;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let jobs = arguments.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let bar = ProgressBar::new(arguments.seeds);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let [next, done, failed] = [const { AtomicU64::new(0) }; 3];
    let work = || {
        loop {
            let taken = next.fetch_add(1, Ordering::Relaxed);
            if taken >= arguments.seeds {
                return;
            }
            let seed = arguments.from + taken;
            let said = findings(seed);
            if !said.is_empty() {
                failed.fetch_add(1, Ordering::Relaxed);
                bar.suspend(|| report(seed, &said));
            }
            let failed = failed.load(Ordering::Relaxed);
            bar.set_message(format!("{failed} failed"));
            bar.inc(1);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if !stderr().is_terminal() && (done.is_multiple_of(SAID_EVERY) || done == arguments.seeds) {
                eprintln!("{done} of {} seeds, {failed} failed", arguments.seeds);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    bar.finish();
    if failed.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is wrong with a seed. A panic is a finding like any other; the next seeds are run all the same.
fn findings(seed: u64) -> Vec<String> {
    let Ok(violations) = std::panic::catch_unwind(|| check(&Plan::of(seed))) else {
        return vec!["it panicked, see above".to_owned()];
    };
    violations.iter().map(ToString::to_string).collect()
}

/// The findings of a seed, and how to see them again.
fn report(seed: u64, said: &[String]) {
    const SHOWN: usize = 12;
    eprintln!("seed {seed} at commit {}:", commit());
    said.iter().take(SHOWN).for_each(|line| eprintln!("  {line}"));
    if said.len() > SHOWN {
        eprintln!("  and {} more", said.len() - SHOWN);
    }
    eprintln!("  again: cargo xtask sim --from {seed}");
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let known = output.ok().filter(|output| output.status.success());
    known.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
