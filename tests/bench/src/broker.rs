//! A mosquitto of our own, without limits of its own on what waits.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::Process;

/// How often something is looked for that must come soon.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

pub struct Broker {
    pub port: u16,
    _process: Process,
}

impl Broker {
    /// # Errors
    /// When mosquitto is not installed or does not listen.
    pub fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n\
             max_queued_messages 0\nmax_inflight_messages 0\n"
        );
        std::fs::write(&config, text).context("failed to write the broker's configuration")?;
        // Debian puts it where users have no path to.
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|p| Path::new(p).exists());
        let process =
            Process::start(Command::new(program.unwrap_or("mosquitto")).arg("-c").arg(&config).stderr(Stdio::null()))?;
        for _ in 0..2_500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Self { port, _process: process });
            }
            std::thread::sleep(LOOK);
        }
        bail!("mosquitto does not listen")
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
    Ok(listener.local_addr().context("failed to find a free port")?.port())
}
