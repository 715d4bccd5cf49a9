//! Delivery by the embedded broker: what is promised over an external one is promised here.

use super::*;
use crate::Ids;
use crate::devices::Shared;
use crate::inlet::{self, Delivery, Outlet};
use crate::testing::device::Device;
use crate::testing::packets::{Publish, connect_with};
use crate::testing::{again, freshness, intake, map, payload, probe, take_one};

const ROOM: usize = 1 << 20;

async fn open(folder: &std::path::Path) -> (Broker, Outlet) {
    let (mut broker, outlet) = start(folder).await;
    broker.open(|_| false).await;
    (broker, outlet)
}

/// One that lets nobody in yet.
async fn start(folder: &std::path::Path) -> (Broker, Outlet) {
    let (inlet, outlet) = inlet::channel(ROOM);
    let options = Options { listen: "127.0.0.1:0".parse().expect("an address"), folder: folder.join("broker") };
    let broker = Broker::start(options, intake("broker"), inlet).await.expect("it starts");
    (broker, outlet)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Nothing came before this message.
async fn expect_next(device: &mut Device, outlet: &Outlet, marker: &str) {
    device.send(&Publish::qos1("raw/marker", 900, marker.as_bytes()).bytes()).await;
    let delivery = take_one(outlet);
    assert_eq!(payload(&delivery), marker);
    delivery.ticket.acknowledge();
    assert_eq!(device.puback().await, 900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_is_acknowledged_only_after_the_commit() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let mut device = Device::connect(broker.address(), "probe", true).await;
    device.send(&Publish::qos1("raw/a", 5, b"one").bytes()).await;
    let delivery = take_one(&outlet);
    assert_eq!(payload(&delivery), "one");
    assert!(!device.has_answer().await);
    assert_eq!(broker.status().counts().acknowledged, 0);
    delivery.ticket.acknowledge();
    assert_eq!(device.puback().await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_before_the_acknowledgement_brings_it_again_marked() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let publish = Publish::qos1("raw/a", 5, b"one");
    let mut device = Device::connect(broker.address(), "probe", false).await;
    device.send(&publish.bytes()).await;
    let first = take_one(&outlet);
    drop(device);

    let mut device = Device::connect(broker.address(), "probe", false).await;
    device.send(&Publish { again: true, ..publish }.bytes()).await;
    let second = take_one(&outlet);
    assert!(!again(&first) && again(&second));
    let key = |delivery: &Delivery| {
        let redelivery = delivery.inputs[0].redelivery.clone().expect("QoS 1");
        (redelivery.session, redelivery.packet, redelivery.digest)
    };
    assert_eq!(key(&first), key(&second));
    first.ticket.acknowledge();
    second.ticket.acknowledge();
    assert_eq!(device.puback().await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_waits_while_the_host_restarts_comes_again_marked() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let publish = Publish::qos1("raw/a", 5, b"one");
    let mut device = Device::connect(broker.address(), "probe", false).await;
    device.send(&publish.bytes()).await;
    drop(take_one(&outlet));
    drop(outlet);
    broker.stop().await;

    let (broker, outlet) = open(folder.path()).await;
    let mut device = Device::connect(broker.address(), "probe", false).await;
    device.send(&Publish { again: true, ..publish }.bytes()).await;
    let delivery = take_one(&outlet);
    assert!(again(&delivery));
    delivery.ticket.acknowledge();
    assert_eq!(device.puback().await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_payloads_are_separate_messages() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let mut device = Device::connect(broker.address(), "probe", true).await;
    for _ in 0..10 {
        device.send(&Publish::qos1("raw/a", 1, b"same").bytes()).await;
        let delivery = take_one(&outlet);
        assert!(!again(&delivery));
        delivery.ticket.acknowledge();
        assert_eq!(device.puback().await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_several_filters_match_is_one_message() {
    let folder = folder();
    let (inlet, outlet) = inlet::channel(ROOM);
    let options = Options { listen: "127.0.0.1:0".parse().expect("an address"), folder: folder.path().join("broker") };
    let map = map([probe(1, "probe-1", "raw/a"), probe(2, "probe-2", "raw/+")], &["raw/#", "raw/a", "+/a"]);
    let intake = Intake::new(Ids::new("broker".into(), 1), Shared::new(map));
    let mut broker = Broker::start(options, intake, inlet).await.expect("it starts");
    broker.open(|_| false).await;
    let mut device = Device::connect(broker.address(), "probe", true).await;
    device.send(&Publish::qos1("raw/a", 1, b"{\"temp\":1}").bytes()).await;
    let delivery = take_one(&outlet);
    let kinds: Vec<_> = delivery.inputs.iter().map(|input| (input.body.kind(), input.body.device())).collect();
    let device_of = |n| Some(model::DeviceNo(n));
    assert_eq!(kinds, [("observation", device_of(1)), ("observation", device_of(2)), ("message", None)]);
    delivery.ticket.acknowledge();
    assert_eq!(device.puback().await, 1);
    expect_next(&mut device, &outlet, "nothing between").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_publishes_is_heard_as_from_any_client() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let mut own = Device::connect(broker.address(), "pointsman-hub-out", true).await;
    own.publish("lamp/set", 1, b"on").await;
    // Acknowledged before the commit.
    own.publish("raw/a", 2, b"own").await;
    assert_eq!(payload(&take_one(&outlet)), "own");
    assert_eq!(broker.status().counts().received, 1, "what concerns nobody is not counted");
    let mut device = Device::connect(broker.address(), "probe", true).await;
    expect_next(&mut device, &outlet, "nothing between").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wills_are_taken_once_and_only_of_lost_devices() {
    for retained in [false, true] {
        let folder = folder();
        let (broker, outlet) = open(folder.path()).await;
        let will = Some(("raw/will", "gone", retained));
        let device = Device::connect_with(broker.address(), &connect_with("left", true, will)).await;
        device.disconnect().await;
        let mut other = Device::connect(broker.address(), "other", true).await;
        expect_next(&mut other, &outlet, "no will yet").await;

        drop(Device::connect_with(broker.address(), &connect_with("lost", true, will)).await);
        assert_eq!(payload(&take_one(&outlet)), "gone");
        expect_next(&mut other, &outlet, "no second will").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retained_state_is_live_when_sent_and_a_snapshot_when_asked_for_after_a_start() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let mut device = Device::connect(broker.address(), "probe", true).await;
    let retained = Publish { retained: true, ..Publish::qos1("probes/1", 1, b"{\"temp\":4}") };
    device.send(&retained.bytes()).await;
    let delivery = take_one(&outlet);
    assert_eq!(freshness(&delivery), Some(model::Freshness::Live));
    delivery.ticket.acknowledge();
    assert_eq!(device.puback().await, 1);
    drop(device);
    broker.stop().await;

    let (mut broker, outlet) = start(folder.path()).await;
    assert_eq!(broker.open(|_| false).await, 0, "it is known");
    broker.stop().await;
    drop(outlet);

    let (mut broker, outlet) = start(folder.path()).await;
    // A device that is quick waits until what is older has been taken.
    let quick = tokio::spawn({
        let address = broker.address();
        async move {
            let mut device = Device::connect(address, "probe", true).await;
            let news = Publish { retained: true, ..Publish::qos1("probes/1", 1, b"{\"temp\":5}") };
            device.send(&news.bytes()).await;
            device
        }
    });
    assert_eq!(broker.open(|topic| topic == "probes/1").await, 1);
    assert_eq!(freshness(&take_one(&outlet)), Some(model::Freshness::Snapshot));
    let device = quick.await.expect("it runs");
    assert_eq!(freshness(&take_one(&outlet)), Some(model::Freshness::Live));
    drop(device);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_takes_over_has_its_own_will() {
    for retained in [false, true] {
        let folder = folder();
        let (broker, outlet) = open(folder.path()).await;
        let with = |will| connect_with("twin", true, Some(("raw/will", will, retained)));
        let mut first = Device::connect_with(broker.address(), &with("first")).await;
        expect_next(&mut first, &outlet, "up").await;
        let mut second = Device::connect_with(broker.address(), &with("second")).await;
        assert_eq!(payload(&take_one(&outlet)), "first");
        expect_next(&mut second, &outlet, "the second is there").await;
        drop(second);
        assert_eq!(payload(&take_one(&outlet)), "second");
        let mut other = Device::connect(broker.address(), "other", true).await;
        expect_next(&mut other, &outlet, "and nothing more").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_messages_of_two_clients_are_two_messages() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let publish = Publish::qos1("raw/a", 5, b"one");
    let mut keys = Vec::new();
    for (client, again) in [("one", false), ("two", true)] {
        let mut device = Device::connect(broker.address(), client, false).await;
        device.send(&Publish { again, ..publish.clone() }.bytes()).await;
        let delivery = take_one(&outlet);
        let redelivery = delivery.inputs[0].redelivery.clone().expect("QoS 1");
        assert_eq!(redelivery.again, again);
        keys.push((redelivery.session, redelivery.digest));
        delivery.ticket.acknowledge();
        assert_eq!(device.puback().await, 5);
    }
    assert!(keys[0].0 != keys[1].0 && keys[0].1 != keys[1].1, "{keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lowest_quality_of_service_is_taken_and_counted() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let mut device = Device::connect(broker.address(), "probe", true).await;
    device.send(&Publish { qos: 0, ..Publish::qos1("raw/a", 0, b"zero") }.bytes()).await;
    let delivery = take_one(&outlet);
    assert!(delivery.inputs[0].redelivery.is_none());
    assert_eq!(broker.status().counts().qos0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_taken_is_acknowledged_once_it_is_counted() {
    let folder = folder();
    let (broker, outlet) = open(folder.path()).await;
    let mut device = Device::connect(broker.address(), "probe", true).await;
    let large = vec![b'x'; model::limits::PAYLOAD_BYTES + 1];
    let bad: [(&str, &[u8], &str); 2] =
        [("probes/1", b"{\"temp\":", "malformed-json"), ("raw/a", &large, "payload-too-large")];
    for (packet, (topic, payload, code)) in (1..).zip(bad) {
        device.send(&Publish::qos1(topic, packet, payload).bytes()).await;
        let delivery = take_one(&outlet);
        assert_eq!((delivery.inputs.len(), &*delivery.rejected), (0, &[code][..]));
        assert!(!device.has_answer().await);
        delivery.ticket.acknowledge();
        assert_eq!(device.puback().await, packet);
    }
    let expected = [("malformed-json", 1), ("payload-too-large", 1)];
    assert_eq!(broker.status().counts().rejected, expected.into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_refuses_to_listen_beyond_loopback_and_names_an_address_in_use() {
    let folder = folder();
    let (inlet, _outlet) = inlet::channel(ROOM);
    let options = |listen: SocketAddr| Options { listen, folder: folder.path().join("broker") };
    let anywhere = "0.0.0.0:0".parse().expect("an address");
    let refused = Broker::start(options(anywhere), intake("broker"), inlet.clone()).await;
    assert!(matches!(refused, Err(StartError::NotLoopback(address)) if address == anywhere));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let refused = Broker::start(options(address), intake("broker"), inlet).await;
    assert!(matches!(refused, Err(StartError::Bind { .. })));
}
