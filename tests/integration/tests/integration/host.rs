//! `pointsman run` as a process, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::broker::free_port;
use crate::client::wait_until;

pub(crate) struct Host {
    pub(crate) folder: PathBuf,
    pub(crate) api: u16,
    /// A command line that starts the program given after it; empty: nothing stands between.
    pub(crate) through: Vec<String>,
    /// The same for other commands of the program.
    pub(crate) beside: Vec<String>,
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
    child: Option<Child>,
}

impl Host {
    /// A host that is configured and not yet started. `text` is its `pointsman.toml` without `[host]` and `[api]`.
    pub(crate) fn new(folder: &Path, text: &str) -> Result<Self> {
        let api = free_port()?;
        let head = format!(
            "[host]\nname = \"test\"\ndata = \"data\"\ndevelopment = true\n\n[api]\nlisten = \"127.0.0.1:{api}\"\n\n"
        );
        std::fs::create_dir_all(folder.join("deployments")).context("failed to create the folder of deployments")?;
        std::fs::write(folder.join("pointsman.toml"), head + text).context("failed to write pointsman.toml")?;
        Ok(Self::there(folder, api))
    }

    /// A host that somebody else has configured.
    pub(crate) fn there(folder: &Path, api: u16) -> Self {
        Self {
            folder: folder.to_owned(),
            api,
            through: Vec::new(),
            beside: Vec::new(),
            environment: Vec::new(),
            child: None,
        }
    }

    pub(crate) fn deploy(&self, name: &str, package: &str, rest: &str) -> Result<()> {
        let package = package_path(package)?;
        let text = format!("[deployment]\npackage = \"{}\"\n\n{rest}", package.display());
        std::fs::write(self.folder.join(format!("deployments/{name}.toml")), text)
            .context("failed to write a deployment")
    }

    /// Starts it and waits until it is ready and hears all of its brokers.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.start_alone()?;
        self.answers("/readyz", hears_all)
    }

    /// Starts it and waits until it is ready, whether its brokers are there or not.
    pub(crate) fn start_alone(&mut self) -> Result<()> {
        self.launch()?;
        self.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Starts it.
    pub(crate) fn launch(&mut self) -> Result<()> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .context("failed to open the host's log")?;
        let child = after(&self.through, &program()?)
            .envs(self.environment.iter().cloned())
            .args(["run", "-c"])
            .arg(self.folder.join("pointsman.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("failed to start pointsman")?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it answers `path` as `wanted`.
    pub(crate) fn answers(&mut self, path: &str, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let (api, mut last) = (self.api, String::new());
        let waited = wait_until(&format!("the host answers {path} as it should"), || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                bail!("the host ended with {status}:\n{}", self.log());
            }
            last = get(api, path).unwrap_or_else(|error| error.to_string());
            Ok(wanted(&last))
        });
        waited.with_context(|| format!("{last}\n{}", self.log()))
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> Result<u64> {
        let metrics = get(self.api, "/metrics")?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.with_context(|| format!("no metric {name}"))?.parse().with_context(|| format!("{name} is no number"))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the host does not run")?;
        child.kill().context("failed to kill the host")?;
        child.wait().context("failed to wait for the host")?;
        Ok(())
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the host does not run")?;
        Command::new("kill").arg(child.id().to_string()).status().context("failed to signal the host")?;
        let status = child.wait().context("failed to wait for the host")?;
        if !status.success() {
            bail!("the host ended with {status}:\n{}", self.log());
        }
        Ok(())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Runs another command of the program in the host's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = after(&self.beside, &program()?);
        command.args(arguments).current_dir(&self.folder).output().context("failed to run pointsman")
    }

    /// The accounts that `journal stat` shows.
    pub(crate) fn accounts(&self) -> Result<serde_json::Value> {
        let output = self.command(&["journal", "stat", "--json"])?;
        if !output.status.success() {
            bail!("journal stat: {}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("journal stat gives no JSON")
    }
}

/// Whether an answer of `/readyz` says that every source is connected.
pub(crate) fn hears_all(answer: &str) -> bool {
    let body = answer.find('{').and_then(|start| serde_json::from_str::<serde_json::Value>(&answer[start..]).ok());
    let checks = body.as_ref().and_then(|body| body["checks"].as_array());
    let is_source = |check: &&serde_json::Value| check["name"].as_str().is_some_and(|name| name.starts_with("source "));
    checks.is_some_and(|checks| checks.iter().filter(is_source).all(|check| check["ok"] == true))
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

/// The program, started by another.
fn after(through: &[String], program: &Path) -> Command {
    match through.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

/// One HTTP request, answered as text.
pub(crate) fn get(port: u16, path: &str) -> Result<String> {
    request(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"))
}

pub(crate) fn request(port: u16, text: &str) -> Result<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).context("failed to connect")?;
    stream.write_all(text.as_bytes()).context("failed to ask")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("failed to read the answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The program under test.
pub(crate) fn program() -> Result<PathBuf> {
    let named = std::env::var_os("POINTSMAN").map(PathBuf::from);
    let program = named.unwrap_or_else(|| target().join("debug/pointsman"));
    if program.is_file() { Ok(program) } else { bail!("no program at {}: run `cargo xtask test`", program.display()) }
}

pub(crate) fn package_path(name: &str) -> Result<PathBuf> {
    let path = target().join(format!("packages/{name}.wasm"));
    if path.is_file() { Ok(path) } else { bail!("no package at {}: run `cargo xtask test`", path.display()) }
}

fn target() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(own, PathBuf::from)
}
