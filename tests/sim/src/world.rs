//! The world: sites with sensors, lamps and bells, and what the sensors say, which a seed fixes.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::device::{Action, Confirm, Device, Devices, ReadingMap, Sets, Source};
use model::{Capability, DeviceNo, Name, Span, Unit, Value, limits};

use crate::chance::Chance;
use crate::plan::Plan;

/// The wall clock at the start: 2026-12-01T00:00:00Z.
pub(crate) const BEGIN: i64 = 1_796_083_200_000_000;

/// One message of a device on its way to the broker.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Since the start of the run.
    pub(crate) after: Span,
    pub(crate) message: Message,
}

/// What the broker carries. The number tells it apart from every other; a device that repeats itself repeats it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) number: u64,
    pub(crate) topic: String,
    pub(crate) payload: String,
}

pub(crate) struct World {
    pub(crate) devices: Arc<Devices>,
    /// In the order in which the broker gets them.
    pub(crate) script: Vec<Said>,
}

pub(crate) fn capability(name: &str) -> Capability {
    Capability::named(name).expect("the simulator's capabilities are valid names")
}

/// The name of a site's part.
pub(crate) fn lamp(site: &str) -> String {
    format!("{site}-lamp")
}

pub(crate) fn bell(site: &str) -> String {
    format!("{site}-bell")
}

pub(crate) fn sites(plan: &Plan) -> Vec<String> {
    (0..plan.sites).map(|site| format!("site{site}")).collect()
}

/// The sensors of a site.
pub(crate) fn sensors(plan: &Plan, site: &str) -> Vec<String> {
    (0..plan.sensors).map(|sensor| format!("{site}-probe{sensor}")).collect()
}

/// Every key that a rule may have: devices, sites and the one.
pub(crate) fn keys(plan: &Plan) -> Vec<String> {
    let sites = sites(plan);
    let sensors = sites.iter().flat_map(|site| sensors(plan, site));
    sensors.chain(sites.iter().cloned()).chain(["one".to_owned()]).collect()
}

/// Every second sensor numbers its messages itself and stamps them, so that they may come twice and out of order.
fn numbers_itself(sensor: u32) -> bool {
    sensor % 2 == 1
}

impl World {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut devices = Vec::new();
        for site in sites(plan) {
            for (sensor, id) in (0..plan.sensors).zip(sensors(plan, &site)) {
                devices.push((id, site.clone(), Kind::Probe(numbers_itself(sensor))));
            }
            devices.push((lamp(&site), site.clone(), Kind::Lamp));
            devices.push((bell(&site), site.clone(), Kind::Bell));
        }
        let numbered = (1..).zip(devices).map(|(number, (id, site, kind))| device(DeviceNo(number), &id, &site, kind));
        Self { devices: Arc::new(Devices::new(numbered)), script: script(plan) }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Probe(bool),
    Lamp,
    Bell,
}

fn device(number: DeviceNo, id: &str, site: &str, kind: Kind) -> Device {
    let reading = |name: &str, path: &str, unit: Option<Unit>| ReadingMap {
        capability: capability(name),
        path: path.into(),
        unit,
        values: BTreeMap::new(),
    };
    let marker = reading("marker", "/n", None);
    let source = |readings: Vec<ReadingMap>, own: bool| Source {
        connection: None,
        topic: Name::from(format!("world/{id}")),
        readings,
        time: own.then(|| Name::from("/t")),
        id: own.then(|| Name::from("/id")),
    };
    let switch = |to: bool| Action {
        sets: Some(Sets { capability: capability("switch"), value: Some(Value::Boolean(to)) }),
        momentary: false,
        idempotent: false,
        expires: limits::COMMAND_EXPIRY,
        topic: Name::from(format!("world/{id}/set")),
        payload: if to { "on".into() } else { "off".into() },
    };
    let (source, commands): (Option<Source>, Vec<(Name, Action)>) = match kind {
        Kind::Probe(own) => {
            let celsius = Unit::named("Cel").expect("a unit of the table");
            (Some(source(vec![marker, reading("temperature", "/v", Some(celsius))], own)), Vec::new())
        }
        Kind::Lamp => {
            let source = source(vec![marker, reading("switch", "/on", None)], false);
            (Some(source), vec![("on".into(), switch(true)), ("off".into(), switch(false))])
        }
        Kind::Bell => (None, vec![("ring".into(), Action { sets: None, momentary: true, ..switch(true) })]),
    };
    Device {
        number,
        id: id.into(),
        kind: "simulated".into(),
        site: site.into(),
        source,
        availability: None,
        commands: commands.into_iter().collect(),
        confirm: Confirm { within: Span::from_secs(5), retries: 1 },
        about: Vec::new(),
    }
}

/// What the sensors say: the same with and without faults.
fn script(plan: &Plan) -> Vec<Said> {
    let mut chance = Chance::new(plan.seed ^ 0x776f_726c_6400);
    let all: Vec<(u32, String)> =
        sites(plan).iter().flat_map(|site| (0..plan.sensors).zip(sensors(plan, site))).collect();
    let mut script = Vec::new();
    for number in 1..=u64::from(plan.messages) {
        let (sensor, id) = &all[usize::try_from(chance.below(all.len() as u64)).expect("an index")];
        let made = Span(chance.below(plan.seconds * 1_000) * 1_000);
        let tenths = 180 + chance.below(90);
        let value = format!("{}.{}", tenths / 10, tenths % 10);
        let stamp = (BEGIN + i64::try_from(made.0).expect("a run is short")) / 1_000;
        let own = numbers_itself(*sensor);
        let payload = if own {
            format!("{{\"n\":{number},\"v\":{value},\"t\":{stamp},\"id\":\"{number}\"}}")
        } else {
            format!("{{\"n\":{number},\"v\":{value}}}")
        };
        let message = Message { number, topic: format!("world/{id}"), payload };
        // A gateway holds it back, so that later ones overtake it, or sends it twice.
        let delay = if own && chance.per_mille(80) { Span(chance.below(30_000) * 1_000) } else { Span(0) };
        let after = Span(made.0 + delay.0);
        if own && chance.per_mille(80) {
            let later = Span(after.0 + chance.below(20_000) * 1_000);
            script.push(Said { after: later, message: message.clone() });
        }
        script.push(Said { after, message });
    }
    script.sort_by_key(|said| (said.after, said.message.number));
    script
}
