//! MQTT against a real mosquitto on loopback.

use std::process::{Child, Command, Stdio};

use model::device::{ANY_ACTION, Action, Actions, Confirm, Device, DeviceNo};
use model::outgoing::OutgoingBody;
use model::{Attributes, Value, limits};
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tempfile::TempDir;

use super::*;
use crate::certificates::Certificates;
use crate::{Reached, tls};

/// A mosquitto of our own; ends with the test.
struct Broker {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Broker {
    fn start(settings: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("listener {port} 127.0.0.1\npersistence false\n{settings}\n");
        std::fs::write(folder.path().join("broker.conf"), text).expect("written");
        let mut broker = Self { port, folder, child: None };
        broker.up();
        broker
    }

    fn up(&mut self) {
        let path = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"];
        let path = path.into_iter().find(|path| std::path::Path::new(path).exists()).unwrap_or("mosquitto");
        let child = Command::new(path)
            .arg("-c")
            .arg(self.folder.path().join("broker.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("mosquitto is installed"));
    }

    fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it ran");
            child.wait().expect("it ended");
        }
    }

    fn options(&self) -> Options {
        Options::new("mqtt:shop", "pointsman-test-out", "127.0.0.1", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.down();
    }
}

/// Hears everything that is published.
struct Listener {
    // Dropping the client would end the loop.
    _client: AsyncClient,
    eventloop: EventLoop,
}

impl Listener {
    async fn to(broker: &Broker) -> Self {
        Self::on(broker.port).await
    }

    async fn on(port: u16) -> Self {
        let options = MqttOptions::new("listener", "127.0.0.1", port);
        let (client, eventloop) = AsyncClient::new(options, 8);
        client.subscribe("#", rumqttc::v5::mqttbytes::QoS::AtLeastOnce).await.expect("asked");
        let mut listener = Self { _client: client, eventloop };
        listener.until(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
        listener
    }

    async fn next(&mut self) -> Publish {
        let publish = |packet| match packet {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        };
        self.until(publish).await
    }

    async fn until<T>(&mut self, wanted: impl Fn(Packet) -> Option<T>) -> T {
        loop {
            match self.eventloop.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if let Some(found) = wanted(packet) {
                        return found;
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                // The broker may still be starting.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

/// A device that declares no action.
const BLIND: DeviceNo = DeviceNo(7);

fn devices() -> DevicesNow {
    let action = |payload: &str| Action {
        sets: None,
        momentary: false,
        idempotent: false,
        expires: model::limits::COMMAND_EXPIRY,
        topic: "zigbee2mqtt/lamp/set".into(),
        payload: payload.into(),
    };
    let lamp = Device {
        number: DeviceNo(1),
        id: "lamp".into(),
        kind: "switch".into(),
        site: "home".into(),
        source: None,
        availability: None,
        commands: Actions::from_iter([
            ("on".into(), action(r#"{"state":"ON"}"#)),
            ("say".into(), action(r#"{"text":"{{ value }}","level":{{ level }},"for":"{{ device }}/{{ effect }}"}"#)),
        ]),
        confirm: Confirm::default(),
        about: Vec::new(),
    };
    let any = Action { topic: "devices/blind/commands".into(), ..action("{{ command }}") };
    let blind = Device {
        number: BLIND,
        id: "blind".into(),
        commands: Actions::from_iter([(ANY_ACTION.into(), any)]),
        ..lamp.clone()
    };
    let devices = Arc::new(Devices::new([lamp, blind]));
    Arc::new(move || devices.clone())
}

fn command(action: &str, arguments: Attributes) -> Outgoing {
    outgoing(OutgoingBody::Command {
        device: DeviceNo(1),
        action: action.into(),
        arguments,
        only_if: Vec::new(),
        momentary: false,
    })
}

fn publish(topic: &str, bytes: usize) -> Outgoing {
    outgoing(OutgoingBody::Publish {
        topic: topic.into(),
        payload: vec![b'x'; bytes].into(),
        content_type: Some("text/plain".into()),
        retained: true,
    })
}

fn outgoing(body: OutgoingBody) -> Outgoing {
    Outgoing {
        effect: Id([0xcd; 16]),
        sink: "mqtt:shop".into(),
        target: "lamp".into(),
        committed_at: Instant(0),
        expires_at: Some(Instant(0) + limits::COMMAND_EXPIRY),
        body,
    }
}

async fn send(sink: &Mqtt, outgoing: &Outgoing) -> Result<(), Failure> {
    sink.ready().await;
    sink.send(outgoing, Instant(0)).await
}

#[tokio::test]
async fn a_command_arrives_by_its_device_with_the_effect_id_and_not_retained() {
    let broker = Broker::start("allow_anonymous true");
    let mut listener = Listener::to(&broker).await;
    let sink = Mqtt::start(&broker.options(), devices());
    let arguments = vec![("value".into(), Value::text("a \"b\"")), ("level".into(), Value::Number(3.0))];
    assert_eq!(send(&sink, &command("say", arguments)).await, Ok(()));
    let heard = listener.next().await;
    assert_eq!(&*heard.topic, b"zigbee2mqtt/lamp/set");
    let id = "cd".repeat(16);
    assert_eq!(&*heard.payload, format!(r#"{{"text":"a \"b\"","level":3,"for":"lamp/{id}"}}"#).as_bytes());
    assert!(!heard.retain);
    let properties = heard.properties.expect("version 5 has properties");
    assert_eq!(properties.user_properties, [("pointsman-effect".to_owned(), id)]);
    let lives = properties.message_expiry_interval.expect("commands expire");
    assert!((1..=300).contains(&lives), "{lives}");
}

#[tokio::test]
async fn version_3_1_1_delivers_too() {
    let broker = Broker::start("allow_anonymous true");
    let mut listener = Listener::to(&broker).await;
    let sink = Mqtt::start(&Options { version: Version::V311, ..broker.options() }, devices());
    assert_eq!(send(&sink, &command("on", Vec::new())).await, Ok(()));
    assert_eq!(&*listener.next().await.payload, br#"{"state":"ON"}"#);
}

#[tokio::test]
async fn a_publish_keeps_its_topic_payload_and_content_type() {
    let broker = Broker::start("allow_anonymous true");
    let mut listener = Listener::to(&broker).await;
    let sink = Mqtt::start(&broker.options(), devices());
    assert_eq!(send(&sink, &publish("pointsman/excursions/1", 5)).await, Ok(()));
    let heard = listener.next().await;
    assert_eq!((&*heard.topic, &*heard.payload), (&b"pointsman/excursions/1"[..], &b"xxxxx"[..]));
    assert_eq!(heard.properties.and_then(|properties| properties.content_type).as_deref(), Some("text/plain"));
}

#[tokio::test]
async fn a_payload_may_be_as_large_as_the_limit_and_not_larger() {
    let broker = Broker::start("allow_anonymous true");
    let sink = Mqtt::start(&broker.options(), devices());
    assert_eq!(send(&sink, &publish("a", limits::PAYLOAD_BYTES)).await, Ok(()));
    assert_eq!(send(&sink, &publish("a", limits::PAYLOAD_BYTES + 1)).await, Err(Failure::refused("too-large")));
}

#[tokio::test]
async fn what_cannot_be_published_fails_for_good_with_its_reason() {
    let broker = Broker::start("allow_anonymous true");
    let sink = Mqtt::start(&broker.options(), devices());
    let mut elsewhere = command("on", Vec::new());
    if let OutgoingBody::Command { device, .. } = &mut elsewhere.body {
        *device = DeviceNo(2);
    }
    let cases = [
        (command("dance", Vec::new()), "no-such-action"),
        (command("say", Vec::new()), "missing-argument"),
        (command("say", vec![("value".into(), "x".into()), ("level".into(), "high".into())]), "bad-template"),
        (elsewhere, "no-such-device"),
        (publish("a/+/b", 1), "bad-topic"),
        (publish("", 1), "bad-topic"),
    ];
    for (outgoing, reason) in cases {
        assert_eq!(send(&sink, &outgoing).await, Err(Failure::refused(reason)));
    }
}

#[tokio::test]
async fn a_broker_that_forbids_a_topic_fails_the_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let acl = folder.path().join("acl");
    std::fs::write(&acl, "topic read #\ntopic write allowed/#\n").expect("written");
    let broker = Broker::start(&format!("allow_anonymous true\nacl_file {}", acl.display()));
    let sink = Mqtt::start(&broker.options(), devices());
    assert_eq!(send(&sink, &publish("secret/1", 1)).await, Err(Failure::refused("not-authorized")));
    assert_eq!(send(&sink, &publish("allowed/1", 1)).await, Ok(()));
}

#[tokio::test]
async fn a_packet_beyond_the_brokers_limit_is_refused_and_the_connection_stays() {
    let broker = Broker::start("allow_anonymous true\nmax_packet_size 2000");
    let sink = Mqtt::start(&broker.options(), devices());
    assert_eq!(send(&sink, &publish("a", 3_000)).await, Err(Failure::refused("too-large")));
    assert_eq!(send(&sink, &publish("a", 1_000)).await, Ok(()));
    assert!(sink.status().borrow().connected);
}

#[tokio::test]
async fn a_broker_that_comes_later_or_again_is_found() {
    let mut broker = Broker::start("allow_anonymous true");
    broker.down();
    let sink = Mqtt::start(&broker.options(), devices());
    let mut status = sink.status();
    let absent = status.wait_for(|status| status.error.is_some()).await.expect("the sink lives").clone();
    assert!(!absent.connected);
    let refused = sink.send(&publish("a", 1), Instant(0)).await;
    assert_eq!(refused, Err(Failure::passing("not-connected", Reached::No)));
    broker.up();
    assert_eq!(send(&sink, &publish("a", 1)).await, Ok(()));
    broker.down();
    status.wait_for(|status| !status.connected).await.expect("the sink lives");
    broker.up();
    assert_eq!(send(&sink, &publish("a", 1)).await, Ok(()));
}

#[tokio::test]
async fn a_broker_that_refuses_our_password_is_named() {
    let mut broker = Broker::start("allow_anonymous false");
    let options = Options { credentials: Some(("us".into(), Secret::new("wrong"))), ..broker.options() };
    let sink = Mqtt::start(&options, devices());
    let mut status = sink.status();
    let refused = |status: &Status| status.error.as_deref().is_some_and(|error| error.contains("refused, return code"));
    assert!(!status.wait_for(refused).await.expect("the sink lives").connected);
    broker.down();
}

/// Accepts one client and reads its publish; then closes the connection, or waits until the client does.
async fn mute_broker(closes: bool) -> (u16, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let mut bytes = [0; 1024];
        assert!(socket.read(&mut bytes).await.expect("a CONNECT") > 0);
        // CONNACK, success, no properties.
        socket.write_all(&[0x20, 3, 0, 0, 0]).await.expect("answered");
        assert!(socket.read(&mut bytes).await.expect("a PUBLISH") > 0);
        while !closes && socket.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    });
    (port, served)
}

#[tokio::test]
async fn a_publish_that_is_never_acknowledged_ends_the_connection_and_may_have_arrived() {
    let (port, served) = mute_broker(false).await;
    let options = Options {
        acknowledge_within: Duration::from_millis(50),
        ..Options::new("mqtt:shop", "pointsman-test-out", "127.0.0.1", port)
    };
    let sink = Mqtt::start(&options, devices());
    assert_eq!(send(&sink, &publish("a", 1)).await, Err(Failure::passing("no-acknowledgement", Reached::Perhaps)));
    served.await.expect("the client closed the connection");
}

#[tokio::test]
async fn a_publish_that_is_cut_off_before_its_acknowledgement_may_have_arrived() {
    let (port, served) = mute_broker(true).await;
    let sink = Mqtt::start(&Options::new("mqtt:shop", "pointsman-test-out", "127.0.0.1", port), devices());
    assert_eq!(send(&sink, &publish("a", 1)).await, Err(Failure::passing("connection-lost", Reached::Perhaps)));
    served.await.expect("one connection");
}

#[tokio::test]
async fn effects_wait_for_their_broker_and_arrive_in_order() {
    const COUNT: u8 = 20;
    let mut broker = Broker::start("allow_anonymous true");
    broker.down();
    let sink = Arc::new(Mqtt::start(&broker.options(), devices()));
    let (results, mut ends) = tokio::sync::mpsc::channel(64);
    let (dispatcher, handle) = crate::Dispatcher::new(crate::Options {
        sinks: vec![sink.clone()],
        source: Arc::new(|_| std::future::ready(Ok(Vec::new()))),
        results,
        clock: Arc::new(|| Instant(0)),
        gate: None,
    });
    tokio::spawn(dispatcher.run());
    let row = |n: u8| {
        let mut outgoing = publish("in/order", 1);
        outgoing.effect = Id([n; 16]);
        if let OutgoingBody::Publish { payload, retained, .. } = &mut outgoing.body {
            *payload = Box::new([n]);
            *retained = false;
        }
        store::OutboxRow { outgoing, attempts: 0, due: Instant(0) }
    };
    handle.offer((0..COUNT).map(row).collect());
    sink.status().wait_for(|status| status.error.is_some()).await.expect("the sink lives");
    assert!(ends.try_recv().is_err());
    broker.up();
    let mut listener = Listener::to(&broker).await;
    // What was sent before the listener was there is not heard; what it hears is in order and without gaps.
    handle.offer((COUNT..2 * COUNT).map(row).collect());
    for n in 0..2 * COUNT {
        let end = loop {
            let end = ends.recv().await.expect("an end");
            if end.outcome.word() != model::input::RETRYING {
                break end;
            }
        };
        assert_eq!((end.effect, end.outcome.word()), (Id([n; 16]), "accepted"));
    }
    for n in COUNT..2 * COUNT {
        let heard = listener.until(|packet| match packet {
            Packet::Publish(publish) if publish.payload[0] >= COUNT => Some(publish.payload[0]),
            _ => None,
        });
        assert_eq!(heard.await, n);
    }
    handle.stop().await;
}

#[tokio::test]
async fn an_action_that_is_not_declared_leaves_as_our_own_json() {
    let broker = Broker::start("allow_anonymous true");
    let mut listener = Listener::to(&broker).await;
    let sink = Mqtt::start(&broker.options(), devices());
    // Arguments named as what is ours do not take its place.
    let arguments = vec![("effect".into(), Value::text("mine")), ("command".into(), Value::Integer(3))];
    let mut outgoing = command("dim", arguments);
    if let OutgoingBody::Command { device, .. } = &mut outgoing.body {
        *device = BLIND;
    }
    assert_eq!(send(&sink, &outgoing).await, Ok(()));
    let heard = listener.next().await;
    assert_eq!(&*heard.topic, b"devices/blind/commands");
    let payload: serde_json::Value = serde_json::from_slice(&heard.payload).expect("JSON");
    let expected = serde_json::json!({
        "id": "cd".repeat(16),
        "device": "blind",
        "action": "dim",
        "arguments": {"effect": "mine", "command": 3},
        "at": "1970-01-01T00:00:00Z",
        "expires-at": "1970-01-01T00:05:00Z",
    });
    assert_eq!(payload, expected);
}

#[tokio::test]
async fn commands_leave_over_tls_with_a_certificate_of_our_own() {
    let certificates = Certificates::new();
    let file = |name: &str| certificates.file(name).display().to_string();
    let plain = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let broker = Broker::start(&format!(
        "user root\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n\
         listener {} 127.0.0.1\nallow_anonymous true",
        file("ca.pem"),
        file("server.pem"),
        file("server.key"),
        plain.port()
    ));
    let mut listener = Listener::on(plain.port()).await;
    let with = |files: &tls::Files| {
        let mut options = Options { host: "localhost".into(), ..broker.options() };
        options.tls = Some(Arc::new(tls::client(files).expect("sound files")));
        Mqtt::start(&options, devices())
    };
    let sink = with(&certificates.of_hub());
    assert_eq!(send(&sink, &command("on", Vec::new())).await, Ok(()));
    assert_eq!(&*listener.next().await.payload, br#"{"state":"ON"}"#);
    drop(sink);
    let others = Certificates::new();
    let strangers = [
        tls::Files { identity: None, ..certificates.of_hub() },
        tls::Files { authority: others.of_hub().authority, ..certificates.of_hub() },
        tls::Files { identity: others.of_hub().identity, ..certificates.of_hub() },
    ];
    for files in strangers {
        let sink = with(&files);
        sink.status().wait_for(|status| status.error.is_some()).await.expect("the sink lives");
        assert!(!sink.status().borrow().connected);
    }
}

#[tokio::test]
async fn many_targets_at_once_are_all_acknowledged() {
    let broker = Broker::start("allow_anonymous true");
    let sink = Arc::new(Mqtt::start(&broker.options(), devices()));
    let mut all = tokio::task::JoinSet::new();
    for n in 0..2_000_u32 {
        let sink = sink.clone();
        all.spawn(async move { send(&sink, &publish(&format!("many/{n}"), 20)).await });
        // Never more at once than the dispatcher would send.
        if all.len() >= CONCURRENCY {
            assert_eq!(all.join_next().await.expect("one").expect("no panic"), Ok(()));
        }
    }
    while let Some(result) = all.join_next().await {
        assert_eq!(result.expect("no panic"), Ok(()));
    }
}

/// The minute passes on tokio's clock, over real connections that a real port refuses.
#[tokio::test]
async fn a_broker_that_is_gone_for_a_minute_is_published_to_again() {
    const LONGEST: Duration = Duration::from_secs(30);
    let mut broker = Broker::start("allow_anonymous true");
    let sink = Mqtt::start(&broker.options(), devices());
    let mut states = sink.status();
    states.wait_for(|status| status.connected).await.expect("the driver lives");
    broker.down();
    states.wait_for(|status| !status.connected).await.expect("the driver lives");

    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let (mut longest, mut tries) = (Duration::ZERO, 0);
    while begun.elapsed() < Duration::from_secs(70) {
        let before = tokio::time::Instant::now();
        states.changed().await.expect("the driver lives");
        longest = longest.max(before.elapsed());
        tries += 1;
    }
    assert!(
        LONGEST <= longest && longest <= LONGEST * 11 / 10 + Duration::from_millis(1),
        "{tries} tries: {longest:?}"
    );
    assert_eq!(sink.send(&publish("a", 1), Instant(0)).await, Err(Failure::passing("not-connected", Reached::No)));

    // The driver waits again. No time passes for it until the broker listens.
    broker.up();
    while std::net::TcpStream::connect(("127.0.0.1", broker.port)).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    tokio::time::advance(LONGEST * 2).await;
    tokio::time::resume();
    assert_eq!(send(&sink, &publish("a", 1)).await, Ok(()));
}
