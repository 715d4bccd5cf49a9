//! What lasts over kills: holds, timers, confirmed commands and webhooks, each effect under the id of a run without.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use crate::broker::Broker;
use crate::client::{Mqtt, wait_until};
use crate::host::{Host, hears_all};
use crate::kills::{LIFE_MS, Walk, is_balanced, wanted};
use crate::receiver::Receiver;

/// Doors that are opened at once in the run without kills: what people are told of them waits for one receiver.
const AT_ONCE: u64 = 400;
/// Doors that are opened between two kills: their holds, timers and commands overlap those of the next.
const BURST: u64 = 4;

const DEPLOYMENT: &str = r#"
[roles]
door = "kind = 'door'"

[grants]
commands = ["door:lock"]
notifications = ["locked"]
"#;

/// By door, the ids of the commands that it got.
type Commands = BTreeMap<String, BTreeSet<String>>;

/// A broker, a host, the doors and the receiver of a webhook.
struct House {
    host: Host,
    doors: Mqtt,
    receiver: Receiver,
    opened: u64,
    /// Commands that were obeyed.
    obeyed: usize,
    _broker: Broker,
    _folder: tempfile::TempDir,
}

impl House {
    fn build(doors: u64) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::start(folder.path())?;
        let receiver = Receiver::start("200 OK")?;
        std::fs::write(folder.path().join("secret"), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")?;
        std::fs::create_dir_all(folder.path().join("templates"))?;
        let template =
            "class = \"service\"\npurpose = \"comfort\"\ntext.en = { title = \"Locked\", body = \"{{ door }}\" }\n";
        std::fs::write(folder.path().join("templates/locked.toml"), template)?;
        let mut text = format!(
            "[[mqtt]]\nname = \"local\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
             \n[[sink]]\nname = \"hook\"\nwebhook = {{ url = \"http://127.0.0.1:{}/hook\", secret-file = \"secret\" }}\n\
             \n[[group]]\nname = \"household\"\nsinks = [\"hook\"]\n",
            broker.port, receiver.port
        );
        for door in 1..=doors {
            write!(
                text,
                "\n[[device]]\nid = \"door-{door}\"\nkind = \"door\"\n\
                 source = {{ topic = \"doors/{door}\", time = \"/at\", \
                 readings = {{ contact = {{ path = \"/open\" }}, locked = {{ path = \"/locked\" }} }} }}\n\
                 commands.lock = {{ capability = \"locked\", value = true, topic = \"doors/{door}/set\", \
                 payload = '{{\"lock\":true}}' }}\nconfirm = {{ within = \"5m\", retries = 0 }}\n"
            )?;
        }
        let mut host = Host::new(folder.path(), &text)?;
        host.deploy("lasting", "lasting", DEPLOYMENT)?;
        host.start()?;
        let doors = Mqtt::connect(broker.port, "doors", "doors/+/set")?;
        Ok(Self { host, doors, receiver, opened: 0, obeyed: 0, _broker: broker, _folder: folder })
    }

    /// Opens the next doors. Each says when by its own clock, from which the id of its hold follows.
    fn open(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.opened += 1;
            let at = format!("2026-03-02T05:{:02}:{:02}Z", self.opened / 60 % 60, self.opened % 60);
            self.doors.publish(&format!("doors/{}", self.opened), &format!("{{\"open\":true,\"at\":\"{at}\"}}"))?;
        }
        Ok(())
    }

    /// Each door that was told to lock says that it did.
    fn obey(&mut self) -> Result<()> {
        let heard = self.doors.heard();
        for command in &heard[self.obeyed..] {
            self.doors.publish(command.topic.trim_end_matches("/set"), "{\"locked\":true}")?;
        }
        self.obeyed = heard.len();
        Ok(())
    }

    /// Waits until people were told of every door.
    fn is_done(&mut self) -> Result<()> {
        let opened = usize::try_from(self.opened)?;
        wait_until("people are told of every door", || {
            self.obey()?;
            let accounts = self.host.accounts()?;
            let waits = ["waiting", "pending"].iter().any(|name| accounts["accounts"][name] != 0);
            Ok(!waits && self.told().len() == opened)
        })?;
        is_balanced(&self.host)
    }

    fn commands(&self) -> Commands {
        let mut commands = Commands::new();
        for command in self.doors.heard() {
            commands.entry(command.topic).or_default().extend(command.effect);
        }
        commands
    }

    /// The ids under which people were told.
    fn told(&self) -> BTreeSet<String> {
        self.receiver.asked().into_iter().map(|(_, id)| id).collect()
    }
}

#[test]
fn holds_timers_confirmed_commands_and_webhooks_outlive_kills_under_their_own_ids() -> Result<()> {
    let (kills, bar) = wanted(4);
    let mut house = House::build(kills * BURST)?;
    let mut walk = Walk(0x6c61_7374);
    for _ in 0..kills {
        house.open(BURST)?;
        // Holds go on once what waited has come. The instant after that is what is random here: within a hold, a timer, a
        // command or a webhook.
        house.host.answers("/readyz", hears_all)?;
        std::thread::sleep(Duration::from_millis(walk.below(3 * LIFE_MS)));
        house.obey()?;
        house.host.kill()?;
        is_balanced(&house.host)?;
        house.host.launch()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    assert!(!house.doors.heard().is_empty(), "every kill came before a hold and its timer could go on");
    house.is_done()?;
    let mut oracle = House::build(house.opened)?;
    while oracle.opened < house.opened {
        oracle.open(AT_ONCE.min(house.opened - oracle.opened))?;
        oracle.is_done()?;
    }
    let commands = house.commands();
    assert_eq!(commands.len(), usize::try_from(house.opened)?);
    assert!(commands.values().all(|ids| ids.len() == 1), "one id over all attempts: {commands:?}");
    assert_eq!(commands, oracle.commands(), "the commands are those of a run without kills, id by id");
    assert_eq!(house.told(), oracle.told(), "people are told under the ids of a run without kills");
    house.host.stop()?;
    oracle.host.stop()
}
