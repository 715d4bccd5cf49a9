//! A process of ours and what the kernel knows of it: processor time, bytes written, memory.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Ends with its owner.
pub struct Process(Child);

impl Process {
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(child.spawn().with_context(|| format!("failed to start {command:?}"))?))
    }

    /// Processor time of all its threads that live.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(self.path("task")).context("the process has ended")? {
            // A thread that ended meanwhile did nothing worth counting.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds +=
                text.split(' ').next().unwrap_or_default().parse::<u64>().context("schedstat is a number")?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Bytes that it made the disk write.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn written(&self) -> Result<u64> {
        self.field("io", "write_bytes:")
    }

    /// Its share of memory, in bytes: what is shared with others counts in part.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> Result<u64> {
        Ok(self.field("smaps_rollup", "Pss:")? * 1024)
    }

    /// Asks it to end and gives the bytes that it had written at the very end.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn finish(mut self) -> Result<u64> {
        Command::new("kill").arg(self.0.id().to_string()).status().context("failed to signal the process")?;
        // What it wrote can be read until it is waited for.
        while !self.field_text("status", "State:")?.contains('Z') {
            std::thread::sleep(Duration::from_millis(10));
        }
        let written = self.written()?;
        self.0.wait().context("failed to wait for the process")?;
        Ok(written)
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the process ended with {status}"),
        }
    }

    fn field(&self, file: &str, name: &str) -> Result<u64> {
        let text = self.field_text(file, name)?;
        let number = text.split_whitespace().next().unwrap_or_default();
        number.parse().with_context(|| format!("`{text}` of {file} is no number"))
    }

    fn field_text(&self, file: &str, name: &str) -> Result<String> {
        let text = fs::read_to_string(self.path(file)).with_context(|| format!("failed to read {file}"))?;
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.map(|text| text.trim().to_owned()).with_context(|| format!("no {name} in {file}"))
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.0.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is ours; that it has ended already is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
