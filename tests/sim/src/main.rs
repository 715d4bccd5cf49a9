//! `cargo xtask sim`: as many seeds as asked, with what is wrong with each.

#![expect(clippy::print_stderr, reason = "a test program talks to the terminal")]

use std::process::{Command, ExitCode};

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
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bar = ProgressBar::new(arguments.seeds);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut failed = 0_u64;
    for seed in arguments.from..arguments.from + arguments.seeds {
        // A panic is a finding like any other; the next seeds are run all the same.
        let found = std::panic::catch_unwind(|| check(&Plan::of(seed)));
        let said: Vec<String> = match found {
            Ok(violations) => violations.iter().map(ToString::to_string).collect(),
            Err(_) => vec!["it panicked, see above".to_owned()],
        };
        if !said.is_empty() {
            failed += 1;
            bar.suspend(|| report(seed, &said));
        }
        bar.set_message(format!("{failed} failed"));
        bar.inc(1);
    }
    bar.finish();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
