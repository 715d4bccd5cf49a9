//! A mosquitto of our own, and the client that stands in for all devices.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{Client, MqttOptions};

use crate::devices::Message;

/// Tries to reach a broker that has just been started, and the pause between two.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// Messages that wait for the connection at most.
const QUEUE: usize = 100;

/// It ends when this is dropped.
pub(crate) struct Broker {
    pub(crate) port: u16,
    child: Child,
}

impl Broker {
    /// Starts it and waits until it listens. It keeps what the host has not fetched while that is away.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port")?;
        let port = listener.local_addr().context("failed to find a free port")?.port();
        drop(listener);
        let config = folder.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
        std::fs::write(&config, text).context("failed to write mosquitto.conf")?;
        let mut command = Command::new("mosquitto");
        // Distributions keep it off the path of users.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"));
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("failed to start mosquitto")?;
        let broker = Self { port, child };
        for _ in 0..TRIES {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(broker);
            }
            thread::sleep(PAUSE);
        }
        bail!("mosquitto does not listen on port {port}")
    }

    /// A client that publishes; a thread of its own drives its connection and ends with it.
    pub(crate) fn devices(&self) -> Result<Publisher> {
        let options = MqttOptions::new("soak-devices", "127.0.0.1", self.port);
        let (client, mut connection) = Client::new(options, QUEUE);
        let drive = move || connection.iter().take_while(Result::is_ok).for_each(drop);
        thread::Builder::new().name("devices".to_owned()).spawn(drive).context("failed to start a thread")?;
        Ok(Publisher(client))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Its folder is temporary: there is nothing that it would have to put in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Publisher(Client);

impl Publisher {
    pub(crate) fn send(&self, message: &Message) -> Result<()> {
        let sent = self.0.publish(message.topic, QoS::AtLeastOnce, false, message.payload.to_string());
        sent.context("the broker has cut the devices off")
    }
}
