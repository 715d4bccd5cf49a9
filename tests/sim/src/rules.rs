//! The rules: native code at the seam where a sandbox would be, with traps and passing failures injected there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use engine::Setup;
use model::deployment::{
    CommandGrant, Grants, KeyKind, Lifecycle, Limits, NotificationGrant, PackageDigest, PackageRef, Role,
    World as Kinds,
};
use model::effect::{Audience, Command, Emission, Notification, Overdue, Target, Timer, Urgency};
use model::event::{Cause, Message, Phase, Reading};
use model::guest::{Failure, Handled, Host, Instance, Program, Stop, Validated};
use model::notification::{Class, Group};
use model::trigger::{Gap, Kind};
use model::{Deployment, DeviceNo, Effect, Event, Id, Name, Proposal, Span, Trigger, Value, limits};

use crate::chance;
use crate::plan::Plan;
use crate::told;
use crate::world::{World, bell, capability, lamp};

/// The sink of commands and publications.
pub(crate) const BROKER: &str = "mqtt:sim";
/// The sink of notifications.
pub(crate) const HOOK: &str = "hook";

/// What a rule does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Counts, keeps a chain over everything in its order, and answers each message on this topic.
    Count(&'static str),
    /// Switches the lamp, rings the bell and tallies what became of it.
    Switch,
    /// Sets timers of every policy and answers when they fire.
    Time,
    /// Tells people and other rules when it has been warm for a while.
    Warm,
    /// Counts what other rules emit.
    Listen,
    /// Answers with what woke it.
    Tell,
}

/// A rule with the faults of its runtime.
struct Runtime {
    rule: Rule,
    seed: u64,
    traps: u64,
    passing_failures: u64,
}

/// Everything that runs in a simulation.
pub(crate) fn setup(plan: &Plan, world: &World) -> Setup {
    let runtime = |rule, flaky: bool| Runtime {
        rule,
        seed: plan.seed,
        traps: if flaky { plan.faults.traps.into() } else { 0 },
        passing_failures: if flaky { plan.faults.passing_failures.into() } else { 0 },
    };
    let probes: Vec<DeviceNo> = world.devices.iter().filter(|d| d.id.contains("probe")).map(|d| d.number).collect();
    let of = |suffix: &str| world.devices.iter().filter(|d| d.id.ends_with(suffix)).map(|d| d.number).collect();
    let roles = || vec![role("probe", probes.clone()), role("lamp", of(&lamp(""))), role("bell", of(&bell("")))];
    let marker = || reading(Some("marker"));
    let warm = Kind::Held {
        when: told::warm(),
        duration: told::FOR,
        stale: None,
        gap: Gap::Continue,
        gap_max: limits::GAP_MAX,
        snapshot: false,
        keep: false,
    };
    let custom = Kind::Custom { name: "warm".into() };
    let with = |triggers: Vec<Trigger>, plain: Deployment| Deployment { triggers, ..plain };
    let conditions = with(told::conditions(), deployment("conditions", KeyKind::Device, roles(), Vec::new()));
    let schedules = with(told::schedules(), deployment("schedules", KeyKind::Site, roles(), Vec::new()));
    let all = [
        (conditions, runtime(Rule::Tell, false)),
        (deployment("count", KeyKind::Device, roles(), vec![marker()]), runtime(Rule::Count("out"), false)),
        (deployment("flaky", KeyKind::Device, roles(), vec![marker()]), runtime(Rule::Count("flaky"), true)),
        (deployment("listen", KeyKind::One, Vec::new(), vec![custom]), runtime(Rule::Listen, false)),
        (schedules, runtime(Rule::Tell, false)),
        (deployment("switch", KeyKind::Site, roles(), vec![reading(None)]), runtime(Rule::Switch, false)),
        (deployment("time", KeyKind::Device, roles(), vec![marker()]), runtime(Rule::Time, false)),
        (deployment("warm", KeyKind::Device, roles(), vec![warm]), runtime(Rule::Warm, false)),
    ];
    Setup {
        partitions: plan.partitions,
        devices: Arc::clone(&world.devices),
        deployments: all.into_iter().map(|(spec, rule)| (Arc::new(spec), Arc::new(rule) as Arc<dyn Program>)).collect(),
        groups: vec![Group { name: "staff".into(), sinks: vec![HOOK.into()] }],
        default_sink: BROKER.into(),
    }
}

fn role(name: &str, members: Vec<DeviceNo>) -> Role {
    Role { name: name.into(), capabilities: Vec::new(), many: true, members, selector: None }
}

/// Every message with this reading in it; with none given, every message and all that is in it.
fn reading(name: Option<&str>) -> Kind {
    Kind::Reading { capability: name.map(capability), snapshot: false, late: true }
}

fn deployment(name: &str, key: KeyKind, roles: Vec<Role>, kinds: Vec<Kind>) -> Deployment {
    let trigger = |kind: Kind| Trigger {
        name: Name::from(kind.word()),
        role: (!matches!(kind, Kind::Custom { .. })).then(|| Name::from("probe")),
        kind,
    };
    let command = |role: &str, action: &str| CommandGrant {
        role: role.into(),
        action: action.into(),
        arguments: BTreeMap::new(),
        priority: (9, 16),
        hours: None,
    };
    Deployment {
        name: name.into(),
        package: PackageRef { id: name.into(), version: "1.0.0".into(), digest: PackageDigest([7; 32]) },
        world: Kinds::Rule,
        key,
        lifecycle: Lifecycle::Turn,
        state_version: 1,
        completions: ["accepted", "confirmed", "refused", "failed", "expired", "superseded"].map(Name::from).to_vec(),
        settings: "{}".into(),
        roles,
        triggers: kinds.into_iter().map(trigger).collect(),
        histories: Vec::new(),
        grants: Grants {
            commands: vec![command("lamp", "on"), command("lamp", "off"), command("bell", "ring")],
            notifications: vec![NotificationGrant {
                template: "warm".into(),
                class: Class::Service,
                purpose: "service".into(),
            }],
            publish: ["out/+", "flaky/+", "tick/+", "told/+"].map(Name::from).to_vec(),
            emit: vec!["warm".into()],
        },
        metrics: Vec::new(),
        limits: Limits::default(),
    }
}

impl Program for Runtime {
    fn instantiate(&self) -> Result<Box<dyn Instance>, Failure> {
        Ok(Box::new(Runtime { ..*self }))
    }
}

impl Instance for Runtime {
    fn validate(&mut self, _: &str, host: Box<dyn Host>) -> Validated {
        Validated { host, result: Ok(()) }
    }

    fn handle(&mut self, event: &Event, mut host: Box<dyn Host>) -> Handled {
        let proposals = self.rule.run(event, &mut *host);
        // After the writes, so that a failure has something to roll back.
        let result = self.fault(event).map_or(proposals, Err);
        Handled { host, result, fuel: 0 }
    }
}

impl Runtime {
    /// By the message that the event is about: the same in every run of this world.
    fn fault(&self, event: &Event) -> Option<Failure> {
        let number = number_of(event)?;
        if chance::of(&[self.seed, number, 1]) % 1_000 < self.traps {
            let stop = match chance::of(&[self.seed, number, 3]) % 4 {
                0 => Stop::Fuel,
                1 => Stop::Memory,
                2 => Stop::Output,
                _ => Stop::Trap,
            };
            return Some(Failure::Stopped(stop, "stopped".to_owned()));
        }
        let again = event.attributes.iter().any(|(name, _)| &**name == "delayed");
        let fails = chance::of(&[self.seed, number, 2]) % 1_000 < self.passing_failures;
        (fails && !again).then(|| Failure::Transient("not now".to_owned()))
    }
}

impl Rule {
    fn run(self, event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
        match self {
            Self::Count(topic) => count(topic, event, host),
            Self::Switch => switch(event, host),
            Self::Time => Ok(time(event)),
            Self::Warm => Ok(warm(event)),
            Self::Listen => {
                add(host, "heard")?;
                Ok(Vec::new())
            }
            Self::Tell => Ok(tell(event)),
        }
    }
}

fn count(topic: &str, event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    let Some(number) = number_of(event).filter(|_| matches!(event.cause, Cause::Observation(_))) else {
        return Ok(Vec::new());
    };
    add(host, "count")?;
    let before = match host.get("chain") {
        Some(Value::Text(chain)) => chain,
        _ => Name::from(""),
    };
    let chain = Id::of(&[before.as_bytes(), &number.to_be_bytes()]).to_string();
    set(host, "chain", Value::text(chain))?;
    Ok(vec![answer(topic, &event.key, number)])
}

fn switch(event: &Event, host: &mut dyn Host) -> Result<Vec<Proposal>, Failure> {
    if let Cause::Completion(completion) = &event.cause {
        add(host, completion.outcome.word())?;
        return Ok(Vec::new());
    }
    let Cause::Observation(observation) = &event.cause else { return Ok(Vec::new()) };
    let (Some(number), Some(level)) = (number_of(event), value(&observation.readings, "temperature")) else {
        return Ok(Vec::new());
    };
    let mut proposals = Vec::new();
    let wanted = Value::Boolean(level > 22.5);
    if host.get("wanted").as_ref() != Some(&wanted) {
        set(host, "wanted", wanted)?;
        proposals.push(command(lamp(&event.key), if level > 22.5 { "on" } else { "off" }));
    }
    if number.is_multiple_of(11) {
        proposals.push(command(bell(&event.key), "ring"));
    }
    Ok(proposals)
}

fn time(event: &Event) -> Vec<Proposal> {
    match (&event.cause, number_of(event)) {
        (Cause::Observation(_), Some(number)) if number.is_multiple_of(2) => {
            let overdue = match number % 3 {
                0 => Overdue::Fire,
                1 => Overdue::FireWithin(Span::from_secs(5)),
                _ => Overdue::Skip,
            };
            let wait = Span(500_000 + chance::of(&[number]) % 60_000_000);
            vec![propose(Effect::SetTimer(Timer {
                name: Name::from(format!("t{number}")),
                due: event.received_at + wait,
                overdue,
                payload: Some(Value::Integer(i64::try_from(number).expect("messages are few"))),
                attributes: Vec::new(),
            }))]
        }
        (Cause::Timer(_), Some(number)) => vec![answer("tick", &event.key, number)],
        _ => Vec::new(),
    }
}

fn tell(event: &Event) -> Vec<Proposal> {
    let Some([first, second]) = told::numbers(event) else { return Vec::new() };
    let phase = match &event.cause {
        Cause::Condition(condition) => condition.phase.word(),
        _ => "came",
    };
    let mut told = format!("{} {phase} {first} {second}", event.trigger);
    // At each start anew, and each time it is another event.
    if told::LEVELS.contains(&&*event.trigger) {
        let _ = write!(told, " {}", event.received_at.0);
    }
    vec![publication("told", &event.key, told)]
}

fn warm(event: &Event) -> Vec<Proposal> {
    let Cause::Condition(condition) = &event.cause else { return Vec::new() };
    let emission = Emission { name: "warm".into(), key: None, device: None, attributes: Vec::new() };
    let mut proposals = vec![propose(Effect::Emit(emission))];
    if condition.phase == Phase::Began {
        proposals.push(propose(Effect::Notification(Notification {
            template: "warm".into(),
            to: Audience::Group("staff".into()),
            parameters: vec![("device".into(), Value::Text(condition.device.clone()))],
            urgency: Urgency::Normal,
            dedupe: None,
            not_before: None,
            expires_at: None,
            attributes: Vec::new(),
        })));
    }
    proposals
}

/// The message that an event is about.
fn number_of(event: &Event) -> Option<u64> {
    let number = match &event.cause {
        Cause::Observation(observation) => value(&observation.readings, "marker")?,
        Cause::Timer(tick) => tick.payload.as_ref()?.as_f64()?,
        _ => return None,
    };
    Some(number as u64)
}

fn value(readings: &[Reading], name: &str) -> Option<f64> {
    readings.iter().find(|reading| reading.capability.name() == name)?.value.as_f64()
}

fn answer(topic: &str, key: &Name, number: u64) -> Proposal {
    publication(topic, key, number.to_string())
}

fn publication(topic: &str, key: &Name, text: String) -> Proposal {
    propose(Effect::Publish(Message {
        topic: Name::from(format!("{topic}/{key}")),
        payload: text.into_bytes().into(),
        content_type: None,
        retained: false,
        attributes: Vec::new(),
    }))
}

fn command(device: String, action: &str) -> Proposal {
    propose(Effect::Command(Command::new(Target::Device(device.into()), action)))
}

fn propose(effect: Effect) -> Proposal {
    Proposal { effect, tag: None, because: None, attributes: Vec::new() }
}

fn add(host: &mut dyn Host, name: &str) -> Result<(), Failure> {
    let known = match host.get(name) {
        Some(Value::Integer(known)) => known,
        _ => 0,
    };
    set(host, name, Value::Integer(known + 1))
}

fn set(host: &mut dyn Host, name: &str, value: Value) -> Result<(), Failure> {
    host.set(name, value, None).map_err(|problem| Failure::Permanent(format!("{name}: {problem:?}")))
}
