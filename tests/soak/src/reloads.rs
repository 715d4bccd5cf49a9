//! Reloads: the deployment changed again and again, as an operator does who tries limits, and what that leaves behind.

#![expect(clippy::print_stdout, reason = "a part of the report")]

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::broker::Publisher;
use crate::devices::Devices;
use crate::host::{Host, Size};
use crate::run::accounts_when;

/// Messages after each reload: every device speaks twice.
const MESSAGES: u64 = 20;
/// Memory right after a start may differ by this much between the first reloads and the last: how the kernel counts
/// shared pages, and where an allocator stands. More state to load each time would add up.
const MEMORY: f64 = 8.0 * 1024.0 * 1024.0;
/// Files may grow by this much a reload: a checkpoint of the state, and the records of a stop, a start and the messages.
const FILES: f64 = 256.0 * 1024.0;

/// What the host kept after each reload.
pub(crate) struct Reloads {
    pub(crate) sent: u64,
    sizes: Vec<Size>,
    /// Reloads after which rules decided nothing.
    silent: u64,
}

impl Reloads {
    /// Changes the deployment so often, and has the devices speak after each time.
    pub(crate) fn run(times: u32, host: &mut Host, devices: &Publisher, folder: &Path) -> Result<Self> {
        let mut messages = Devices::default();
        let mut reloads = Self { sent: 0, sizes: Vec::new(), silent: 0 };
        for number in 1..=times {
            redeploy(folder, number)?;
            host.stop()?;
            host.start()?;
            let steps = done(&host.accounts()?["accounts"]);
            for message in messages.by_ref().take(usize::try_from(MESSAGES).context("a few messages")?) {
                devices.send(&message)?;
            }
            reloads.sent += MESSAGES;
            let stat = accounts_when(host, |accounts| done(accounts) > steps)?;
            reloads.silent += u64::from(done(&stat["accounts"]) == steps);
            reloads.sizes.push(host.size()?);
        }
        Ok(reloads)
    }

    /// Prints what was found; whether it is within its limits.
    pub(crate) fn print(&self) -> bool {
        let (Some(memory), Some(files)) = (self.growth(|size| size.memory), self.growth(|size| size.files)) else {
            println!("reloads: {}, too few to compare", self.sizes.len());
            return self.silent == 0;
        };
        let each = files / (self.sizes.len() as f64 * 2.0 / 3.0);
        println!(
            "reloads: {}, memory {:+.2} MiB from the first third to the last (at most {:+.0}), files {:.0} KiB each (at \
             most {:.0}), {} after which no rule ran",
            self.sizes.len(),
            memory / 1024.0 / 1024.0,
            MEMORY / 1024.0 / 1024.0,
            each / 1024.0,
            FILES / 1024.0,
            self.silent
        );
        memory <= MEMORY && each <= FILES && self.silent == 0
    }

    /// The difference between the means of the last third and of the first: single samples differ for no reason.
    fn growth(&self, of: impl Fn(&Size) -> u64) -> Option<f64> {
        let third = self.sizes.len() / 3;
        let mean = |sizes: &[Size]| sizes.iter().map(|size| of(size) as f64).sum::<f64>() / third as f64;
        (third > 0).then(|| mean(&self.sizes[self.sizes.len() - third..]) - mean(&self.sizes[..third]))
    }
}

fn done(accounts: &serde_json::Value) -> u64 {
    accounts["done"].as_u64().unwrap_or_default()
}

/// Writes another time for a trigger of the truck into its deployment: each number gives another than the one before.
pub(crate) fn redeploy(folder: &Path, number: u32) -> Result<()> {
    const KEY: &str = "hold = ";
    let file = folder.join("deployments/cold-chain-guard.toml");
    let text = std::fs::read_to_string(&file).context("failed to read a deployment")?;
    let old = text.lines().find(|line| line.starts_with(KEY));
    let old = old.context("the demo's cold chain has no `hold` any more")?;
    let new = format!("{KEY}\"{}s\"", 6 + number % 5);
    ensure!(old != new, "the deployment says `{new}` already");
    std::fs::write(&file, text.replace(old, &new)).context("failed to write a deployment")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sizes: impl IntoIterator<Item = (u64, u64)>, silent: u64) -> bool {
        let sizes = sizes.into_iter().map(|(memory, files)| Size { memory, files }).collect();
        Reloads { sent: 0, sizes, silent }.print()
    }

    #[test]
    fn what_grows_with_each_reload_is_found() {
        let mib = 1024 * 1024;
        let grows = |memory: u64, files: u64| (0..30).map(move |n| (40 * mib + n * memory, 9 * mib + n * files));
        assert!(found(grows(0, 100 * 1024), 0));
        assert!(!found(grows(mib, 0), 0), "20 MiB more in 30 reloads");
        assert!(!found(grows(0, mib), 0), "1 MiB a reload");
        assert!(!found(grows(0, 0), 1), "once no rule ran");
    }

    #[test]
    fn each_reload_changes_the_deployment() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deployments/cold-chain-guard.toml");
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/src/demo/installation/deployments");
        std::fs::create_dir(folder.path().join("deployments")).expect("made");
        std::fs::copy(demo.join("cold-chain-guard.toml"), &file).expect("copied");
        let mut last = std::fs::read_to_string(&file).expect("read");
        for number in 0..12 {
            redeploy(folder.path(), number).expect("another one");
            let now = std::fs::read_to_string(&file).expect("read");
            assert_ne!(now, last);
            last = now;
        }
    }
}
