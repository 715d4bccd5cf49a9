//! `pointsman rule`: makes rules, builds their packages, shows what a package is, and runs scenarios.

mod build;
mod cargo;
mod flags;
mod inspect;
mod new;
mod package;
mod project;
mod report;
mod repro;
mod test;

use anyhow::Result;
use clap::Subcommand;

/// Makes, builds, inspects and tests rules.
#[derive(Debug, clap::Args)]
pub(crate) struct Rule {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Build(build::Build),
    Inspect(inspect::Inspect),
    Test(test::Test),
    Repro(repro::Repro),
}

impl Rule {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::New(new) => new.run(),
            Command::Build(build) => build.run(),
            Command::Inspect(inspect) => inspect.run(),
            Command::Test(test) => test.run(),
            Command::Repro(repro) => repro.run(),
        }
    }
}
