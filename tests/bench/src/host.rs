//! `pointsman run` as a process, with rooms that report over a broker and a sandboxed rule that cools them.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::broker::{LOOK, free_port};
use crate::load::ROOMS;
use crate::process::Process;

/// The program and the packages that it runs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// A `pointsman` of a release build.
    pub host: PathBuf,
    /// The package of `tests/guests/cooler`.
    pub cooler: PathBuf,
}

/// Where the broker listens.
#[derive(Debug, Clone, Copy)]
pub enum Listening {
    External(u16),
    /// The host's own.
    Embedded(u16),
}

impl Listening {
    #[must_use]
    pub fn port(self) -> u16 {
        let (Self::External(port) | Self::Embedded(port)) = self;
        port
    }
}

/// Where the rooms are: a site's devices share a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sites {
    /// One building, so one partition.
    One,
    /// As many homes as rooms, over all partitions.
    Each,
}

impl Sites {
    /// Of so many rooms where nothing is said: up to a hundred are one building.
    #[must_use]
    pub fn of(rooms: u32) -> Self {
        if rooms <= 100 { Self::One } else { Self::Each }
    }
}

/// How a host is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Its name, and that of its rooms.
    pub name: &'a str,
    pub broker: Listening,
    pub linger: &'a str,
    pub rooms: u32,
    pub sites: Sites,
    /// How many deployments of the rule there are, each for all rooms.
    pub deployments: u32,
    /// Share of events that run again on a fresh instance.
    pub sampler: f64,
}

/// What a host samples where nothing is said.
pub const SAMPLER: f64 = 0.01;

impl<'a> Setup<'a> {
    #[must_use]
    pub fn new(name: &'a str, broker: u16) -> Self {
        Self {
            name,
            broker: Listening::External(broker),
            linger: "0ms",
            rooms: ROOMS,
            sites: Sites::of(ROOMS),
            deployments: 1,
            sampler: SAMPLER,
        }
    }
}

pub struct Host {
    pub process: Process,
    pub folder: PathBuf,
}

impl Programs {
    /// Builds the rule with the program itself.
    ///
    /// # Errors
    /// When there is no such program, or it builds no package.
    pub fn prepare(host: &Path, folder: &Path) -> Result<Self> {
        let host = host.canonicalize().with_context(|| format!("no program at {}", host.display()))?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/cooler");
        let cooler = folder.join("cooler.wasm");
        let built = Command::new(&host)
            .args(["rule", "build"])
            .arg(&source)
            .arg("-o")
            .arg(&cooler)
            .stdout(Stdio::null())
            .env("CARGO_TARGET_DIR", std::env::temp_dir().join("pointsman-bench-cooler"))
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .context("failed to start pointsman")?;
        if !built.success() {
            bail!("failed to build {}", source.display());
        }
        Ok(Self { host, cooler })
    }

    /// Starts a host in a folder of its own and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(&self, folder: &Path, setup: &Setup<'_>) -> Result<Host> {
        let api = free_port()?;
        std::fs::create_dir_all(folder.join("deployments"))?;
        std::fs::write(folder.join("pointsman.toml"), text(setup, api))?;
        for number in 0..setup.deployments {
            let text = format!(
                "[deployment]\npackage = \"{}\"\n\n[roles]\nroom = \"kind = 'room'\"\n\n[grants]\ncommands = [\"room:cool\"]\n",
                self.cooler.display()
            );
            std::fs::write(folder.join(format!("deployments/cooler-{number}.toml")), text)?;
        }
        self.run(folder, api)
    }

    /// Starts the host that a folder is set up for.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn run(&self, folder: &Path, api: u16) -> Result<Host> {
        let log = std::fs::File::create(folder.join("log"))?;
        let config = folder.join("pointsman.toml");
        let process = Process::start(Command::new(&self.host).args(["run", "-c"]).arg(config).stderr(log))?;
        let mut host = Host { process, folder: folder.to_owned() };
        for _ in 0..30_000 {
            if ready(api) {
                return Ok(host);
            }
            host.process.check().with_context(|| host.log())?;
            std::thread::sleep(LOOK);
        }
        bail!("the host is not ready:\n{}", host.log())
    }
}

impl Host {
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

fn text(setup: &Setup<'_>, api: u16) -> String {
    let name = setup.name;
    let mut text =
        format!("[host]\nname = \"{name}\"\ndata = \"data\"\ndevelopment = true\nsampler = {:?}\n", setup.sampler);
    let _ = write!(text, "[api]\nlisten = \"127.0.0.1:{api}\"\n[store]\nlinger = \"{}\"\n", setup.linger);
    let _ = match setup.broker {
        Listening::External(port) => write!(text, "[[mqtt]]\nname = \"bench\"\nurl = \"mqtt://127.0.0.1:{port}\"\n"),
        Listening::Embedded(port) => write!(text, "[broker]\nlisten = \"127.0.0.1:{port}\"\n"),
    };
    for room in 0..setup.rooms {
        let site = match setup.sites {
            Sites::One => "home".to_owned(),
            Sites::Each => format!("site-{room:04}"),
        };
        let _ = write!(
            text,
            "[[device]]\nid = \"room-{room:04}\"\nkind = \"room\"\nsite = \"{site}\"\n\
             source = {{ topic = \"in/{name}/{room:04}\", \
             readings = {{ temperature = {{ path = \"/temperature\", unit = \"Cel\" }} }} }}\n\
             commands.cool = {{ capability = \"cooling\", value = true, topic = \"cool/{name}/{room:04}\", payload = \"on\" }}\n"
        );
    }
    text
}

fn ready(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            format!("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
