//! `pointsman run` as a process: started, stopped, killed, asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value as Json;

/// Tries to ask a host that has just been started, and the pause between two: it may compile its packages first.
const TRIES: u32 = 1_200;
const PAUSE: Duration = Duration::from_millis(100);

/// It is killed when this is dropped.
pub(crate) struct Host {
    program: PathBuf,
    folder: PathBuf,
    child: Option<Child>,
}

/// What the host keeps at one moment, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Proportional set size.
    pub(crate) memory: u64,
    pub(crate) files: u64,
}

impl Host {
    pub(crate) fn new(program: &Path, folder: &Path) -> Result<Self> {
        let program = program.canonicalize().with_context(|| format!("there is no {}", program.display()))?;
        Ok(Self { program, folder: folder.to_owned(), child: None })
    }

    /// Starts it and waits until it hears its broker: at its first start nothing is kept for it before.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"));
        let mut command = Command::new(&self.program);
        command.args(["run", "-c", "pointsman.toml", "--log", "warn,rule=off"]).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.context("failed to open the host's log")?);
        self.child = Some(command.spawn().context("failed to start the host")?);
        for _ in 0..TRIES {
            self.check()?;
            if self.hears() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        bail!("the host does not hear its broker:\n{}", self.said())
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the host does not run")?;
        Command::new("kill").arg(child.id().to_string()).status().context("failed to signal the host")?;
        let status = child.wait().context("failed to wait for the host")?;
        ensure!(status.success(), "the host ended with {status}:\n{}", self.said());
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the host does not run")?;
        child.kill().context("failed to kill the host")?;
        child.wait().context("failed to wait for the host")?;
        Ok(())
    }

    /// An error with what it said when it does not run any more.
    pub(crate) fn check(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("the host does not run")?;
        match child.try_wait().context("failed to look after the host")? {
            None => Ok(()),
            Some(status) => bail!("the host ended with {status}:\n{}", self.said()),
        }
    }

    /// What `journal stat` shows.
    pub(crate) fn accounts(&self) -> Result<Json> {
        self.ask(&["journal", "stat"])
    }

    /// Whether its broker has confirmed what it subscribes to.
    fn hears(&self) -> bool {
        let sources = self.ask(&["doctor"]).map(|found| found["sources"].clone()).unwrap_or_default();
        sources.as_array().is_some_and(|sources| sources.iter().all(|source| source["connected"] == true))
    }

    fn ask(&self, question: &[&str]) -> Result<Json> {
        let mut command = Command::new(&self.program);
        command.args(question).args(["--json", "-c", "pointsman.toml"]).current_dir(&self.folder);
        let output = command.output().context("failed to ask the host")?;
        ensure!(output.status.success(), "{}: {}", question.join(" "), String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).with_context(|| format!("{} gives no JSON", question.join(" ")))
    }

    pub(crate) fn size(&self) -> Result<Size> {
        let id = self.child.as_ref().context("the host does not run")?.id();
        let rollup =
            fs::read_to_string(format!("/proc/{id}/smaps_rollup")).context("failed to read the host's memory")?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("the kernel gives no Pss")?;
        let kib: u64 = pss.trim().trim_end_matches(" kB").parse().context("Pss is a number of kB")?;
        Ok(Size { memory: kib * 1024, files: files(&self.folder.join("data"))? })
    }

    /// The last lines that it has logged.
    pub(crate) fn said(&self) -> String {
        let text = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The folder is temporary and the process ours.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Bytes of all files below a folder. A file that goes meanwhile counts nothing.
fn files(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))? {
        let Ok(entry) = entry else { continue };
        sum += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => files(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
    }
    Ok(sum)
}
