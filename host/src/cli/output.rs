//! How the command line speaks: errors with their causes, progress on standard error, data on standard output.

#![expect(clippy::print_stderr, reason = "the only module that talks to the terminal")]

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ingest::recorded::LineError;

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

/// A line of a recording that was left out, as `--skip-bad` asks.
pub(crate) fn left_out(number: u64, reason: &LineError) {
    say(format_args!("line {number} is left out: {reason}"));
}

/// A line of data.
///
/// Whoever reads it may have heard enough, as `head` has: then there is nobody left to tell.
pub(crate) fn print(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes a file of data that is whole or, where `write` fails, as it was before; `-` is standard output.
///
/// # Errors
/// Those of `write`, and when the file cannot be written.
pub(crate) fn write_whole<T>(file: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let failed = || format!("failed to write {}", file.display());
    if file.as_os_str() == "-" {
        let mut to = BufWriter::new(std::io::stdout());
        let done = write(&mut to)?;
        to.flush().with_context(failed)?;
        return Ok(done);
    }
    // A pipe or a device is no file that could be replaced.
    if file.exists() && !file.is_file() {
        let mut to = BufWriter::new(std::fs::File::create(file).with_context(failed)?);
        let done = write(&mut to)?;
        to.flush().with_context(failed)?;
        return Ok(done);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = tempfile::Builder::new().prefix(".export-").permissions(mode()).tempfile_in(folder);
    let mut to = BufWriter::new(beside.with_context(failed)?);
    let done = write(&mut to)?;
    to.into_inner().with_context(failed)?.persist(file).with_context(failed)?;
    Ok(done)
}

/// What a new file gets, less what the user's mask takes away.
fn mode() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// A bar over `total` bytes or items; silent where standard error is no terminal.
pub(crate) fn progress(total: u64, template: &'static str) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).expect("our own templates are valid");
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_stays_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("all.jsonl");
        std::fs::write(&file, "nine byte").expect("a file");
        let failed = write_whole(&file, |to| {
            to.write_all(b"half")?;
            Err::<(), _>(anyhow::anyhow!("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "nine byte");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
        write_whole(&file, |to| Ok(to.write_all(b"all of it")?)).expect("it is written");
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "all of it");
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").expect("a file");
        let mode = |file: &Path| std::fs::metadata(file).expect("it is there").permissions().mode();
        assert_eq!(mode(&file), mode(&plain), "whoever may read a new file may read this one");
    }

    #[test]
    fn what_is_no_file_is_written_and_not_replaced() {
        let null = Path::new("/dev/null");
        write_whole(null, |to| Ok(to.write_all(b"all")?)).expect("it is written");
        assert!(!null.is_file());
    }
}
