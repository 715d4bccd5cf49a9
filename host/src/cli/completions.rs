//! `pointsman completions`: what a shell needs to complete our commands.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Prints the completions of a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pointsman completions bash > /etc/bash_completion.d/pointsman\n  pointsman completions fish > ~/.config/fish/completions/pointsman.fish"
)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "pointsman", &mut script);
        super::output::print(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_argument_is_consistent() {
        super::super::Cli::command().debug_assert();
    }

    #[test]
    fn completions_know_the_commands() {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut super::super::Cli::command(), "pointsman", &mut script);
        let script = String::from_utf8(script).expect("a script is text");
        assert!(script.contains("journal") && script.contains("backup"), "{script}");
    }
}
