//! Under load and killed at any instant: every acknowledged event is answered, and none under two ids.
//!
//! `POINTSMAN_KILLS` says how often; `cargo xtask kills --count N` sets it and shows how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::broker::{Broker, free_port};
use crate::client::{Heard, Mqtt, wait_until};
use crate::device::Device;
use crate::host::Host;
use crate::why::decisions;

/// Kills of the test command.
const KILLS: u64 = 20;
/// Events of a whole run: fewer than what a deployment may answer in a minute.
const EVENTS: u64 = 5_000;
/// Events between two kills at most: all of the test command together stay below what may wait for one target, because
/// a host that dies often enough sends nothing meanwhile.
const BURST: u64 = 40;
/// Events at once in the run without kills: their answers may all wait for the one target.
const AT_ONCE: u64 = model::limits::OUTBOX_PER_TARGET as u64 / 2;
/// Rounds between two waits until all is answered: a broker that is away more than it is there lets more answers gather
/// than may wait for one target.
const ROUNDS: u64 = 4;
/// A host lives up to this long before it is killed, its start included.
pub(crate) const LIFE_MS: u64 = 900;
/// A burst over the embedded broker takes about as long: one commit follows the other.
const UNDER_LOAD_MS: u64 = 120;

// Each event brings its own id, so that an answer has the same id in every run.
pub(crate) const DEVICES: &str = r#"
[[device]]
id = "marker"
kind = "marker"
source = { topic = "load/marker", readings = { marker = { path = "/n" } }, id = "/id" }

[[device]]
id = "probe"
kind = "thermometer"
source = { topic = "load/probe", readings = { temperature = { path = "/t", unit = "Cel" } } }
"#;

pub(crate) const DEPLOYMENT: &str = r#"
[roles]
probe = ["probe"]
marker = ["marker"]

[grants]
publish = ["acceptance/fired"]
"#;

/// By marker: the ids under which it was answered.
pub(crate) type Answers = BTreeMap<u64, BTreeSet<String>>;

pub(crate) fn answered(heard: &[Heard]) -> Answers {
    let mut answered = Answers::new();
    for message in heard {
        let Ok(json) = serde_json::from_str::<serde_json::Value>(&message.payload) else { continue };
        let Some(marker) = json.get("marker").and_then(serde_json::Value::as_f64) else { continue };
        answered.entry(marker as u64).or_default().extend(message.effect.clone());
    }
    answered
}

/// Says a marker, under its own id.
pub(crate) fn mark(client: &Mqtt, marker: u64) -> Result<()> {
    client.publish("load/marker", &format!("{{\"n\":{marker},\"id\":\"{marker}\"}}"))
}

/// A broker, and a host that answers markers and has not started.
pub(crate) fn echoing(folder: &Path) -> Result<(Broker, Host)> {
    let broker = Broker::start(folder)?;
    let text = format!("[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n{DEVICES}", broker.port);
    let host = Host::new(folder, &text)?;
    host.deploy("echo", "acceptance-fridge", DEPLOYMENT)?;
    Ok((broker, host))
}

/// A broker, a host that answers markers, and whoever sends them and hears the answers.
struct Stage {
    broker: Broker,
    host: Host,
    client: Mqtt,
    sent: u64,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn build() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (broker, mut host) = echoing(folder.path())?;
        host.start()?;
        let client = Mqtt::connect(broker.port, "load", "acceptance/fired")?;
        Ok(Self { broker, host, client, sent: 0, _folder: folder })
    }

    fn send(&mut self, count: u64) -> Result<()> {
        (0..count).try_for_each(|_| {
            self.sent += 1;
            mark(&self.client, self.sent)
        })
    }

    /// Waits until everything that was sent is decided and nothing waits for its sink.
    fn is_done(&self) -> Result<()> {
        is_done(&self.host, self.sent).with_context(|| {
            let answered = answered(&self.client.heard());
            let missing: Vec<_> = (1..=self.sent).filter(|marker| !answered.contains_key(marker)).collect();
            format!("no answer to {missing:?}; {}", self.client.fate())
        })
    }

    /// All answers, once every marker has one.
    fn answers(&self) -> Result<Answers> {
        let sent = usize::try_from(self.sent)?;
        let heard = self.client.hears("every marker is answered", |heard| answered(heard).len() == sent);
        let heard = heard.with_context(|| format!("{} of {sent} answered", answered(&self.client.heard()).len()))?;
        Ok(answered(&heard))
    }
}

/// Waits until all of these events are decided and nothing waits for its sink.
fn is_done(host: &Host, sent: u64) -> Result<()> {
    wait_until("everything is answered and nothing waits", || {
        let accounts = host.accounts()?;
        let count = |name: &str| accounts["accounts"][name].as_u64();
        Ok(count("accepted") == Some(sent) && count("waiting") == Some(0) && count("pending") == Some(0))
    })
    .with_context(|| format!("{sent} sent; {:?}\n{}", host.accounts(), host.log()))?;
    is_balanced(host)
}

/// Whether every input, step and effect in the store is in an account.
#[track_caller]
pub(crate) fn is_balanced(host: &Host) -> Result<()> {
    let stat = host.accounts()?;
    assert_eq!(stat["imbalance"], serde_json::Value::Null, "{stat}");
    Ok(())
}

/// The answers of a run in which nothing is killed.
pub(crate) fn oracle(events: u64) -> Result<Answers> {
    let mut stage = Stage::build()?;
    while stage.sent < events {
        stage.send(AT_ONCE.min(events - stage.sent))?;
        stage.is_done()?;
    }
    let answers = stage.answers()?;
    stage.host.stop()?;
    Ok(answers)
}

/// How often to kill, and the progress of it where it was asked for.
pub(crate) fn wanted(share: u64) -> (u64, ProgressBar) {
    let asked = std::env::var("POINTSMAN_KILLS").ok().and_then(|text| text.parse::<u64>().ok());
    let kills = (asked.unwrap_or(KILLS) / share).max(1);
    let bar = if asked.is_some() { ProgressBar::new(kills) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} kills, {elapsed}, {eta} left");
    (kills, bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
}

/// Numbers that look random and are the same each time.
pub(crate) struct Walk(pub(crate) u64);

impl Walk {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn kill_9_at_random_instants_loses_nothing_and_doubles_nothing() -> Result<()> {
    let (kills, bar) = wanted(1);
    let burst = BURST.min(EVENTS / kills).max(1);
    let mut stage = Stage::build()?;
    let mut walk = Walk(0x6b69_6c6c);
    for _ in 0..kills {
        stage.send(burst)?;
        // The instant is what is random here: within the start, the load or the silence after it.
        std::thread::sleep(Duration::from_millis(walk.below(LIFE_MS)));
        stage.host.kill()?;
        is_balanced(&stage.host)?;
        stage.host.launch()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    stage.is_done()?;
    assert_eq!(stage.answers()?, oracle(stage.sent)?, "the effects are those of a run without kills, id by id");
    stage.host.stop()
}

/// A host that is its own broker, a device with a queue of its own, and whoever hears the answers.
struct Hub {
    host: Host,
    device: Device,
    client: Mqtt,
    sent: u64,
    _folder: tempfile::TempDir,
}

impl Hub {
    fn build() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let text = format!("[broker]\nlisten = \"127.0.0.1:{port}\"\n{DEVICES}");
        let mut host = Host::new(folder.path(), &text)?;
        host.deploy("echo", "acceptance-fridge", DEPLOYMENT)?;
        host.start()?;
        let client = Mqtt::connect(port, "listener", "acceptance/fired")?;
        Ok(Self { host, device: Device::start(port, "load/marker"), client, sent: 0, _folder: folder })
    }

    fn send(&mut self, count: u64) {
        for _ in 0..count {
            self.sent += 1;
            self.device.say(format!("{{\"n\":{0},\"id\":\"{0}\"}}", self.sent));
        }
    }

    /// What was decided for each marker, once nothing waits any more; from the journal run again.
    fn answers(&mut self) -> Result<Answers> {
        self.device.acknowledged()?;
        is_done(&self.host, self.sent)?;
        // The store may say so before a host that was just launched listens to signals.
        self.host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))?;
        self.host.stop()?;
        decided(&self.host)
    }
}

/// What was decided for each marker, from the journal run again.
fn decided(host: &Host) -> Result<Answers> {
    let mut answers = Answers::new();
    for decision in decisions(host)? {
        let (Some(marker), Some(effect)) =
            (decision["effect"]["payload"]["marker"].as_f64(), decision["effect"]["id"].as_str())
        else {
            continue;
        };
        answers.entry(marker as u64).or_default().insert(effect.to_owned());
    }
    Ok(answers)
}

/// What the embedded broker has passed to its subscribers it may forget within a quarter of a second; what the host has
/// acknowledged and decided it may not, and nobody hears an answer that was not decided.
#[test]
fn kill_9_of_a_host_that_is_its_own_broker_loses_nothing_and_doubles_nothing() -> Result<()> {
    let (kills, bar) = wanted(3);
    let burst = BURST.min(EVENTS / kills).max(1);
    let mut hub = Hub::build()?;
    let mut walk = Walk(0x656d_6265);
    for kill in 0..kills {
        // Every other time it is ready before the load comes, so that the kill meets messages on their way.
        if kill % 2 == 0 {
            hub.host.answers("/readyz", |answer| answer.starts_with("HTTP/1.1 200"))?;
        }
        hub.send(burst);
        // As above: the instant is what is random here.
        let life = if kill % 2 == 0 { UNDER_LOAD_MS } else { LIFE_MS };
        std::thread::sleep(Duration::from_millis(walk.below(life)));
        hub.host.kill()?;
        is_balanced(&hub.host)?;
        hub.host.launch()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let answers = hub.answers()?;
    let mut oracle = Hub::build()?;
    oracle.send(hub.sent);
    assert_eq!(answers, oracle.answers()?, "the effects are those of a run without kills, id by id");
    assert_eq!(answers.len(), usize::try_from(hub.sent)?);
    assert!(hub.device.again() > 0, "no kill met a message on its way");
    let heard = answered(&hub.client.heard());
    assert!(!heard.is_empty());
    for (marker, ids) in heard {
        assert_eq!(Some(&ids), answers.get(&marker), "marker {marker}");
    }
    Ok(())
}

#[test]
fn a_broker_that_restarts_costs_nothing() -> Result<()> {
    let (kills, bar) = wanted(10);
    let burst = (4 * BURST).min(EVENTS / kills).max(1);
    let mut stage = Stage::build()?;
    for round in 1..=kills {
        stage.send(burst)?;
        stage.client.acknowledged(usize::try_from(stage.sent)?)?;
        stage.broker.restart(Duration::from_millis(500))?;
        if round.is_multiple_of(ROUNDS) {
            stage.is_done()?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    stage.is_done()?;
    assert_eq!(stage.answers()?, oracle(stage.sent)?, "the effects are those of a run without restarts, id by id");
    stage.host.stop()
}

#[test]
fn a_broker_that_is_killed_costs_only_what_it_forgot_itself() -> Result<()> {
    let (kills, bar) = wanted(5);
    let burst = (2 * BURST).min(EVENTS / kills).max(1);
    let mut stage = Stage::build()?;
    let mut walk = Walk(0x6272_6f6b);
    for _ in 0..kills {
        stage.send(burst)?;
        std::thread::sleep(Duration::from_millis(walk.below(LIFE_MS)));
        stage.broker.kill()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    // It answered for messages that it had only in memory: the device says them again, under their own ids.
    for marker in 1..=stage.sent {
        mark(&stage.client, marker)?;
        if marker.is_multiple_of(AT_ONCE) {
            wait_until("every answer has left", || Ok(stage.host.accounts()?["accounts"]["waiting"] == 0))?;
        }
    }
    stage.is_done()?;
    let oracle = oracle(stage.sent)?;
    // Of the answers, too, it has forgotten some after it had taken them.
    let answers = answered(&stage.client.heard());
    assert!(!answers.is_empty());
    for (marker, ids) in answers {
        assert_eq!(Some(&ids), oracle.get(&marker), "marker {marker}");
    }
    stage.host.stop()?;
    assert_eq!(decided(&stage.host)?, oracle, "the effects are those of a run without kills, id by id");
    Ok(())
}
