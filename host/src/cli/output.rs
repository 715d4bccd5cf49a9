//! How the command line speaks: errors with their causes, progress on standard error, data on standard output.

#![expect(clippy::print_stderr, reason = "the only module that talks to the terminal")]

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// An error and what led to it, one line each.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because {cause}");
    }
}

/// A line for people.
pub(crate) fn say(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

/// A line of data.
///
/// Whoever reads it may have heard enough, as `head` has: then there is nobody left to tell.
pub(crate) fn print(line: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A bar over `total` bytes or items; silent where standard error is no terminal.
pub(crate) fn progress(total: u64, template: &'static str) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).expect("our own templates are valid");
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}
