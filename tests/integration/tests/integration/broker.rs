//! A mosquitto of our own, that keeps its sessions over a restart.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::client::wait_until;

pub(crate) struct Broker {
    pub(crate) port: u16,
    config: PathBuf,
    child: Child,
}

impl Broker {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {}/\n\
             autosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\nmax_inflight_messages 0\n",
            folder.display()
        );
        std::fs::write(&config, text).context("failed to write the broker's configuration")?;
        let child = spawn(&config)?;
        let broker = Self { port, config, child };
        broker.listens()?;
        Ok(broker)
    }

    /// Stops it as a service manager would, so that it saves its sessions, and starts it again.
    pub(crate) fn restart(&mut self, pause: Duration) -> Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status().context("failed to stop the broker")?;
        self.child.wait().context("failed to wait for the broker")?;
        std::thread::sleep(pause);
        self.child = spawn(&self.config)?;
        self.listens()
    }

    fn listens(&self) -> Result<()> {
        wait_until("mosquitto listens", || Ok(TcpStream::connect(("127.0.0.1", self.port)).is_ok()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // The folder is temporary and the process ours.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &Path) -> Result<Child> {
    for program in ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto", "mosquitto"] {
        let child = Command::new(program).arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        if let Ok(child) = child {
            return Ok(child);
        }
    }
    bail!("failed to start mosquitto: install it first")
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
    Ok(listener.local_addr().context("failed to find a free port")?.port())
}
