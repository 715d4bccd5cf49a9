//! Behaviour of the engine as a whole, with native rules in place of packages.

mod bad_values;
mod clock_changes;
mod conditions;
mod containment;
mod decoding;
mod downtime;
mod edits;
mod effects;
mod exact;
mod hidden;
mod histories;
mod hours;
mod levels;
mod limits;
mod loops;
mod manual;
mod messages;
mod models;
mod notices;
mod order;
mod overdue;
mod sun;
mod switches;
mod timers;
mod turns;
mod wall;
mod why;
mod why_not;
mod windows;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::deployment::{
    CommandGrant, Deployment, Grants, KeyKind, Lifecycle, Limits, NotificationGrant, PackageDigest, PackageRef, Role,
    World,
};
use model::device::{Action, Actions, Confirm, Device, Devices, ReadingMap, Sets, Source};
use model::effect::{Audience, Command, Emission, Notification, Overdue, Target, Timer, Urgency};
use model::event::{Cause, Freshness, Outcome, Reading};
use model::guest::{Failure, Handled, Host, Instance, Program, Validated};
use model::input::{Body, HostEvent, Settled};
use model::notification::{Class, Group};
use model::trigger::{Gap, Kind, Predicate, Schedule, Spring, Test};
use model::{Capability, Decision, DeviceNo, Effect, Event, Input, Instant, Name, Proposal, Span, Trigger, Value};

use crate::{Engine, Persistence, Setup, Turn};

/// A rule in native code.
type Rule = fn(&Event, &mut dyn Host) -> Result<Vec<Proposal>, Failure>;

struct Native(Rule);

impl Program for Native {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        Ok(Box::new(Native(self.0)))
    }
}

impl Instance for Native {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, mut host: Box<dyn Host>) -> Handled {
        let result = (self.0)(event, &mut *host);
        Handled { host, result, fuel: 0 }
    }
}

fn propose(effect: Effect) -> Proposal {
    Proposal { effect, tag: None, because: None, attributes: Vec::new() }
}

/// Emits one `told` for every event.
fn tell(_: &Event, _: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    Ok(vec![propose(Effect::Emit(Emission { name: "told".into(), key: None, device: None, attributes: Vec::new() }))])
}

fn capability(name: &str) -> Capability {
    Capability::named(name).expect("a name")
}

fn when(test: Test) -> Predicate {
    Predicate::Test { role: None, capability: capability("temperature"), test }
}

fn held(duration: Span, stale: Option<Span>, gap: Gap) -> Kind {
    let gap_max = stale.unwrap_or(model::limits::GAP_MAX);
    Kind::Held { when: when(Test::Above(8.0)), duration, stale, gap, gap_max, snapshot: false, keep: false }
}

fn device(number: u32, id: &str, site: &str) -> Device {
    let on = Action {
        sets: Some(Sets { capability: capability("switch"), value: Some(Value::Boolean(true)) }),
        momentary: false,
        idempotent: false,
        expires: model::limits::COMMAND_EXPIRY,
        topic: "lamp/set".into(),
        payload: "ON".into(),
    };
    Device {
        number: DeviceNo(number),
        id: id.into(),
        kind: "thermometer".into(),
        site: site.into(),
        source: Some(Source {
            connection: None,
            topic: format!("home/{id}").into(),
            readings: vec![ReadingMap {
                capability: capability("switch"),
                path: "/on".into(),
                unit: None,
                values: BTreeMap::new(),
            }],
            time: None,
            id: None,
        }),
        availability: None,
        commands: Actions::from_iter([
            ("toggle".into(), Action { sets: None, momentary: true, ..on.clone() }),
            ("on".into(), on),
        ]),
        confirm: Confirm { within: Span::from_secs(5), retries: 1 },
        about: Vec::new(),
    }
}

fn deployment(name: &str, kinds: Vec<Kind>) -> Deployment {
    let role =
        Role { name: "probe".into(), capabilities: Vec::new(), many: true, members: vec![DeviceNo(1)], selector: None };
    let roleless =
        |kind: &Kind| matches!(kind, Kind::Schedule(_) | Kind::Sun(_) | Kind::Message { .. } | Kind::Custom { .. });
    let triggers = kinds.into_iter().enumerate().map(|(index, kind)| Trigger {
        name: format!("t{index}").into(),
        role: (!roleless(&kind)).then(|| Name::from("probe")),
        kind,
    });
    Deployment {
        name: name.into(),
        package: PackageRef { id: "rule".into(), version: "1.0.0".into(), digest: PackageDigest([7; 32]) },
        world: World::Rule,
        key: KeyKind::Device,
        lifecycle: Lifecycle::Turn,
        state_version: 1,
        completions: ["refused", "failed", "superseded", "confirmed"].map(Name::from).to_vec(),
        settings: "{}".into(),
        roles: vec![role],
        triggers: triggers.collect(),
        histories: Vec::new(),
        grants: Grants {
            commands: vec![CommandGrant {
                role: "probe".into(),
                action: "on".into(),
                arguments: BTreeMap::new(),
                priority: (9, 16),
                hours: None,
            }],
            notifications: vec![NotificationGrant {
                template: "offer".into(),
                class: Class::Marketing,
                purpose: "marketing".into(),
            }],
            publish: vec!["out/+".into()],
            emit: vec!["told".into()],
        },
        metrics: Vec::new(),
        limits: Limits::default(),
    }
}

/// An engine and its clock, fed with the readings of one device.
struct Bench {
    engine: Engine,
    number: u32,
    decisions: Vec<Decision>,
    turns: Vec<Turn>,
}

impl Bench {
    fn new(partitions: u16, deployments: Vec<(Deployment, Rule)>) -> Self {
        Self::of(setup(partitions, deployments))
    }

    fn of(setup: Setup) -> Self {
        Self {
            engine: Engine::new(setup, Persistence::Store).expect("a setup"),
            number: 0,
            decisions: Vec::new(),
            turns: Vec::new(),
        }
    }

    fn one(kind: Kind) -> Self {
        Self::new(1, vec![(deployment("d", vec![kind]), tell)])
    }

    fn input(&mut self, body: Body, occurred_at: Option<Instant>) -> Input {
        self.number += 1;
        let id = Name::from(format!("line:{}", self.number));
        Input { id, source: "test".into(), own_id: false, occurred_at, body, attributes: Vec::new(), redelivery: None }
    }

    fn take(&mut self, body: Body, received: i64, occurred: Option<i64>) -> &mut Self {
        let input = self.input(body, occurred.map(minute));
        self.engine.take(&input, minute(received));
        self.collect();
        self
    }

    fn read(&mut self, received: i64, occurred: i64, temperature: f64) -> &mut Self {
        self.take(reading(DeviceNo(1), temperature), received, Some(occurred))
    }

    fn live(&mut self, at: i64, temperature: f64) -> &mut Self {
        self.read(at, at, temperature)
    }

    fn advance(&mut self, to: i64) -> &mut Self {
        self.engine.advance(minute(to));
        self.collect();
        self
    }

    fn collect(&mut self) {
        let mut turn = self.engine.finish();
        self.decisions.append(&mut turn.decisions);
        self.turns.push(turn);
        assert_eq!(self.engine.accounts().imbalance(), None);
    }

    /// Everything told: (phase or kind, minute).
    fn told(&self) -> Vec<(String, i64)> {
        let word =
            |d: &Decision| d.cause.phase.map_or_else(|| d.cause.kind.to_string(), |phase| phase.word().to_owned());
        self.decisions.iter().map(|decision| (word(decision), decision.at.0 / 60_000_000)).collect()
    }

    #[track_caller]
    fn check(&self, expected: &[(&str, i64)]) {
        let told = self.told();
        let told: Vec<(&str, i64)> = told.iter().map(|(word, at)| (word.as_str(), *at)).collect();
        assert_eq!(told, expected);
    }

    /// Stops at once and starts again from what was committed.
    fn crash(&mut self, partitions: u16, deployments: Vec<(Deployment, Rule)>) {
        self.crash_into(setup(partitions, deployments));
    }

    fn crash_into(&mut self, setup: Setup) {
        let partitions = setup.partitions;
        let mut engine = Engine::new(setup, Persistence::Store).expect("a setup");
        for partition in 0..partitions {
            let mut rows = BTreeMap::new();
            let mut sequence = 0;
            for commit in self.turns.iter().flat_map(|turn| &turn.commits).filter(|c| c.partition == partition) {
                sequence = commit.journal.last().map_or(sequence, |row| row.sequence);
                for change in &commit.changes {
                    match &change.value {
                        Some(value) => rows.insert((change.table, change.key.clone()), value.clone()),
                        None => rows.remove(&(change.table, change.key.clone())),
                    };
                }
            }
            let rows = rows.iter().map(|((table, key), value)| (*table, &**key, &**value));
            engine.restore(partition, sequence, rows).expect("our own rows");
        }
        self.engine = engine;
    }
}

fn setup(partitions: u16, deployments: Vec<(Deployment, Rule)>) -> Setup {
    let devices =
        Devices::new([device(1, "fridge", "kitchen"), device(2, "freezer", "cellar"), device(3, "oven", "kitchen")]);
    let load =
        |(deployment, rule): (Deployment, Rule)| (Arc::new(deployment), Arc::new(Native(rule)) as Arc<dyn Program>);
    let groups = vec![Group { name: "staff".into(), sinks: vec!["hook".into()] }];
    Setup {
        partitions,
        devices: Arc::new(devices),
        deployments: deployments.into_iter().map(load).collect(),
        groups,
        default_sink: "mqtt".into(),
    }
}

fn minute(n: i64) -> Instant {
    Instant(n * 60_000_000)
}

fn reading(device: DeviceNo, temperature: f64) -> Body {
    let reading = Reading {
        capability: capability("temperature"),
        value: Value::Number(temperature),
        unit: Some("Cel".into()),
        previous: None,
        quality: model::Quality::Good,
        attributes: Vec::new(),
    };
    Body::Observation { device, freshness: Freshness::Live, readings: vec![reading] }
}

fn started() -> Body {
    started_after(None)
}

/// A start of a host that is known to have run until this instant.
fn started_after(alive: Option<Instant>) -> Body {
    Body::Host(HostEvent::Started {
        engine: "test".into(),
        zones: "test".into(),
        configuration: None,
        doubted: false,
        alive,
    })
}

fn each_reading() -> Kind {
    Kind::Reading { capability: None, snapshot: false, late: false }
}

/// The reasons of all refusals, and how many effects were allowed.
fn verdicts(bench: &Bench) -> (Vec<String>, usize) {
    let refused = bench.decisions.iter().filter(|d| d.effect.is_some()).filter_map(|d| d.reason.as_ref());
    let allowed = bench.decisions.iter().filter(|d| d.effect.is_some() && d.reason.is_none()).count();
    (refused.map(ToString::to_string).collect(), allowed)
}
