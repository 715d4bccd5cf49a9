//! Hidden state: a sample of steps runs again on fresh instances, and an answer that differs is told.
//!
//! A rule that keeps something in its memory decides differently depending on which events came in one turn, which
//! nothing may depend on. What is found changes no decision and is no record: which steps share an instance depends on
//! the turns, so a replay would find others.

use std::collections::BTreeMap;

use model::guest::Failure;
use model::{Event, Instant, Name, Proposal, Value};
use serde::Serialize;

use crate::case::rerun;
use crate::partition::Partition;
use crate::step::Wake;

/// Which steps on an instance that handled others before are run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampler {
    #[default]
    Off,
    /// Those whose event's hash is below this.
    Below(u64),
    /// All of them; instances live on over the end of a turn, so that what they hide has time to show.
    Every,
}

/// A rule answered differently on an instance that had handled other events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Divergence {
    /// The partition's clock.
    pub at: Instant,
    pub deployment: Name,
    /// `id@version`.
    pub rule: Name,
    pub key: Name,
    pub event: Event,
    /// Events that the shared instance had handled before this one.
    pub handled: u32,
    /// The answer that counts.
    pub shared: Answer,
    pub fresh: Answer,
}

/// What a rule answered to one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Answer {
    pub proposals: Vec<Proposal>,
    /// Values written, and names removed.
    pub writes: BTreeMap<Name, Option<Value>>,
    /// Reason code, and what the rule said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<(Name, Name)>,
}

impl Sampler {
    /// A share of all events from 0 to 1.
    #[must_use]
    pub fn share(share: f64) -> Self {
        if share <= 0.0 {
            return Self::Off;
        }
        // The cast saturates: a share of 1 takes all.
        Self::Below((share * u64::MAX as f64) as u64)
    }

    /// Whether an event is among those that are looked at: a pure function of its id.
    fn takes(self, event: &str) -> bool {
        match self {
            Self::Off => false,
            Self::Below(limit) => hash(event) <= limit,
            Self::Every => true,
        }
    }
}

impl Answer {
    fn new(result: &Result<Vec<Proposal>, Failure>, writes: BTreeMap<Name, Option<Value>>) -> Self {
        match result {
            Ok(proposals) => Self { proposals: proposals.clone(), writes, failure: None },
            Err(failure) => {
                // The message of a stopped call names places in its code: the same fault may name others.
                let message = if matches!(failure, Failure::Stopped(..)) { "" } else { failure.message() };
                let failure = Some((Name::from(failure.reason()), Name::from(message)));
                Self { proposals: Vec::new(), writes: BTreeMap::new(), failure }
            }
        }
    }
}

impl Partition {
    /// Runs a step that has just run once more on a fresh instance, where it is among the sample.
    pub(crate) fn sample(&mut self, wake: &Wake, handled: u32, result: &Result<Vec<Proposal>, Failure>) {
        if handled == 0 || !self.sampler.takes(&wake.event.id) {
            return;
        }
        let planned = &self.plan.deployments[wake.deployment as usize];
        // No room for another instance says nothing about the rule.
        let Ok(instance) = planned.program.instantiate() else { return };
        let (spec, rule) = (std::sync::Arc::clone(&planned.spec), planned.rule.clone());
        let mut world = self.lent.take().expect("the world is lent only while a rule runs");
        let kept = world.call.set_aside();
        world.begin(&spec, &wake.event.key, &wake.event.id, self.clock);
        let (again, mut world) = rerun(instance, &spec, &wake.event, world);
        world.call = kept;
        let shared = Answer::new(result, world.call.writes.values());
        self.lent = Some(world);
        self.fuel += again.fuel;
        let fresh = Answer::new(&again.result, again.writes);
        if shared != fresh {
            self.record.divergences.push(Divergence {
                at: self.clock,
                deployment: spec.name.clone(),
                rule,
                key: wake.event.key.clone(),
                event: wake.event.clone(),
                handled,
                shared,
                fresh,
            });
        }
    }
}

/// FNV-1a, finished by SplitMix64's mixer so that every bit counts: cheap, and the same everywhere.
fn hash(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    crate::world::mix(text.bytes().fold(0xCBF2_9CE4_8422_2325, fnv))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_about_that_many_events_and_always_the_same() {
        let sampler = Sampler::share(0.01);
        let id = |n: u32| model::Id::of(&[&n.to_be_bytes()]).to_string();
        let taken: Vec<u32> = (0..100_000).filter(|n| sampler.takes(&id(*n))).collect();
        assert!((800..1_200).contains(&taken.len()), "{}", taken.len());
        assert!(taken.iter().all(|n| sampler.takes(&id(*n))));
        assert!(!Sampler::share(0.0).takes("x"));
        assert!((0..1_000).all(|n| Sampler::share(1.0).takes(&n.to_string())));
    }
}
