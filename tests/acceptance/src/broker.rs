//! A mosquitto of our own on a free port, in a temporary folder.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::process::Running;

/// How long it may take to listen; it takes some milliseconds.
const START: Duration = Duration::from_secs(10);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Broker {
    pub(crate) port: u16,
    process: Running,
}

impl Broker {
    /// Starts it and waits until it listens.
    #[expect(clippy::disallowed_methods, reason = "it waits for a real process, however long that takes")]
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let config = folder.join("mosquitto.conf");
        // Nothing may be dropped: by default it forgets what a subscriber has not fetched beyond 1 000 messages.
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n\
             max_queued_bytes 0\n"
        );
        fs::write(&config, text).with_context(|| format!("failed to write {}", config.display()))?;
        let mut command = Command::new(program()?);
        command.arg("-c").arg(&config);
        let mut process = Running::start("mosquitto", &mut command, &folder.join("mosquitto.log"))?;
        let end = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            process.check()?;
            if Instant::now() > end {
                bail!("mosquitto does not listen on port {port}:\n{}", process.said());
            }
            sleep(PAUSE);
        }
        Ok(Self { port, process })
    }

    pub(crate) fn check(&mut self) -> Result<()> {
        self.process.check()
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
    Ok(listener.local_addr().context("failed to find a free port")?.port())
}

/// On the path, or where distributions put it that keep it off the path of users.
fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
        .context("mosquitto is not installed: the live part needs it, for example `apt-get install mosquitto`")
}
