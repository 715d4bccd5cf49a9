//! A full disk: a small file system of its own where one may be mounted, and one that is played everywhere.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::client::{Mqtt, wait_until};
use crate::host::Host;
use crate::kills::{answered, echoing, mark, oracle};

/// Messages of one burst, and how many bursts the file system surely cannot hold once it is full: the log is written over
/// from its beginning, so that the first bursts may find room there.
const BURST: usize = 500;
const BURSTS: usize = 40;

/// What the host's data lies on; it outlives the host's process.
enum Disk {
    /// A tmpfs of 32 MB that only those see who enter where it is mounted.
    Small { holder: Child, data: PathBuf },
    /// The disk that there is, with a library before the C library that says it is full while there is a `filler`.
    Played { data: PathBuf },
}

impl Disk {
    /// Runs `test` on each kind. A small disk needs the right to mount, which a container or a hardened system keeps from
    /// us; the played one needs nothing. `cargo xtask test` says so where only that one is left.
    fn each(test: impl Fn(fn(&mut Host) -> Result<Self>) -> Result<()>) -> Result<()> {
        let may_mount = mounting().arg("true").output().is_ok_and(|output| output.status.success());
        if may_mount {
            test(Self::small).context("on a small disk")?;
        }
        test(Self::played).context("on a played disk")
    }

    /// Puts the host's data on a small disk.
    fn small(host: &mut Host) -> Result<Self> {
        let data = host.folder.join("data");
        let mount = "mkdir -p \"$0\" && mount -t tmpfs -o size=32m tmpfs \"$0\" && echo mounted && exec cat";
        let mut holder = mounting();
        // It ends with its input, which ends with the test.
        holder.args(["sh", "-c", mount]).arg(&data).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = holder.spawn().context("failed to run unshare")?;
        let mut said = [0; 8];
        holder.stdout.as_mut().context("it has an output")?.read_exact(&mut said).context("failed to mount a tmpfs")?;
        let mut enter: Vec<String> =
            ["nsenter", "--target", &holder.id().to_string(), "--mount"].map(String::from).into();
        if !is_root() {
            enter.extend(["--user".into(), "--preserve-credentials".into()]);
        }
        let there = host.folder.display().to_string();
        enter.extend(["sh".into(), "-c".into(), "cd \"$0\" && exec \"$@\"".into(), there]);
        host.through.clone_from(&enter);
        host.beside = enter;
        Ok(Self::Small { holder, data })
    }

    /// Plays a disk under the host's data.
    fn played(host: &mut Host) -> Result<Self> {
        let data = host.folder.join("data");
        let library = host.folder.join("full-disk.so");
        compile(&library)?;
        std::fs::create_dir_all(&data).context("failed to create the data folder")?;
        let data = data.canonicalize().context("failed to find the data folder")?;
        host.environment = vec![("LD_PRELOAD", library), ("FULL_DISK", data.clone())];
        Ok(Self::Played { data })
    }

    /// Leaves no room; gives the file that is to go for there to be room again. Called `filler` the first time.
    fn fill(&self, file: &str) -> Result<PathBuf> {
        let (Self::Small { data, .. } | Self::Played { data }) = self;
        match self {
            Self::Small { holder, .. } => {
                // As those see it who have not entered.
                let data = data.strip_prefix("/").unwrap_or(data);
                let path = Path::new("/proc").join(holder.id().to_string()).join("root").join(data).join(file);
                fill(&path)?;
                Ok(path)
            }
            Self::Played { .. } => {
                let path = data.join(file);
                std::fs::write(&path, "").context("failed to write the file that says so")?;
                Ok(path)
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Small { holder, .. } = self {
            // The process is ours; that it is gone already is fine.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// What runs the command that follows where it may mount, out of everybody's sight.
fn mounting() -> Command {
    let mut command = Command::new("unshare");
    command.args(if is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    command
}

fn compile(library: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("full-disk.c");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(library).arg(source).arg("-ldl").output();
    let output = output.context("failed to start the C compiler")?;
    ensure!(output.status.success(), "the C compiler said:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// Writes until nothing more fits.
fn fill(file: &Path) -> Result<()> {
    let mut file = std::fs::File::create(file).context("failed to create the file that fills the disk")?;
    for block in [64 * 1024, 4 * 1024, 512] {
        let bytes = vec![7_u8; block];
        loop {
            match file.write(&bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error).context("failed to fill the disk"),
            }
        }
    }
    Ok(())
}

/// Whether an answer of `/readyz` says that the store has no room.
fn no_room(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 503") && answer.contains("\"store\"") && answer.contains("full")
}

#[test]
fn a_host_that_finds_no_room_at_its_start_says_so_and_starts_once_there_is() -> Result<()> {
    Disk::each(starts_without_room)
}

fn starts_without_room(disk: fn(&mut Host) -> Result<Disk>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (broker, mut host) = echoing(folder.path())?;
    let disk = disk(&mut host)?;
    let filler = disk.fill("filler")?;
    host.launch()?;
    host.answers("/readyz", no_room)?;
    assert!(crate::host::get(host.api, "/healthz")?.starts_with("HTTP/1.1 200"));
    assert!(crate::host::get(host.api, "/v1/devices")?.starts_with("HTTP/1.1 503"));
    assert!(host.log().contains("the host starts once there is room on the disk"), "{}", host.log());
    let doctor = host.command(&["doctor"])?;
    let said = String::from_utf8_lossy(&doctor.stderr).into_owned();
    assert!(!doctor.status.success() && said.contains("the host has not started"), "{said}");
    std::fs::remove_file(&filler).context("failed to make room")?;
    host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    mark(&client, 1)?;
    client.hears("the marker is answered", |heard| !heard.is_empty())?;
    host.stop()
}

#[test]
fn a_full_disk_stops_acknowledgements_and_starts_and_loses_and_doubles_nothing() -> Result<()> {
    Disk::each(fills_up)
}

fn fills_up(disk: fn(&mut Host) -> Result<Disk>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (broker, mut host) = echoing(folder.path())?;
    let disk = disk(&mut host)?;
    host.start()?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    mark(&client, 1)?;
    client.hears("the first marker is answered", |heard| !heard.is_empty())?;
    let filler = disk.fill("filler")?;
    let mut sent: u64 = 1;
    let mut bursts = 0;
    while !crate::host::get(host.api, "/readyz")?.starts_with("HTTP/1.1 503") {
        bursts += 1;
        if bursts > BURSTS {
            bail!("the host still commits on a full disk:\n{}", host.log());
        }
        for _ in 0..BURST {
            sent += 1;
            mark(&client, sent)?;
        }
        client.acknowledged(usize::try_from(sent)?)?;
        wait_until("the host has taken the burst, or is not ready", || {
            let taken = host.metric("pointsman_mqtt_acknowledged_total")? >= sent;
            Ok(taken || crate::host::get(host.api, "/readyz")?.starts_with("HTTP/1.1 503"))
        })?;
    }
    host.answers("/readyz", no_room)?;
    let acknowledged = || host.metric("pointsman_mqtt_acknowledged_total");
    let stuck = acknowledged()?;
    assert!(stuck < sent, "{stuck} of {sent} acknowledged: none that is not on disk may be");
    assert!(host.log().contains("full"), "{}", host.log());
    // The power fails too.
    host.kill()?;
    let rest = disk.fill("rest")?;
    host.launch()?;
    host.answers("/readyz", no_room)?;
    for filler in [filler, rest] {
        std::fs::remove_file(filler).context("failed to make room")?;
    }
    host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))?;
    client.hears("every marker is answered", |heard| answered(heard).len() as u64 == sent)?;
    wait_until("nothing waits for its sink", || Ok(host.accounts()?["accounts"]["waiting"] == serde_json::json!(0)))?;
    assert_eq!(answered(&client.heard()), oracle(sent)?, "the effects are those of a run with room, id by id");
    assert_eq!(host.accounts()?["imbalance"], serde_json::Value::Null);
    host.stop()
}
