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
    child: Option<Child>,
}

impl Broker {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        Self::on(folder, free_port()?, "allow_anonymous true")
    }

    /// On a port of the caller's, with lines of configuration that say who may connect.
    pub(crate) fn on(folder: &Path, port: u16, access: &str) -> Result<Self> {
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\n{access}\npersistence true\npersistence_location {}/\n\
             autosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\nmax_inflight_messages 0\n",
            folder.display()
        );
        std::fs::write(&config, text).context("failed to write the broker's configuration")?;
        let mut broker = Self { port, config, child: None };
        broker.resume()?;
        Ok(broker)
    }

    /// Stops it as a service manager would, so that it saves its sessions.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        Command::new("kill").arg(child.id().to_string()).status().context("failed to stop the broker")?;
        child.wait().context("failed to wait for the broker")?;
        Ok(())
    }

    /// Starts it again.
    pub(crate) fn resume(&mut self) -> Result<()> {
        self.child = Some(spawn(&self.config)?);
        self.listens()
    }

    /// Stops it and starts it again.
    pub(crate) fn restart(&mut self, pause: Duration) -> Result<()> {
        self.stop()?;
        std::thread::sleep(pause);
        self.resume()
    }

    /// `kill -9`, and starts it again at once.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the broker does not run")?;
        child.kill().context("failed to kill the broker")?;
        child.wait().context("failed to wait for the broker")?;
        self.resume()
    }

    fn listens(&self) -> Result<()> {
        wait_until("mosquitto listens", || Ok(TcpStream::connect(("127.0.0.1", self.port)).is_ok()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The folder is temporary and the process ours.
            let _ = child.kill();
            let _ = child.wait();
        }
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
