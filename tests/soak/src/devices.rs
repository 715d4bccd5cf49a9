//! The devices of the demo, as steady senders: every value moves, and every rule has something to do now and then.

use serde_json::{Value as Json, json};

/// One message of a device.
pub(crate) struct Message {
    pub(crate) topic: &'static str,
    pub(crate) payload: Json,
}

/// Messages without end, the same in each run. The devices take turns.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    sent: u64,
}

/// How many devices speak.
const DEVICES: u64 = 10;

/// Messages of a recording are this far apart.
const STEP_US: u64 = 100_000;

impl Iterator for Devices {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let (device, round) = (self.sent % DEVICES, self.sent / DEVICES);
        self.sent += 1;
        Some(message(device, round))
    }
}

impl Devices {
    /// The next `lines` messages as lines of a recording.
    pub(crate) fn take_lines(self, lines: u64) -> impl Iterator<Item = String> {
        (0..lines).zip(self).map(|(number, message)| {
            let us = number * STEP_US;
            let (day, s) = (us / 1_000_000 / 86_400, us / 1_000_000 % 86_400);
            assert!(day < 31, "a recording stays within March");
            let at = format!(
                "2026-03-{:02}T{:02}:{:02}:{:02}.{:06}Z",
                day + 1,
                s / 3_600,
                s / 60 % 60,
                s % 60,
                us % 1_000_000
            );
            format!("{}\n", json!({"at": at, "topic": message.topic, "payload": message.payload}))
        })
    }
}

fn message(device: u64, round: u64) -> Message {
    let wave = |period: f64, low: f64, high: f64| {
        let turn = (round as f64 / period) * std::f64::consts::TAU;
        let value = (low + high) / 2.0 + (high - low) / 2.0 * turn.sin();
        (value * 100.0).round() / 100.0
    };
    let every = |period: u64, first: u64| round % period < first;
    let (topic, payload) = match device {
        0 => ("home/kitchen-window", json!({"open": every(60, 20)})),
        1 => ("home/radiator", json!({"setpoint": 21.0, "temperature": wave(200.0, 16.0, 23.0)})),
        2 => ("home/hall-motion", json!({"occupancy": every(30, 5), "illuminance": wave(300.0, 0.0, 400.0)})),
        3 => ("home/bath-leak", json!({"water_leak": every(400, 8)})),
        4 => ("home/washer", json!({"power": if every(120, 60) { wave(7.0, 1500.0, 2100.0) } else { 1.5 }})),
        5 => (
            "wearables/watch",
            json!({"hr": wave(90.0, 55.0, 165.0), "activity": if every(90, 45) { "walking" } else { "still" }}),
        ),
        6 => ("trucks/truck-7/front-probe", json!({"temp": wave(150.0, 2.0, 9.0)})),
        7 => ("trucks/truck-7/rear-probe", json!({"temp": wave(170.0, 2.0, 11.0)})),
        8 => ("trucks/truck-7/siren", json!({"on": every(150, 40)})),
        _ => {
            let gps = json!({"latitude": 52.52, "longitude": 13.4 + wave(240.0, 0.0, 4.0) / 100.0});
            let speed = if every(80, 25) { 0.0 } else { wave(9.0, 20.0, 90.0) };
            ("trucks/truck-7", json!({"speed": speed, "gps": gps, "door": every(80, 10)}))
        }
    };
    Message { topic, payload }
}
