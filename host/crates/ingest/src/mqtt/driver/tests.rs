//! Delivery over a real mosquitto, by both versions of the protocol.

use model::input::Body;

use super::{WAIT_DOUBLINGS, WAIT_FIRST};
use crate::inlet::{self, Outlet};
use crate::mqtt::{Address, ClientCertificate, Connection, Credentials, Options, Tls, Version};
use crate::testing::device::Device;
use crate::testing::mosquitto::Mosquitto;
use crate::testing::packets::Publish;
use crate::testing::{PATIENCE, again, freshness, intake, payload, take, take_one};

const ROOM: usize = 1 << 20;

fn options(broker: &Mosquitto, version: Version) -> Options {
    let address = broker.address();
    Options {
        address: Address { host: address.ip().to_string(), port: address.port(), tls: false },
        version,
        client_id: "pointsman-test-in".into(),
        subscribe: vec!["raw/#".into(), "probes/#".into()],
        subscribed: None,
        credentials: None,
        tls: Tls::default(),
    }
}

fn connect(broker: &Mosquitto, version: Version, bytes: usize) -> (Connection, Outlet) {
    let (inlet, outlet) = inlet::channel(bytes);
    let connection = Connection::start(options(broker, version), intake("shop"), inlet).expect("it starts");
    (connection, outlet)
}

/// Waits for a state of the connection.
async fn until(connection: &Connection, wanted: impl FnMut(&crate::status::State) -> bool) {
    let mut states = connection.status().watch();
    let waited = tokio::time::timeout(PATIENCE, states.wait_for(wanted)).await.map(|state| state.is_ok());
    assert_eq!(waited, Ok(true), "{:?}", connection.status().state());
}

/// Connected and subscribed: a retained message of the test's own has come.
async fn ready(broker: &Mosquitto, outlet: &Outlet) {
    let mut device = Device::connect(broker.address(), "ready", true).await;
    loop {
        device.publish("raw/ready", 1, b"ready").await;
        let seen = tokio::task::block_in_place(|| outlet.take(1, 1, std::time::Duration::from_millis(50)));
        if let Some(delivery) = seen.into_iter().next() {
            delivery.ticket.acknowledge();
            break;
        }
    }
    device.publish("raw/ready", 1, b"go").await;
    loop {
        let delivery = take_one(outlet);
        let last = payload(&delivery) == "go";
        delivery.ticket.acknowledge();
        if last {
            break;
        }
    }
}

async fn publish(broker: &Mosquitto, payloads: &[&str]) {
    let mut device = Device::connect(broker.address(), "device", true).await;
    for (payload, packet) in payloads.iter().zip(1..) {
        device.publish("raw/a", packet, payload.as_bytes()).await;
    }
}

/// Runs a test for both versions.
macro_rules! both {
    ($($name:ident => $check:ident;)*) => {
        mod version_5 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$check(super::Version::V5).await; })*
        }
        mod version_3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$check(super::Version::V311).await; })*
        }
    };
}

both! {
    a_message_that_was_not_acknowledged_comes_again_marked => redelivers;
    a_message_that_was_acknowledged_does_not_come_again => does_not_redeliver;
    the_session_outlives_the_broker => survives_a_restart;
    a_lost_session_is_reported_and_subscribed_anew => resubscribes;
    a_broker_that_starts_later_is_found => finds_a_late_broker;
    refused_credentials_are_shown_and_tried_again => shows_refusal;
    a_refused_subscription_is_shown_and_asked_for_again => asks_again;
    a_full_inlet_holds_the_broker_back_and_loses_nothing => holds_back;
    a_dropped_ticket_brings_the_message_again => renews_for_a_dropped_ticket;
    what_can_never_be_taken_is_counted_and_acknowledged => rejects;
    both_sides_prove_themselves_by_certificates => uses_certificates;
    a_message_that_several_filters_match_comes_once => hears_once;
    filters_of_an_older_configuration_are_taken_back => takes_back;
    a_retained_message_is_old_state_and_one_that_comes_now_is_news => tells_retained;
}

async fn redelivers(version: Version) {
    let broker = Mosquitto::open().await;
    let (connection, outlet) = connect(&broker, version, ROOM);
    ready(&broker, &outlet).await;
    let before = connection.status().counts().acknowledged;
    publish(&broker, &["one"]).await;
    let first = take_one(&outlet);
    assert!(!again(&first));
    assert_eq!(connection.status().counts().acknowledged, before, "nothing before the commit");
    connection.stop().await;

    let (_connection, outlet) = connect(&broker, version, ROOM);
    let second = take_one(&outlet);
    assert_eq!(payload(&second), "one");
    assert!(again(&second));
    let key = |delivery: &crate::Delivery| {
        let redelivery = delivery.inputs[0].redelivery.clone().expect("QoS 1");
        (redelivery.session, redelivery.packet, redelivery.digest)
    };
    assert_eq!(key(&first), key(&second));
}

async fn does_not_redeliver(version: Version) {
    let broker = Mosquitto::open().await;
    let (connection, outlet) = connect(&broker, version, ROOM);
    ready(&broker, &outlet).await;
    publish(&broker, &["one", "two"]).await;
    let (one, two) = (take_one(&outlet), take_one(&outlet));
    // Out of order: both leave once the first may.
    two.ticket.acknowledge();
    one.ticket.acknowledge();
    // A further message shows that the acknowledgements have reached the broker, which sends them in order.
    publish(&broker, &["three"]).await;
    take_one(&outlet).ticket.acknowledge();
    publish(&broker, &["four"]).await;
    let four = take_one(&outlet);
    assert_eq!(payload(&four), "four");
    connection.stop().await;

    let (_connection, outlet) = connect(&broker, version, ROOM);
    let next = take_one(&outlet);
    assert!(matches!(payload(&next).as_str(), "three" | "four"), "{}", payload(&next));
    assert!(again(&next));
}

async fn survives_a_restart(version: Version) {
    let mut broker = Mosquitto::open().await;
    let (connection, outlet) = connect(&broker, version, ROOM);
    ready(&broker, &outlet).await;
    broker.stop();
    until(&connection, |state| !state.connected && state.generation >= 1).await;
    broker.start().await;
    publish(&broker, &["after"]).await;
    loop {
        let delivery = take_one(&outlet);
        if payload(&delivery) == "after" {
            break;
        }
        assert!(again(&delivery), "only what the broker had no acknowledgement of yet comes before it");
        delivery.ticket.acknowledge();
    }
    assert_eq!(connection.status().counts().sessions_lost, 0);
}

async fn resubscribes(version: Version) {
    let mut broker = Mosquitto::open().await;
    let (connection, outlet) = connect(&broker, version, ROOM);
    ready(&broker, &outlet).await;
    broker.stop();
    broker.forget();
    broker.start().await;
    let lost = take_one(&outlet);
    assert!(
        matches!(&lost.inputs[0].body, Body::Host(model::input::HostEvent::SessionLost { source }) if &**source == "shop")
    );
    ready(&broker, &outlet).await;
    assert_eq!(connection.status().counts().sessions_lost, 1);
}

async fn finds_a_late_broker(version: Version) {
    let mut broker = Mosquitto::stopped("allow_anonymous true");
    let (connection, outlet) = connect(&broker, version, ROOM);
    until(&connection, |state| state.last_error.is_some()).await;
    assert!(!connection.status().state().connected);
    broker.start().await;
    until(&connection, |state| state.connected && state.last_error.is_none()).await;
    ready(&broker, &outlet).await;
}

async fn shows_refusal(version: Version) {
    let mut broker = Mosquitto::stopped("allow_anonymous false");
    broker.start().await;
    let (inlet, _outlet) = inlet::channel(ROOM);
    let credentials = Some(Credentials { user: "hub".into(), password: "wrong".into() });
    let options = Options { credentials, ..options(&broker, version) };
    let connection = Connection::start(options, intake("shop"), inlet).expect("it starts");
    until(&connection, |state| {
        state.last_error.as_ref().is_some_and(|why| why.contains("refuses the credentials")) && state.generation >= 2
    })
    .await;
}

/// What mosquitto's own file of rights cannot say, its plugin can: who may subscribe to what.
async fn asks_again(version: Version) {
    let mut broker =
        Mosquitto::stopped("allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {folder}/rights.json");
    let rights = broker.folder().join("rights.json");
    let may = |probes: bool| {
        let text = format!(
            r#"{{"defaultACLAccess":{{"publishClientSend":true,"publishClientReceive":true,"subscribe":true,"unsubscribe":true}},
                "roles":[{{"rolename":"hub","acls":[{{"acltype":"subscribePattern","topic":"probes/#","allow":{probes}}}]}}],
                "groups":[{{"groupname":"all","roles":[{{"rolename":"hub"}}]}}],"anonymousGroup":"all","clients":[]}}"#
        );
        std::fs::write(&rights, text).expect("a file of rights");
    };
    may(false);
    broker.start().await;
    let (connection, outlet) = connect(&broker, version, ROOM);
    until(&connection, |state| state.connected && state.refused_filters == ["probes/#"]).await;
    ready(&broker, &outlet).await;

    // The session lives on; what was refused in it is asked for again.
    broker.stop();
    may(true);
    broker.start().await;
    until(&connection, |state| state.connected && state.refused_filters.is_empty()).await;
    assert_eq!(connection.status().counts().sessions_lost, 0);
    let mut device = Device::connect(broker.address(), "probe", true).await;
    device.publish("probes/1", 1, br#"{"temp":3}"#).await;
    while freshness(&take_one(&outlet)).is_none() {}
}

async fn holds_back(version: Version) {
    let broker = Mosquitto::open().await;
    let (connection, outlet) = connect(&broker, version, 4_000);
    ready(&broker, &outlet).await;
    let payloads: Vec<String> = (0..40).map(|n| format!("{n:0400}")).collect();
    publish(&broker, &payloads.iter().map(String::as_str).collect::<Vec<_>>()).await;
    until(&connection, |state| state.last_error.as_ref().is_some_and(|why| why.contains("behind"))).await;
    let mut seen = std::collections::BTreeSet::new();
    // More may come: a message by which the connection was found to be ready.
    while !payloads.iter().all(|payload| seen.contains(payload)) {
        for delivery in take(&outlet) {
            seen.insert(payload(&delivery));
            delivery.ticket.acknowledge();
        }
    }
    assert!(connection.status().counts().held_back >= 1);
}

async fn renews_for_a_dropped_ticket(version: Version) {
    let broker = Mosquitto::open().await;
    let (_connection, outlet) = connect(&broker, version, ROOM);
    ready(&broker, &outlet).await;
    publish(&broker, &["one"]).await;
    drop(take_one(&outlet));
    // The driver notices with the next thing that happens on the connection.
    publish(&broker, &["two"]).await;
    loop {
        let delivery = take_one(&outlet);
        let back = payload(&delivery) == "one" && again(&delivery);
        delivery.ticket.acknowledge();
        if back {
            break;
        }
    }
}

async fn rejects(version: Version) {
    let broker = Mosquitto::open().await;
    let (connection, outlet) = connect(&broker, version, ROOM);
    ready(&broker, &outlet).await;
    let mut device = Device::connect(broker.address(), "device", true).await;
    device.publish("raw/large", 1, &vec![b'x'; model::limits::PAYLOAD_BYTES + 1]).await;
    device.publish("probes/1", 2, b"{\"temp\":").await;
    device.publish("probes/1", 3, b"\xff\xfe").await;
    device.publish("probes/1", 4, "[".repeat(200).as_bytes()).await;
    device.publish("probes/1", 5, br#"{"temp":NaN,"ts":1651468440}"#).await;
    device.publish("raw/large", 6, &vec![b'x'; model::limits::PAYLOAD_BYTES]).await;
    for code in ["payload-too-large", "malformed-json", "not-utf8", "too-deep"] {
        let delivery = take_one(&outlet);
        assert_eq!((delivery.inputs.len(), &*delivery.rejected), (0, &[code][..]));
        delivery.ticket.acknowledge();
    }
    let probe = take_one(&outlet);
    assert_eq!(freshness(&probe), Some(model::Freshness::Live));
    assert_eq!(payload(&take_one(&outlet)).len(), model::limits::PAYLOAD_BYTES);
    let counts = connection.status().counts();
    let expected = [("malformed-json", 1), ("not-utf8", 1), ("payload-too-large", 1), ("too-deep", 1)];
    assert_eq!(counts.rejected, expected.into());
    assert_eq!(counts.bad_values, 1);
}

/// The payloads on their way, up to and without one that is published now.
async fn payloads_until(broker: &Mosquitto, outlet: &Outlet, marker: &str) -> Vec<String> {
    publish(broker, &[marker]).await;
    let mut seen = Vec::new();
    loop {
        let delivery = take_one(outlet);
        let text = payload(&delivery);
        delivery.ticket.acknowledge();
        if text == marker {
            return seen;
        }
        seen.push(text);
    }
}

async fn hears_once(version: Version) {
    let broker = Mosquitto::open().await;
    let (inlet, outlet) = inlet::channel(ROOM);
    let subscribe = ["raw/#", "raw/a", "raw/+/c", "raw/b/+", "probes/1", "probes/+"].map(model::Name::from).to_vec();
    let options = Options { subscribe, ..options(&broker, version) };
    let _connection = Connection::start(options, intake("shop"), inlet).expect("it starts");
    ready(&broker, &outlet).await;
    let mut device = Device::connect(broker.address(), "device", true).await;
    device.publish("raw/b/c", 1, b"one").await;
    device.publish("raw/a", 2, b"two").await;
    device.publish("probes/1", 3, b"{\"temp\":3}").await;
    let seen = payloads_until(&broker, &outlet, "end").await;
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[..2], ["one", "two"]);
}

async fn takes_back(version: Version) {
    let broker = Mosquitto::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("subscribed/shop.json");
    let with = |filters: &[&str]| {
        let (inlet, outlet) = inlet::channel(ROOM);
        let subscribe = filters.iter().map(|filter| model::Name::from(*filter)).collect();
        let options = Options { subscribe, subscribed: Some(file.clone()), ..options(&broker, version) };
        (Connection::start(options, intake("shop"), inlet).expect("it starts"), outlet)
    };
    let noted = |filters: &str| {
        let (file, filters) = (file.clone(), filters.to_owned());
        let noted = async move {
            while std::fs::read_to_string(&file).unwrap_or_default() != filters {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        async { tokio::time::timeout(PATIENCE, noted).await.expect("it is noted in time") }
    };
    let (connection, outlet) = with(&["raw/a", "raw/ready", "raw/old"]);
    ready(&broker, &outlet).await;
    connection.stop().await;

    let (_connection, outlet) = with(&["raw/+"]);
    noted(r#"["raw/+"]"#).await;
    ready(&broker, &outlet).await;
    publish(&broker, &["one"]).await;
    assert_eq!(payloads_until(&broker, &outlet, "end").await, ["one"]);
}

async fn tells_retained(version: Version) {
    let broker = Mosquitto::open().await;
    let mut device = Device::connect(broker.address(), "device", true).await;
    let retained = |packet, payload: &'static [u8]| {
        Publish { retained: true, ..Publish::qos1("raw/state", packet, payload) }.bytes()
    };
    device.send(&retained(1, b"before")).await;
    assert_eq!(device.puback().await, 1);
    let (_connection, outlet) = connect(&broker, version, ROOM);
    for (text, old) in [("before", true), ("now", false)] {
        let delivery = take_one(&outlet);
        let Body::Message(message) = &delivery.inputs[0].body else { panic!("no message") };
        assert_eq!((payload(&delivery).as_str(), message.retained), (text, old));
        delivery.ticket.acknowledge();
        if old {
            device.send(&retained(2, b"now")).await;
        }
    }
}

async fn uses_certificates(version: Version) {
    let mut broker = Mosquitto::stopped(
        "allow_anonymous true\nrequire_certificate true\ncafile {folder}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key",
    );
    let folder = broker.folder().to_owned();
    certificates::write(&folder);
    broker.start().await;
    let with = |tls: Tls| {
        let (inlet, outlet) = inlet::channel(ROOM);
        let plain = options(&broker, version);
        let address = Address { host: "localhost".into(), tls: true, ..plain.address.clone() };
        let options = Options { address, tls, subscribe: Vec::new(), ..plain };
        (Connection::start(options, intake("shop"), inlet).expect("it starts"), outlet)
    };
    let client = Some(ClientCertificate { chain: folder.join("hub.pem"), key: folder.join("hub.key") });
    let trusting = Tls { ca: Some(folder.join("ca.pem")), client };
    let (connection, _outlet) = with(trusting.clone());
    until(&connection, |state| state.connected).await;
    connection.stop().await;

    for lacking in [Tls { client: None, ..trusting.clone() }, Tls { ca: None, ..trusting }] {
        let (connection, _outlet) = with(lacking);
        until(&connection, |state| state.last_error.is_some() && state.generation >= 2).await;
        assert!(!connection.status().state().connected);
    }
}

/// A broker that is gone for a minute: the driver comes to its longest waits, and finds the broker after one of them. The
/// minute passes on tokio's clock, over real connections that a real port refuses.
async fn outlasts_a_minute(version: Version) {
    let mut broker = Mosquitto::open().await;
    let (connection, outlet) = connect(&broker, version, ROOM);
    until(&connection, |state| state.connected).await;
    broker.stop();
    until(&connection, |state| !state.connected).await;

    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let mut states = connection.status().watch();
    let (mut longest, mut tries) = (std::time::Duration::ZERO, 0);
    while begun.elapsed() < std::time::Duration::from_secs(60) {
        let before = tokio::time::Instant::now();
        states.changed().await.expect("the driver lives");
        longest = longest.max(before.elapsed());
        tries += 1;
    }
    let most = WAIT_FIRST * 2_u32.pow(WAIT_DOUBLINGS);
    assert!(most / 2 <= longest && longest <= most, "the longest of {tries} waits was {longest:?}");
    assert!((8..20).contains(&tries), "{tries} tries in a minute");

    // The driver waits again. No time passes for it until the broker listens.
    broker.start_at_once();
    tokio::time::advance(most).await;
    tokio::time::resume();
    until(&connection, |state| state.connected).await;
    publish(&broker, &["after"]).await;
    let hears = move || outlet.take(1, 1, PATIENCE).pop().map(|delivery| payload(&delivery));
    assert_eq!(tokio::task::spawn_blocking(hears).await.expect("it runs").as_deref(), Some("after"));
    assert_eq!(connection.status().counts().sessions_lost, 0);
}

#[tokio::test]
async fn a_broker_that_is_gone_for_a_minute_is_found_by_version_5() {
    outlasts_a_minute(Version::V5).await;
}

#[tokio::test]
async fn a_broker_that_is_gone_for_a_minute_is_found_by_version_3() {
    outlasts_a_minute(Version::V311).await;
}

/// An authority with a broker's and a hub's certificate.
mod certificates {
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    pub(super) fn write(folder: &Path) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let own = params.self_signed(&key).expect("an authority");
        std::fs::write(folder.join("ca.pem"), own.pem()).expect("a file");
        let issuer = Issuer::new(params, key);
        for (file, name) in [("broker", "localhost"), ("hub", "hub")] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            // A subject equal to the issuer's would make it look self-signed.
            params.distinguished_name.push(DnType::CommonName, name);
            let signed = params.signed_by(&key, &issuer).expect("a certificate");
            std::fs::write(folder.join(file).with_extension("pem"), signed.pem()).expect("a file");
            std::fs::write(folder.join(file).with_extension("key"), key.serialize_pem()).expect("a file");
        }
    }
}
