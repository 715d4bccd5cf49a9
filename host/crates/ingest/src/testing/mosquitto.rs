//! A real mosquitto in a folder of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::PATIENCE;

pub(crate) struct Mosquitto {
    folder: tempfile::TempDir,
    address: SocketAddr,
    settings: &'static str,
    child: Option<Child>,
}

impl Mosquitto {
    /// One that is not running yet; `settings` are lines of its configuration.
    pub(crate) fn stopped(settings: &'static str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, address: free, settings, child: None }
    }

    pub(crate) async fn open() -> Self {
        let mut broker = Self::stopped("allow_anonymous true");
        broker.start().await;
        broker
    }

    /// Where its files lie; settings name them relative to `{folder}`, and the plugin that comes with it as `{plugin}`.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn start(&mut self) {
        self.launch();
        let listening = async {
            while tokio::net::TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listening).await.expect("mosquitto listens");
    }

    /// Starts it for a test whose time stands still: the thread waits, so that no time passes in the test.
    pub(crate) fn start_at_once(&mut self) {
        self.launch();
        let mut tries = PATIENCE.as_millis() / 5;
        while std::net::TcpStream::connect(self.address).is_err() {
            std::thread::sleep(Duration::from_millis(5));
            tries = tries.checked_sub(1).expect("mosquitto listens");
        }
    }

    fn launch(&mut self) {
        let config = self.folder.path().join("mosquitto.conf");
        // Started as root it would become a user who may not write here; otherwise the line means nothing.
        let text = format!(
            "user root\nlistener {} 127.0.0.1\npersistence true\npersistence_location {}/\nmax_inflight_messages 0\n{}\n",
            self.address.port(),
            self.folder.path().display(),
            self.settings()
        );
        std::fs::write(&config, text).expect("a configuration");
        let child = Command::new(program())
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed");
        self.child = Some(child);
    }

    fn settings(&self) -> String {
        let settings = self.settings.replace("{folder}", &self.folder.path().display().to_string());
        if settings.contains("{plugin}") { settings.replace("{plugin}", &plugin()) } else { settings }
    }

    /// Ends it as an operator does: it writes its sessions.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let asked = Command::new("kill").arg(child.id().to_string()).status();
            assert!(asked.is_ok_and(|status| status.success()), "mosquitto can be stopped");
            child.wait().expect("mosquitto ends");
        }
    }

    /// Throws its sessions and messages away, while it is stopped.
    pub(crate) fn forget(&self) {
        std::fs::remove_file(self.folder.path().join("mosquitto.db")).expect("it wrote its sessions");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The child is ours; that it is gone already is fine.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Debian puts it where users have no path to.
fn program() -> PathBuf {
    let system = PathBuf::from("/usr/sbin/mosquitto");
    if system.exists() { system } else { "mosquitto".into() }
}

/// The plugin that every mosquitto since version 2 brings.
fn plugin() -> String {
    let places = ["x86_64-linux-gnu", "aarch64-linux-gnu", "."].map(|place| format!("/usr/lib/{place}"));
    let more = ["/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib"].map(str::to_owned);
    let files = places.into_iter().chain(more).map(|place| format!("{place}/mosquitto_dynamic_security.so"));
    files
        .into_iter()
        .find(|file| std::path::Path::new(file).exists())
        .expect("mosquitto's dynamic security plugin is installed")
}
