//! The run: load at a steady pace, with a redeploy, a kill, and a look at the host now and then.

#![expect(clippy::disallowed_methods, reason = "a soak keeps a pace and measures over time")]

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::Soak;
use crate::broker::Broker;
use crate::devices::Devices;
use crate::host::Host;
use crate::installation;
use crate::reloads::{self, Reloads};
use crate::report::{Found, say};
use crate::samples::Stretch;

/// Samples of a whole run.
const SAMPLES: u32 = 120;
/// Lines that tell how far it is.
const NEWS: u32 = 20;
/// How long the host may take for what still waits at the end.
const DRAIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// Runs a soak; whether everything stayed within its limits.
pub(crate) fn run(soak: &Soak) -> Result<bool> {
    ensure!(soak.minutes > 0.0 && soak.rate > 0, "a soak lasts some time and sends something");
    let length = Duration::from_secs_f64(soak.minutes * 60.0);
    let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
    let broker = Broker::start(folder.path())?;
    installation::write(folder.path(), &soak.packages, Some(broker.port))?;
    let mut host = Host::new(&soak.pointsman, folder.path())?;
    say("starting the host");
    host.start()?;
    let devices = broker.devices()?;
    let begin = host.size()?;
    let start = Instant::now();
    let pace = Duration::from_secs(1) / soak.rate;
    let total = u64::try_from(length.as_nanos() / pace.as_nanos()).context("a soak of less than centuries")?;
    let each = |parts: u32| (total / u64::from(parts)).max(1);
    let mut stretches = vec![Stretch::default()];
    for (sent, message) in (0..total).zip(Devices::default()) {
        if sent == total / 3 && sent > 0 {
            say("redeploying: another limit for the truck, then a restart");
            reloads::redeploy(folder.path(), 0)?;
            host.stop()?;
            host.start()?;
            stretches.push(Stretch::default());
        }
        if sent == total / 3 * 2 && sent > 0 {
            say("killing the host and starting it again");
            host.kill()?;
            host.start()?;
            stretches.push(Stretch::default());
        }
        devices.send(&message)?;
        if sent % each(SAMPLES) == 0 {
            host.check()?;
            let sample = (start.elapsed().as_secs_f64(), host.size()?);
            stretches.last_mut().expect("there is one from the begin").samples.push(sample);
        }
        if sent % each(NEWS) == 0 {
            let size = host.size()?;
            let (memory, files) = (size.memory / 1024, size.files / 1024);
            say(&format!("{:3} %  {memory} KiB of memory, {files} KiB of files", sent * 100 / total));
        }
        let due = pace * u32::try_from(sent + 1).context("a soak of less than centuries")?;
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
    let seconds = start.elapsed().as_secs_f64();
    drained(&host, total)?;
    let files = (begin.files, host.size()?.files);
    say(&format!("changing the deployment {} times, with a restart each", soak.reloads));
    let reloads = Reloads::run(soak.reloads, &mut host, &devices, folder.path())?;
    let stat = drained(&host, total + reloads.sent)?;
    host.stop()?;
    Ok(Found { sent: total, seconds, stretches, files, reloads, stat }.print())
}

/// The accounts once everything that was sent is in the journal, or as they are when that takes too long.
fn drained(host: &Host, sent: u64) -> Result<serde_json::Value> {
    accounts_when(host, |accounts| accounts["journalled"].as_u64().unwrap_or(0) >= sent && accounts["waiting"] == 0)
}

/// What `journal stat` shows once the accounts are as wanted, or when that takes too long.
pub(crate) fn accounts_when(host: &Host, wanted: impl Fn(&serde_json::Value) -> bool) -> Result<serde_json::Value> {
    let start = Instant::now();
    loop {
        let stat = host.accounts()?;
        if wanted(&stat["accounts"]) || start.elapsed() > DRAIN {
            return Ok(stat);
        }
        thread::sleep(PAUSE);
    }
}
