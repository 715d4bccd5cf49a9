//! Other programs: run to their end, or kept running and stopped when they are no longer needed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs a program to its end; an error holds what it said.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to start {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} ended with {}:\n{}", output.status, said.trim_end());
    }
    Ok(())
}

/// A program that runs beside us; it is killed when this is dropped.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it with its output in `log`.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("failed to create {}", log.display()))?;
        let again = file.try_clone().context("failed to share a log file")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again)
            .spawn()
            .with_context(|| format!("failed to start {name}: {command:?}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// An error with what it said when it does not run any more.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().with_context(|| format!("failed to look after {}", self.name))? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.said()),
        }
    }

    /// The last lines that it has written.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its folder is temporary: there is nothing that it would have to put in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
