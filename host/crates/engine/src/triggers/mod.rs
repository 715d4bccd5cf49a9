//! Triggers: durable conditions, one slot of state for each (deployment, trigger, device).
//!
//! A slot changes only on transitions, never by a mere reading that leaves a condition as it was; so a steady device
//! costs no writes. Deadlines follow from the state and the twins, and are computed again after a restart.

pub(crate) mod fence;
pub(crate) mod held;
pub(crate) mod schedule;
pub(crate) mod sun;
pub(crate) mod tally;
pub(crate) mod times;
pub(crate) mod truth;
pub(crate) mod window;
pub(crate) mod zone;

use std::collections::VecDeque;

use model::event::Freshness;
use model::trigger::Kind;
use model::{Attributes, Capability, DeviceNo, Id, Instant, Name, Phase, Span, Value, limits};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::bindings::{Binding, Bound};
use crate::rows::TriggerRow;
use crate::twin::Twin;
use held::Held;
use truth::{Truth, truth};
use window::Windows;
use zone::Visit;

/// One trigger watching one device in one partition.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) binding: Binding,
    pub(crate) state: State,
    /// Nothing of it was ever written: after a restart it begins anew.
    pub(crate) fresh: bool,
    /// Changed since the last commit.
    pub(crate) dirty: bool,
    /// The clock's instant at which it stands in the timers.
    pub(crate) armed: Option<Instant>,
    pub(crate) told: Told,
    /// A level rule is owed what holds: there was a start, a gap or an upgrade since it was told.
    pub(crate) owed: bool,
    /// A schedule that has not woken all its keys yet.
    pub(crate) round: Option<Round>,
    /// The keys that are left of it, in order; none where they have to be looked for.
    pub(crate) waiting: VecDeque<Name>,
}

/// A schedule came, and wakes its keys one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    pub(crate) due: Instant,
    pub(crate) missed: u32,
    /// The key that was woken last.
    pub(crate) done: Option<Name>,
}

/// How often the same condition has begun: what began twice at one instant, or is told again, are two events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    since: Instant,
    times: u32,
}

/// What a trigger remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum State {
    #[default]
    Nothing,
    /// The value that was last reported to the rule.
    Change(Option<Value>),
    /// When it began.
    Threshold(Option<Instant>),
    Held(Held),
    Silence(Silence),
    /// When the outage began that the rule was told of.
    Availability(Option<Instant>),
    /// The last instant at which it came, or was armed.
    Schedule(Instant),
    /// None: outside.
    Zone(Option<Visit>),
    Window(Box<Windows>),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// The deadline that passed unheard.
    pub began: Option<Instant>,
    /// Silence counts from here where the device has not spoken since.
    pub from: Instant,
}

/// A condition that began or ended, to be told to the rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transition {
    pub(crate) phase: Phase,
    /// In event time.
    pub(crate) at: Instant,
    pub(crate) since: Instant,
    pub(crate) deadline: Option<Instant>,
    /// It ended because nobody knows any more, not because it was seen to end.
    pub(crate) unknown: bool,
    /// What decided it, where the twin does not hold that.
    pub(crate) detail: Option<Box<Detail>>,
}

/// What a trigger knows beside the twin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detail {
    /// Where several are watched: the one that reported last.
    pub(crate) device: Option<DeviceNo>,
    pub(crate) value: Value,
    pub(crate) attributes: Attributes,
}

impl Transition {
    pub(crate) fn new(phase: Phase, at: Instant, since: Instant, deadline: Option<Instant>) -> Self {
        Self { phase, at, since, deadline, unknown: false, detail: None }
    }

    pub(crate) fn unknown(self) -> Self {
        Self { unknown: true, ..self }
    }
}

pub(crate) type Transitions = SmallVec<[Transition; 2]>;
pub(crate) type Twins = FxHashMap<DeviceNo, Twin>;

impl Slot {
    pub(crate) fn new(binding: Binding, kind: &Kind, now: Instant) -> Self {
        let state = match kind {
            Kind::Change { .. } => State::Change(None),
            Kind::Threshold { .. } => State::Threshold(None),
            Kind::Held { .. } => State::Held(Held::Idle),
            Kind::Silence { .. } => State::Silence(Silence { began: None, from: now }),
            Kind::Availability { .. } => State::Availability(None),
            Kind::Schedule(_) | Kind::Sun(_) => State::Schedule(now),
            Kind::Zone(_) => State::Zone(None),
            Kind::Window(_) => State::Window(Box::default()),
            Kind::Reading { .. } | Kind::Message { .. } | Kind::Custom { .. } => State::Nothing,
        };
        Self {
            binding,
            state,
            fresh: true,
            dirty: false,
            armed: None,
            told: Told::default(),
            owed: false,
            round: None,
            waiting: VecDeque::new(),
        }
    }

    /// As the store keeps it.
    pub(crate) fn row(&self, fingerprint: u64) -> TriggerRow {
        TriggerRow { fingerprint, state: self.state.clone(), told: self.told, round: self.round.clone() }
    }

    /// Decides every deadline up to and including `to`, in event time, before anything else of that instant happens.
    pub(crate) fn advance(&mut self, kind: &Kind, twins: &Twins, to: Instant) -> Transitions {
        let mut transitions = Transitions::new();
        match (&mut self.state, kind) {
            (State::Held(held), Kind::Held { stale, .. }) if *held != Held::Idle => {
                let facts = held::Facts::of(self.binding.when.as_ref(), twins, *stale);
                self.dirty |= held.advance(kind, &facts, to, &mut transitions);
            }
            (State::Silence(silence), Kind::Silence { duration }) if silence.began.is_none() => {
                let deadline = silence_base(silence, self.binding.device, twins) + *duration;
                if deadline <= to {
                    silence.began = Some(deadline);
                    self.dirty = true;
                    let since = deadline.before(*duration);
                    transitions.push(Transition::new(Phase::Began, deadline, since, Some(deadline)));
                }
            }
            (State::Availability(told), Kind::Availability { outage_min }) if told.is_none() => {
                let gone = self.binding.device.and_then(|device| twins.get(&device)).and_then(gone_since);
                if let Some(since) = gone.filter(|since| *since + *outage_min <= to) {
                    *told = Some(since);
                    self.dirty = true;
                    let deadline = since + *outage_min;
                    transitions.push(Transition::new(Phase::Began, deadline, since, Some(deadline)));
                }
            }
            (State::Zone(visit), Kind::Zone(zone)) => {
                self.dirty |= zone::advance(visit, zone, to, &mut transitions);
            }
            (State::Window(windows), Kind::Window(window)) => {
                self.dirty |= windows.advance(window, to, &mut transitions);
            }
            _ => {}
        }
        transitions
    }

    /// Evaluates the slot after a reading at `at` has changed the twins.
    pub(crate) fn evaluate(&mut self, kind: &Kind, twins: &Twins, at: Instant, freshness: Freshness) -> Transitions {
        let mut transitions = Transitions::new();
        let may_begin = |snapshot: &bool| freshness == Freshness::Live || *snapshot || kind.keep();
        match (&mut self.state, kind) {
            (State::Threshold(began), Kind::Threshold { snapshot, .. }) => {
                let when = truth(self.binding.when.as_ref(), twins, None);
                match *began {
                    None if when == Truth::True && may_begin(snapshot) => {
                        *began = Some(at);
                        self.dirty = true;
                        transitions.push(Transition::new(Phase::Began, at, at, None));
                    }
                    Some(since) if cleared(&self.binding, twins, when) => {
                        *began = None;
                        self.dirty = true;
                        transitions.push(Transition::new(Phase::Ended, at, since, None));
                    }
                    _ => {}
                }
            }
            (State::Held(held), Kind::Held { snapshot, stale, .. }) => {
                let now = truth(self.binding.when.as_ref(), twins, stale.map(|stale| (at, stale)));
                self.dirty |= held.evaluate(kind, now, at, may_begin(snapshot), &mut transitions);
                let facts = held::Facts::of(self.binding.when.as_ref(), twins, *stale);
                self.dirty |= held.advance(kind, &facts, at, &mut transitions);
            }
            (State::Silence(silence), Kind::Silence { duration }) if freshness == Freshness::Live => {
                if let Some(deadline) = silence.began.take() {
                    self.dirty = true;
                    let since = deadline.before(*duration);
                    transitions.push(Transition::new(Phase::Ended, at, since, None));
                }
            }
            (State::Zone(visit), Kind::Zone(zone)) => {
                let twin = self.binding.device.and_then(|device| twins.get(&device));
                if let Some(fence) = &self.binding.fence {
                    let watched = (zone, &**fence);
                    self.dirty |= zone::evaluate(visit, watched, twin, at, may_begin(&zone.snapshot), &mut transitions);
                }
            }
            _ => {}
        }
        transitions
    }

    /// The device spoke out of order: its twin does not say so, but it is not silent. `now` is the host's.
    pub(crate) fn heard(&mut self, kind: &Kind, at: Instant, now: Instant) -> Option<Transition> {
        let (State::Silence(silence), Kind::Silence { duration }) = (&mut self.state, kind) else { return None };
        silence.from = now;
        self.dirty = true;
        let deadline = silence.began.take()?;
        Some(Transition::new(Phase::Ended, at.max(deadline), deadline.before(*duration), None))
    }

    /// The device is back.
    pub(crate) fn returned(&mut self, at: Instant) -> Option<Transition> {
        let State::Availability(told) = &mut self.state else { return None };
        let since = told.take()?;
        self.dirty = true;
        Some(Transition::new(Phase::Ended, at, since, None))
    }

    /// The next deadline in event time, if it has one.
    pub(crate) fn deadline(&self, kind: &Kind, twins: &Twins) -> Option<Instant> {
        match (&self.state, kind) {
            (State::Held(held), Kind::Held { stale, .. }) if *held != Held::Idle => {
                held.next(kind, &held::Facts::of(self.binding.when.as_ref(), twins, *stale))
            }
            (State::Silence(silence), Kind::Silence { duration }) if silence.began.is_none() => {
                Some(silence_base(silence, self.binding.device, twins) + *duration)
            }
            (State::Zone(visit), Kind::Zone(zone)) => zone::deadline(visit.as_ref(), zone),
            (State::Window(windows), Kind::Window(window)) => windows.deadline(window),
            (State::Availability(None), Kind::Availability { outage_min }) => {
                Some(gone_since(twins.get(&self.binding.device?)?)? + *outage_min)
            }
            _ => None,
        }
    }

    /// How far the clock must pass a deadline before it alone decides it.
    pub(crate) fn lag(&self, twins: &Twins) -> Span {
        self.watched(twins).map(Twin::lag).max().unwrap_or_default()
    }

    /// The newest stamp of what it watches.
    pub(crate) fn newest(&self, twins: &Twins) -> Option<Instant> {
        self.watched(twins).filter_map(|twin| twin.newest).max()
    }

    fn watched<'a>(&'a self, twins: &'a Twins) -> impl Iterator<Item = &'a Twin> {
        let devices = self.binding.watches.iter().map(|(device, _)| *device).chain(self.binding.device);
        devices.filter_map(|device| twins.get(&device))
    }

    /// Tells a level rule what holds, though it may know it.
    pub(crate) fn tell_again(&mut self, at: Instant) -> Option<Transition> {
        let since = match &self.state {
            State::Threshold(began) => *began,
            State::Held(Held::Running(run)) => run.fired.then_some(run.since),
            State::Zone(visit) => visit.filter(|visit| visit.entered).map(|visit| visit.since),
            _ => None,
        }?;
        self.dirty = true;
        Some(Transition::new(Phase::Began, at.max(since), since, None))
    }

    /// Counts what the rule is about to be told: how often this condition has begun.
    pub(crate) fn count(&mut self, transition: &Transition) -> u32 {
        let again = self.told.since == transition.since;
        if transition.phase == Phase::Began {
            let times = if again { self.told.times.saturating_add(1) } else { 1 };
            self.told = Told { since: transition.since, times };
            self.owed = false;
        }
        if self.told.since == transition.since { self.told.times } else { 1 }
    }

    /// The id of a condition's event: the same however often it is computed.
    pub(crate) fn condition_id(parts: [&str; 3], transition: &Transition, times: u32) -> Id {
        let [deployment, trigger, device] = parts;
        let (since, times) = (transition.since.0.to_string(), times.to_string());
        let parts = [deployment, trigger, device, since.as_str(), transition.phase.word(), times.as_str()];
        // The first time is the ordinary one and needs no number.
        let parts = if times == "1" { &parts[..5] } else { &parts[..] };
        Id::of(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
    }

    /// The capability that a condition speaks of, and its value: those of the predicate's first test, or
    /// what the trigger watches.
    pub(crate) fn subject(&self, twins: &Twins) -> (Option<Capability>, Option<Value>) {
        let mut tests = Vec::new();
        self.binding.when.iter().for_each(|when| when.tests(&mut tests));
        if tests.is_empty() {
            tests
                .extend(self.binding.watches.iter().filter_map(|(device, capability)| Some((*device, (*capability)?))));
        }
        let Some((device, capability)) = tests.first().copied() else { return (None, None) };
        let held = twins.get(&device).and_then(|twin| twin.get(capability));
        (Some(capability), held.and_then(|held| held.value.clone()))
    }
}

fn cleared(binding: &Binding, twins: &Twins, when: Truth) -> bool {
    match &binding.clear {
        Some(clear) => truth(Some(clear), twins, None) == Truth::True,
        None => when == Truth::False,
    }
}

impl Silence {
    /// For so long nobody could hear the device: that time does not count.
    pub(crate) fn defer(&mut self, device: Option<DeviceNo>, twins: &Twins, deaf: Span) {
        let lag = device.and_then(|device| twins.get(&device)).map(Twin::lag).unwrap_or_default();
        self.from = silence_base(self, device, twins) + lag + deaf;
    }
}

/// Since when a device counts as silent, in its own time: `from` is the host's and is moved by the device's lag.
fn silence_base(silence: &Silence, device: Option<DeviceNo>, twins: &Twins) -> Instant {
    let twin = device.and_then(|device| twins.get(&device));
    match twin.and_then(|twin| Some((twin, twin.newest?))) {
        Some((twin, newest)) => newest.max(silence.from.before(twin.lag())),
        None => silence.from,
    }
}

fn gone_since(twin: &Twin) -> Option<Instant> {
    (twin.available == Some(false)).then_some(twin.available_since)
}

/// Whether a `change` trigger fires for a reading, and the value to remember as reported.
pub(crate) fn changed(reported: &Option<Value>, kind: &Kind, previous: Option<&Value>, value: &Value) -> bool {
    let Kind::Change { from, to, deadband, .. } = kind else { return false };
    let base = if deadband.is_some() { reported.as_ref().or(previous) } else { previous };
    let Some(base) = base else { return false };
    let moved = match (deadband, base.as_f64(), value.as_f64()) {
        (Some(deadband), Some(base), Some(value)) => libm::fabs(value - base) >= *deadband,
        _ => !value.same(base),
    };
    moved && from.as_ref().is_none_or(|from| from.same(base)) && to.as_ref().is_none_or(|to| to.same(value))
}

/// Why a condition holds, in words for people: "temperature above 8 °C for 30m".
pub(crate) fn words(kind: &Kind, when: Option<&Bound>) -> Option<Name> {
    let predicate = when.map(Bound::words);
    Some(Name::from(match kind {
        Kind::Held { duration, .. } => format!("{} for {duration}", predicate?),
        Kind::Threshold { .. } => predicate?,
        Kind::Silence { duration } => format!("nothing heard for {duration}"),
        Kind::Availability { .. } => "not available".to_owned(),
        Kind::Zone(zone) if zone.dwell == Span::ZERO => format!("in {}", zone.area),
        Kind::Zone(zone) => format!("in {} for {}", zone.area, zone.dwell),
        Kind::Window(window) => window::words(window, when),
        Kind::Reading { .. }
        | Kind::Change { .. }
        | Kind::Schedule(_)
        | Kind::Sun(_)
        | Kind::Message { .. }
        | Kind::Custom { .. } => return None,
    }))
}

/// How long an outage lasts before holds take it for unknown time.
pub(crate) const OUTAGE: Span = limits::OUTAGE_MIN;
