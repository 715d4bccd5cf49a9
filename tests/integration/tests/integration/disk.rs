//! A full disk: a small file system of its own in a mount namespace, with the host's data on it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::broker::Broker;
use crate::client::{Heard, Mqtt, wait_until};
use crate::host::Host;

const DEVICES: &str = r#"
[[device]]
id = "marker"
kind = "marker"
source = { topic = "load/marker", readings = { marker = { path = "/n" } } }

[[device]]
id = "probe"
kind = "thermometer"
source = { topic = "load/probe", readings = { temperature = { path = "/t", unit = "Cel" } } }
"#;

const DEPLOYMENT: &str =
    "[roles]\nprobe = [\"probe\"]\nmarker = [\"marker\"]\n\n[grants]\npublish = [\"acceptance/fired\"]\n";

/// Messages of one burst, and how many bursts the file system surely cannot hold once it is full: the log is written over
/// from its beginning, so that the first bursts may find room there.
const BURST: usize = 500;
const BURSTS: usize = 40;

/// Puts the host's data on a tmpfs of 32 MB that nobody else sees.
fn enclose(host: &mut Host) -> PathBuf {
    let data = host.folder.join("data");
    let mount = "mkdir -p \"$0\" && mount -t tmpfs -o size=32m tmpfs \"$0\" && exec \"$@\"";
    let mut through: Vec<String> = vec!["unshare".into()];
    through.extend(if is_root() { vec!["--mount".into()] } else { vec!["--map-root-user".into(), "--mount".into()] });
    through.extend(["sh".into(), "-c".into(), mount.into(), data.display().to_string()]);
    host.through = through;
    data
}

/// Runs other commands of the program where the host's data is to be seen.
fn enter(host: &mut Host) -> Result<()> {
    let mut beside: Vec<String> =
        vec!["nsenter".into(), "--target".into(), host.process()?.to_string(), "--mount".into()];
    if !is_root() {
        beside.extend(["--user".into(), "--preserve-credentials".into()]);
    }
    let there = host.folder.display().to_string();
    beside.extend(["sh".into(), "-c".into(), "cd \"$0\" && exec \"$@\"".into(), there]);
    host.beside = beside;
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// A path as the host's process sees it.
fn seen_by(process: u32, path: &Path) -> PathBuf {
    Path::new("/proc").join(process.to_string()).join("root").join(path.strip_prefix("/").unwrap_or(path))
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

/// The ids under which each marker was answered.
fn answered(heard: &[Heard]) -> BTreeMap<u64, BTreeSet<String>> {
    let mut answered: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for message in heard {
        let Ok(json) = serde_json::from_str::<serde_json::Value>(&message.payload) else { continue };
        let Some(marker) = json["marker"].as_f64() else { continue };
        answered.entry(marker as u64).or_default().extend(message.effect.clone());
    }
    answered
}

#[test]
fn a_full_disk_stops_acknowledgements_and_loses_and_doubles_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{DEVICES}", broker.port);
    let mut host = Host::new(folder.path(), &text)?;
    host.deploy("echo", "acceptance-fridge", DEPLOYMENT)?;
    let data = enclose(&mut host);
    host.start()?;
    enter(&mut host)?;
    let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
    client.publish("load/marker", r#"{"n":1}"#)?;
    client.hears("the first marker is answered", |heard| !heard.is_empty())?;
    let filler = seen_by(host.process()?, &data.join("filler"));
    fill(&filler)?;
    let mut sent = 1;
    let mut bursts = 0;
    while !crate::host::get(host.api, "/readyz")?.starts_with("HTTP/1.1 503") {
        bursts += 1;
        if bursts > BURSTS {
            bail!("the host still commits on a full disk:\n{}", host.log());
        }
        for _ in 0..BURST {
            sent += 1;
            client.publish("load/marker", &format!("{{\"n\":{sent}}}"))?;
        }
        client.acknowledged(sent)?;
        wait_until("the host has taken the burst, or is not ready", || {
            let taken = host.metric("pointsman_mqtt_acknowledged_total")? >= sent as u64;
            Ok(taken || crate::host::get(host.api, "/readyz")?.starts_with("HTTP/1.1 503"))
        })?;
    }
    host.answers("/readyz", |answer| answer.contains("\"store\"") && answer.contains("full"))?;
    let acknowledged = || host.metric("pointsman_mqtt_acknowledged_total");
    let stuck = acknowledged()?;
    assert!(stuck < sent as u64, "{stuck} of {sent} acknowledged: none that is not on disk may be");
    assert!(host.log().contains("full"), "{}", host.log());
    std::fs::remove_file(&filler).context("failed to make room")?;
    host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))?;
    client.hears("every marker is answered", |heard| answered(heard).len() == sent)?;
    wait_until("nothing waits for its sink", || Ok(host.accounts()?["accounts"]["waiting"] == serde_json::json!(0)))?;
    let doubled: Vec<_> = answered(&client.heard()).into_iter().filter(|(_, ids)| ids.len() != 1).collect();
    assert!(doubled.is_empty(), "answered under several ids: {doubled:?}");
    assert_eq!(host.accounts()?["imbalance"], serde_json::Value::Null);
    host.stop()
}
