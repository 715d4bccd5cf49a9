//! Explaining: where each trigger that watches a device stands, and the first thing that stops it. Reads and changes
//! nothing.

use std::fmt;

use model::event::{Freshness, Quality};
use model::input::Body;
use model::trigger::{Kind, Test};
use model::{Capability, DeviceNo, Input, Instant, Name, Span, Value, limits};

use crate::partition::Partition;
use crate::plan::Bound;
use crate::quarantine::Hold;
use crate::triggers::held::{Held, Run};
use crate::triggers::{Slot, State, words};
use crate::twin::{LastKnown, Twin};

/// One trigger of one deployment that watches a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    pub deployment: Name,
    pub key: Name,
    pub trigger: Name,
    pub kind: &'static str,
    /// Its condition in words.
    pub condition: Option<Name>,
    /// What stops it, or that nothing does.
    pub why_not: WhyNot,
    /// What is held against its deployment or key.
    pub hold: Option<Hold>,
    /// Steps of its key that wait for their turn.
    pub waiting: usize,
}

/// The first thing that keeps a trigger from waking its rule.
#[derive(Debug, Clone, PartialEq)]
pub enum WhyNot {
    /// Nothing was ever heard of what it watches.
    NeverHeard {
        device: Name,
        capability: Option<Capability>,
    },
    /// The predicate asks for a device that the site does not have.
    NoSuchDevice,
    /// The device says that its value is not to be trusted.
    Bad {
        device: Name,
        capability: Capability,
        reported: Instant,
    },
    Stale {
        device: Name,
        capability: Capability,
        reported: Instant,
        stale: Span,
    },
    /// A test that the value does not pass.
    Fails {
        device: Name,
        capability: Capability,
        value: Value,
        test: Test,
        reported: Instant,
    },
    /// It is true, not yet for long enough. `unknown` is since when it may have stopped being so.
    NotLongEnough {
        since: Instant,
        so_far: Span,
        wanted: Span,
        unknown: Option<Instant>,
    },
    /// It began and the rule was told; it tells again after it has ended.
    Began {
        since: Instant,
    },
    /// It began, and what would end it has not come.
    NotCleared {
        since: Instant,
        clear: String,
    },
    /// Retained or polled state begins nothing.
    Snapshot,
    /// Older than the newest by more than the lateness.
    Late {
        newest: Instant,
    },
    /// Older than the newest.
    OutOfOrder {
        newest: Instant,
    },
    /// The last report was about something else.
    NotReported {
        capability: Capability,
    },
    Unchanged {
        capability: Capability,
        value: Value,
        since: Instant,
    },
    /// The value changed, not in the way that is watched for.
    OtherChange {
        capability: Capability,
        value: Value,
        wanted: String,
    },
    /// Nothing was heard since, and that not for long enough; or the device has just spoken.
    NotSilent {
        heard: Instant,
        wanted: Span,
        deadline: Instant,
    },
    Available,
    NotGoneLongEnough {
        since: Instant,
        wanted: Span,
    },
    Outside {
        area: Name,
    },
    /// What is gathered is not decided yet, or the last that was did not satisfy the condition.
    Window {
        decided: Option<Instant>,
        deadline: Option<Instant>,
    },
    /// The sources have not delivered what waited while the host was down.
    NotCaughtUp,
    /// Nothing stops it.
    Nothing,
}

impl Partition {
    pub(crate) fn explain(&self, device: &str, last: Option<&Input>, at: Instant) -> Vec<Explained> {
        let Some(number) = self.plan.devices.named(device).map(|device| device.number) else { return Vec::new() };
        let watches = |slot: &&Slot| {
            slot.binding.device == Some(number) || slot.binding.watches.iter().any(|(watched, _)| *watched == number)
        };
        self.slots.iter().filter(watches).map(|slot| self.explain_slot(slot, number, last, at)).collect()
    }

    fn explain_slot(&self, slot: &Slot, device: DeviceNo, last: Option<&Input>, at: Instant) -> Explained {
        let planned = &self.plan.deployments[slot.binding.deployment as usize];
        let trigger = &self.trigger_of(slot).spec;
        let (deployment, key) = (planned.spec.name.clone(), slot.binding.key.clone());
        let hold = self.standings.of(&deployment).or_else(|| self.standings.of_key(&deployment, &key)).cloned();
        Explained {
            trigger: trigger.name.clone(),
            kind: trigger.kind.word(),
            condition: words(&trigger.kind, slot.binding.when.as_ref()),
            why_not: self.why_not(slot, &trigger.kind, device, last, at),
            hold,
            waiting: self.pending.of_key(&deployment, &key),
            deployment,
            key,
        }
    }

    fn why_not(&self, slot: &Slot, kind: &Kind, device: DeviceNo, last: Option<&Input>, at: Instant) -> WhyNot {
        let twins = &self.view().twins;
        if let Some(out) = self.out_of_order(kind, device, last) {
            return out;
        }
        let snapshot =
            matches!(last.map(|input| &input.body), Some(Body::Observation { freshness: Freshness::Snapshot, .. }));
        match (&slot.state, kind) {
            (_, Kind::Reading { capability, snapshot: wanted, .. }) => match (last, capability) {
                (None, _) => WhyNot::NeverHeard { device: self.name_of(device), capability: *capability },
                (Some(last), Some(capability)) if !reports(last, *capability) => {
                    WhyNot::NotReported { capability: *capability }
                }
                _ if snapshot && !wanted => WhyNot::Snapshot,
                _ => WhyNot::Nothing,
            },
            (State::Change(reported), Kind::Change { .. }) => self.why_no_change(reported.as_ref(), kind, device, last),
            (State::Threshold(None), Kind::Threshold { snapshot: wanted, .. }) => {
                let stop = slot.binding.when.as_ref().and_then(|when| self.first_stop(when, None));
                stop.unwrap_or(if snapshot && !wanted { WhyNot::Snapshot } else { WhyNot::Nothing })
            }
            (State::Threshold(Some(since)), Kind::Threshold { .. }) => {
                let clear = slot.binding.clear.as_ref().filter(|clear| self.first_stop(clear, None).is_some());
                match clear.map(Bound::words) {
                    Some(clear) => WhyNot::NotCleared { since: *since, clear },
                    None => WhyNot::Began { since: *since },
                }
            }
            (State::Held(held), Kind::Held { duration, stale, snapshot: wanted, .. }) => {
                let stop = || {
                    slot.binding.when.as_ref().and_then(|when| self.first_stop(when, stale.map(|stale| (at, stale))))
                };
                match held {
                    Held::Running(Run { fired: true, since, .. }) => WhyNot::Began { since: *since },
                    Held::Running(run) => WhyNot::NotLongEnough {
                        since: run.since,
                        so_far: Span(at.before(slot.lag(twins)).since(run.since).0.saturating_sub(run.paused.0)),
                        wanted: *duration,
                        unknown: run.unknown,
                    },
                    Held::Idle => {
                        stop().unwrap_or(if snapshot && !wanted { WhyNot::Snapshot } else { WhyNot::Nothing })
                    }
                }
            }
            (State::Silence(silence), Kind::Silence { duration }) => {
                match (silence.began, slot.deadline(kind, twins)) {
                    (Some(since), _) => WhyNot::Began { since },
                    (None, _) if !self.caught_up => WhyNot::NotCaughtUp,
                    (None, deadline) => {
                        let deadline = deadline.unwrap_or(silence.from + *duration);
                        WhyNot::NotSilent { heard: deadline.before(*duration), wanted: *duration, deadline }
                    }
                }
            }
            (State::Availability(Some(since)), _) => WhyNot::Began { since: *since },
            (State::Availability(None), Kind::Availability { outage_min }) => match twins.get(&device) {
                Some(Twin { available: Some(false), available_since, .. }) => {
                    WhyNot::NotGoneLongEnough { since: *available_since, wanted: *outage_min }
                }
                _ => WhyNot::Available,
            },
            (State::Zone(visit), Kind::Zone(zone)) => match visit {
                Some(visit) if visit.entered => WhyNot::Began { since: visit.since },
                Some(visit) => WhyNot::NotLongEnough {
                    since: visit.since,
                    so_far: at.before(slot.lag(twins)).since(visit.since),
                    wanted: zone.dwell,
                    unknown: None,
                },
                None => match self.value_of(device, zone.capability) {
                    None => WhyNot::NeverHeard { device: self.name_of(device), capability: Some(zone.capability) },
                    Some(_) if snapshot && !zone.snapshot => WhyNot::Snapshot,
                    Some(_) => WhyNot::Outside { area: Name::from(zone.area.to_string()) },
                },
            },
            (State::Window(windows), Kind::Window(_)) => match windows.began {
                Some(since) => WhyNot::Began { since },
                None => WhyNot::Window { decided: windows.decided, deadline: slot.deadline(kind, twins) },
            },
            _ => WhyNot::Nothing,
        }
    }

    /// A reading that is older than the newest changes no twin and reaches only what asks for it.
    fn out_of_order(&self, kind: &Kind, device: DeviceNo, last: Option<&Input>) -> Option<WhyNot> {
        let newest = self.view().twins.get(&device)?.newest?;
        let at = last?.occurred_at.filter(|at| *at < newest)?;
        let late = at + limits::LATENESS < newest;
        match kind {
            Kind::Window(_) => None,
            Kind::Reading { late: wanted, .. } if *wanted || !late => None,
            _ if late => Some(WhyNot::Late { newest }),
            _ => Some(WhyNot::OutOfOrder { newest }),
        }
    }

    fn why_no_change(&self, reported: Option<&Value>, kind: &Kind, device: DeviceNo, last: Option<&Input>) -> WhyNot {
        let Kind::Change { capability, from, to, deadband, snapshot } = kind else { return WhyNot::Nothing };
        let capability = *capability;
        let Some((value, held)) = self.value_of(device, capability) else {
            return WhyNot::NeverHeard { device: self.name_of(device), capability: Some(capability) };
        };
        let observed = last.map(|input| &input.body);
        if last.is_some_and(|last| !reports(last, capability)) {
            return WhyNot::NotReported { capability };
        }
        if held.quality == Quality::Bad {
            return WhyNot::Bad { device: self.name_of(device), capability, reported: held.reported };
        }
        if held.since < held.reported {
            return WhyNot::Unchanged { capability, value: value.clone(), since: held.since };
        }
        if !snapshot && matches!(observed, Some(Body::Observation { freshness: Freshness::Snapshot, .. })) {
            return WhyNot::Snapshot;
        }
        let mut wanted = Vec::new();
        wanted.extend(from.iter().map(|from| format!("from {from}")));
        wanted.extend(to.iter().map(|to| format!("to {to}")));
        if let (Some(deadband), Some(reported)) = (deadband, reported) {
            wanted.push(format!("by {deadband} or more from {reported}"));
        }
        if wanted.is_empty() {
            // The first value that is heard differs from nothing.
            wanted.push("from a value known before".to_owned());
        }
        WhyNot::OtherChange { capability, value: value.clone(), wanted: wanted.join(" ") }
    }

    /// The first test that keeps a predicate from being true; none where it is.
    fn first_stop(&self, predicate: &Bound, stale: Option<(Instant, Span)>) -> Option<WhyNot> {
        match predicate {
            Bound::Unbound => Some(WhyNot::NoSuchDevice),
            Bound::All(parts) => parts.iter().find_map(|part| self.first_stop(part, stale)),
            Bound::Any(parts) => {
                let stops: Option<Vec<_>> = parts.iter().map(|part| self.first_stop(part, stale)).collect();
                stops?.into_iter().next()
            }
            Bound::Test { device, capability, test } => {
                let (name, capability) = (self.name_of(*device), *capability);
                let Some((value, held)) = self.value_of(*device, capability) else {
                    return Some(WhyNot::NeverHeard { device: name, capability: Some(capability) });
                };
                let reported = held.reported;
                if held.quality == Quality::Bad {
                    return Some(WhyNot::Bad { device: name, capability, reported });
                }
                match stale {
                    Some((at, stale)) if reported + stale < at => {
                        Some(WhyNot::Stale { device: name, capability, reported, stale })
                    }
                    _ if test.passes(value) => None,
                    _ => {
                        let (value, test) = (value.clone(), test.clone());
                        Some(WhyNot::Fails { device: name, capability, value, test, reported })
                    }
                }
            }
        }
    }

    fn value_of(&self, device: DeviceNo, capability: Capability) -> Option<(&Value, &LastKnown)> {
        let held = self.view().twins.get(&device)?.get(capability)?;
        Some((held.value.as_ref()?, held))
    }

    fn name_of(&self, device: DeviceNo) -> Name {
        self.plan.devices.get(device).map_or_else(|| Name::from(""), |device| device.id.clone())
    }
}

fn reports(input: &Input, capability: Capability) -> bool {
    match &input.body {
        Body::Observation { readings, .. } => readings.iter().any(|reading| reading.capability == capability),
        _ => false,
    }
}

impl WhyNot {
    /// Its kind as a code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeverHeard { .. } => "never-heard",
            Self::NoSuchDevice => "no-such-device",
            Self::Bad { .. } => "bad-quality",
            Self::Stale { .. } => "stale",
            Self::Fails { .. } => "not-true",
            Self::NotLongEnough { .. } => "not-long-enough",
            Self::Began { .. } => "began-before",
            Self::NotCleared { .. } => "not-cleared",
            Self::Snapshot => "snapshot",
            Self::Late { .. } => "late",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::NotReported { .. } => "not-reported",
            Self::Unchanged { .. } => "unchanged",
            Self::OtherChange { .. } => "other-change",
            Self::NotSilent { .. } => "not-silent",
            Self::Available => "available",
            Self::NotGoneLongEnough { .. } => "not-gone-long-enough",
            Self::Outside { .. } => "outside",
            Self::Window { .. } => "window",
            Self::NotCaughtUp => "not-caught-up",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverHeard { device, capability: Some(capability) } => {
                write!(f, "{capability} of {device} was never heard")
            }
            Self::NeverHeard { device, capability: None } => write!(f, "{device} was never heard"),
            Self::NoSuchDevice => f.write_str("the site has no device of the role that the condition asks for"),
            Self::Bad { device, capability, reported } => {
                write!(f, "{device} said at {reported} that its {capability} is not to be trusted")
            }
            Self::Stale { device, capability, reported, stale } => {
                write!(f, "{capability} of {device} is unknown: last reported at {reported}, good for {stale}")
            }
            Self::Fails { device, capability, value, test, reported } => {
                let unit = capability.unit().map(|unit| format!(" {}", unit.symbol())).unwrap_or_default();
                let unit = unit.trim_end();
                write!(f, "{capability} {value}{unit} ")?;
                match test {
                    Test::Equals(wanted) => write!(f, "is not {wanted}{unit}")?,
                    Test::NotEquals(_) => write!(f, "is what it must not be")?,
                    other => write!(f, "is not {}{unit}", other.words())?,
                }
                write!(f, " ({device}, reported at {reported})")
            }
            Self::NotLongEnough { since, so_far, wanted, unknown } => {
                write!(f, "true since {since}, for {so_far}; wanted for {wanted}")?;
                unknown.map_or(Ok(()), |unknown| write!(f, "; unknown since {unknown}"))
            }
            Self::Began { since } => write!(f, "it began at {since} and has not ended: a rule is told once"),
            Self::NotCleared { since, clear } => {
                write!(f, "it began at {since} and is not cleared: that takes {clear}")
            }
            Self::Snapshot => f.write_str("the last report was a snapshot (retained or polled), which begins nothing"),
            Self::Late { newest } => write!(f, "the last report came late: one of {newest} was known already"),
            Self::OutOfOrder { newest } => {
                write!(f, "the last report came out of order: one of {newest} was known already")
            }
            Self::NotReported { capability } => write!(f, "the last report said nothing of {capability}"),
            Self::Unchanged { capability, value, since } => write!(f, "{capability} is {value} since {since}"),
            Self::OtherChange { capability, value, wanted } => {
                write!(f, "{capability} changed to {value}; watched is a change {wanted}")
            }
            Self::NotSilent { heard, wanted, deadline } => {
                write!(f, "heard at {heard}; silent for {wanted} only from {deadline} on")
            }
            Self::Available => f.write_str("it is available"),
            Self::NotGoneLongEnough { since, wanted } => write!(f, "gone since {since}; wanted for {wanted}"),
            Self::Outside { area } => write!(f, "it is not in {area}"),
            Self::Window { decided: Some(decided), deadline: Some(deadline) } => {
                write!(f, "no window up to {decided} satisfied it; the next is decided at {deadline}")
            }
            Self::Window { decided: None, deadline: Some(deadline) } => {
                write!(f, "the first window is decided at {deadline}")
            }
            Self::Window { decided: Some(decided), deadline: None } => {
                write!(f, "no window up to {decided} satisfied it")
            }
            Self::Window { decided: None, deadline: None } => f.write_str("no window has closed yet"),
            Self::NotCaughtUp => f.write_str("the sources have not delivered what waited while the host was down"),
            Self::Nothing => f.write_str("nothing stops it"),
        }
    }
}
