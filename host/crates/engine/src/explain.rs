//! Explaining: where each trigger that watches a device stands, and the first thing that stops it. Reads and changes
//! nothing.

use model::event::{Freshness, Quality};
use model::input::Body;
use model::trigger::{Gap, Kind, Zone};
use model::{Capability, DeviceNo, Input, Instant, Name, Span, Value, limits};

use crate::bindings::Bound;
use crate::partition::Partition;
use crate::quarantine::Hold;
use crate::triggers::held::{Held, Run};
use crate::triggers::zone::Visit;
use crate::triggers::{Silence, Slot, State, words};
use crate::twin::{LastKnown, Twin};
use crate::why_not::WhyNot;

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
        if let Some(out) = self.out_of_order(kind, device, last) {
            return out;
        }
        match (&slot.state, kind) {
            (_, Kind::Reading { capability, snapshot: wanted, .. }) => match (last, capability) {
                (None, _) => WhyNot::NeverHeard { device: self.name_of(device), capability: *capability },
                (Some(last), Some(capability)) if !reports(last, *capability) => {
                    WhyNot::NotReported { capability: *capability }
                }
                _ => unless_snapshot(last, *wanted),
            },
            (State::Change(reported), Kind::Change { .. }) => self.why_no_change(reported.as_ref(), kind, device, last),
            (State::Threshold(began), Kind::Threshold { snapshot: wanted, .. }) => {
                self.why_no_crossing(slot, *began, *wanted, last)
            }
            (State::Held(held), Kind::Held { .. }) => self.why_not_held(slot, held, kind, last, at),
            (State::Silence(silence), Kind::Silence { duration }) => {
                self.why_not_silent(slot, silence, kind, *duration)
            }
            (State::Availability(Some(since)), _) => WhyNot::Began { since: *since },
            (State::Availability(None), Kind::Availability { outage_min }) => self.why_not_gone(device, *outage_min),
            (State::Zone(visit), Kind::Zone(zone)) => {
                self.why_not_inside(slot, visit.as_ref(), zone, (device, last), at)
            }
            (State::Window(windows), Kind::Window(_)) => match windows.began {
                Some(since) => WhyNot::Began { since },
                None => {
                    let deadline = slot.deadline(kind, &self.view().twins);
                    WhyNot::Window { decided: windows.decided, deadline }
                }
            },
            _ => WhyNot::Nothing,
        }
    }

    fn why_no_crossing(&self, slot: &Slot, began: Option<Instant>, wanted: bool, last: Option<&Input>) -> WhyNot {
        let Some(since) = began else {
            let stop = slot.binding.when.as_ref().and_then(|when| self.first_stop(when, None));
            return stop.unwrap_or_else(|| unless_snapshot(last, wanted));
        };
        let clear = slot.binding.clear.as_ref().filter(|clear| self.first_stop(clear, None).is_some());
        match clear.map(Bound::words) {
            Some(clear) => WhyNot::NotCleared { since, clear },
            None => WhyNot::Began { since },
        }
    }

    fn why_not_held(&self, slot: &Slot, held: &Held, kind: &Kind, last: Option<&Input>, at: Instant) -> WhyNot {
        let Kind::Held { duration, stale, gap, gap_max, snapshot: wanted, .. } = kind else { return WhyNot::Nothing };
        let when = slot.binding.when.as_ref();
        let stop = when.and_then(|when| self.first_stop(when, stale.map(|stale| (at, stale))));
        match held {
            Held::Running(Run { fired: true, since, .. }) => WhyNot::Began { since: *since },
            Held::Running(run) => {
                let mut unknown = run.unknown;
                if let Some(WhyNot::Stale { reported, stale, .. }) = &stop {
                    // The clock has not been asked since: a run that unknown time ends has ended by now.
                    let from = *unknown.get_or_insert(*reported + *stale);
                    let ended = *gap == Gap::Reset || *gap == Gap::Continue && from + *gap_max < at;
                    if let Some(stop) = stop.filter(|_| ended) {
                        return stop;
                    }
                }
                let until = unknown.filter(|_| *gap == Gap::Pause).unwrap_or(at.before(slot.lag(&self.view().twins)));
                let so_far = Span(until.since(run.since).0.saturating_sub(run.paused.0));
                WhyNot::NotLongEnough { since: run.since, so_far, wanted: *duration, unknown }
            }
            Held::Idle => stop.unwrap_or_else(|| unless_snapshot(last, *wanted)),
        }
    }

    fn why_not_silent(&self, slot: &Slot, silence: &Silence, kind: &Kind, wanted: Span) -> WhyNot {
        match silence.began {
            Some(since) => WhyNot::Began { since },
            None if !self.caught_up => WhyNot::NotCaughtUp,
            None => {
                let deadline = slot.deadline(kind, &self.view().twins).unwrap_or(silence.from + wanted);
                WhyNot::NotSilent { heard: deadline.before(wanted), wanted, deadline }
            }
        }
    }

    fn why_not_gone(&self, device: DeviceNo, wanted: Span) -> WhyNot {
        match self.view().twins.get(&device) {
            Some(Twin { available: Some(false), available_since, .. }) => {
                WhyNot::NotGoneLongEnough { since: *available_since, wanted }
            }
            _ => WhyNot::Available,
        }
    }

    fn why_not_inside(
        &self,
        slot: &Slot,
        visit: Option<&Visit>,
        zone: &Zone,
        (device, last): (DeviceNo, Option<&Input>),
        at: Instant,
    ) -> WhyNot {
        match visit {
            Some(visit) if visit.entered => WhyNot::Began { since: visit.since },
            Some(visit) => WhyNot::NotLongEnough {
                since: visit.since,
                so_far: at.before(slot.lag(&self.view().twins)).since(visit.since),
                wanted: zone.dwell,
                unknown: None,
            },
            None => match self.value_of(device, zone.capability) {
                None => WhyNot::NeverHeard { device: self.name_of(device), capability: Some(zone.capability) },
                Some(_) if is_snapshot(last) && !zone.snapshot => WhyNot::Snapshot,
                Some(_) => WhyNot::Outside { area: Name::from(zone.area.to_string()) },
            },
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
        if last.is_some_and(|last| !reports(last, capability)) {
            return WhyNot::NotReported { capability };
        }
        if held.quality == Quality::Bad {
            return WhyNot::Bad { device: self.name_of(device), capability, reported: held.reported };
        }
        if held.since < held.reported {
            return WhyNot::Unchanged { capability, value: value.clone(), since: held.since };
        }
        if !snapshot && is_snapshot(last) {
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

fn is_snapshot(last: Option<&Input>) -> bool {
    matches!(last.map(|input| &input.body), Some(Body::Observation { freshness: Freshness::Snapshot, .. }))
}

/// What stops a trigger whose condition holds: a snapshot begins nothing, unless that is wanted.
fn unless_snapshot(last: Option<&Input>, wanted: bool) -> WhyNot {
    if is_snapshot(last) && !wanted { WhyNot::Snapshot } else { WhyNot::Nothing }
}
