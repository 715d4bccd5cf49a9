//! `pointsman demo`: a host with simulated devices and the example rules, to look at.

use std::path::PathBuf;

use anyhow::Result;
use model::Span;

use super::Usage;
use crate::demo::{self, MissingPackage};

/// Runs the example rules against a simulated home, wearable and truck, in a temporary folder.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask demo\n  pointsman demo --duration 30s\n  NO_COLOR=1 pointsman demo --duration 1m > demo.log"
)]
pub(crate) struct Demo {
    /// Folder with the packages of the example rules, each under its rule's name [default: `packages` beside the program
    /// or above it, or `target/packages`].
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
    /// End after this time, such as 30s; without it, with Ctrl-C.
    #[arg(long, value_name = "DURATION")]
    duration: Option<Span>,
    /// The same number gives the same readings.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Also show timers and evaluations without an effect.
    #[arg(long)]
    all: bool,
    /// What to log: a level, or levels by module.
    #[arg(long, value_name = "FILTER", default_value = "error,rule=off", env = "POINTSMAN_LOG")]
    log: String,
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        super::run::start_logging(&self.log, false)?;
        let places = self.packages.map_or_else(places, |named| vec![named]);
        let options = demo::Options { places, duration: self.duration, seed: self.seed, all: self.all };
        demo::run(&options).map_err(|error| match error.downcast::<MissingPackage>() {
            Ok(missing) => Usage(missing.to_string()).into(),
            Err(error) => error,
        })
    }
}

/// Where the packages may lie: beside the program, as it would be shipped; in Cargo's target folder above it, where
/// `cargo xtask packages` puts them; in the target folder of the clone one stands in.
fn places() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let above = program.iter().flat_map(|program| program.ancestors().skip(1).take(2));
    above.map(|folder| folder.join("packages")).chain(["target/packages".into()]).collect()
}
